"""YooKassa's published OpenAPI document, and whether what went over the line is what it says.

The document is theirs and not kept here: https://yookassa.ru/developers/using-api/openapi-specification. `YOOKASSA_SPEC` names a
copy (YAML or JSON), `tests/gateway/test_yookassa.py` then holds every exchange of its tests against it.
"""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.gateway.yookassa_sandbox import Exchange

_formats = FormatChecker()


@_formats.checks("date-time", raises=ValueError)
def _is_a_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


class Document:
    """`faults(exchange)` tells what of an exchange the document does not allow."""

    def __init__(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        self._content: dict[str, Any] = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)

    @cached_property
    def _components(self) -> dict[str, Any]:
        """What is referred to, as JSON Schema."""
        return self._told(copy.deepcopy(self._content["components"]))

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """Which word in the discriminator stands for which schema, as their parents say it."""
        return {
            ref: word
            for schema in self._content["components"]["schemas"].values()
            for word, ref in schema.get("discriminator", {}).get("mapping", {}).items()
        }

    def _told(self, schema: Any) -> Any:
        """OpenAPI 3.0 as JSON Schema: `nullable`, and a choice by a word instead of by trial (their choices overlap)."""
        if isinstance(schema, list):
            return [self._told(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        told = {name: self._told(part) for name, part in schema.items() if name not in ("discriminator", "nullable", "example")}
        if schema.get("nullable") is True and isinstance(told.get("type"), str):
            told["type"] = [told["type"], "null"]
        word = schema.get("discriminator", {}).get("propertyName") if isinstance(schema.get("discriminator"), dict) else None
        choices = schema.get("oneOf", schema.get("anyOf"))
        if choices and (word or all(choice.get("$ref") in self._kinds for choice in choices)):
            word = word or "type"
            by_word = {self._kinds.get(choice["$ref"], choice["$ref"]): choice for choice in choices}
            told.pop("oneOf", None)
            told.pop("anyOf", None)
            told["properties"] = {**told.get("properties", {}), word: {"enum": list(by_word)}}
            told["required"] = [*told.get("required", []), word]
            told["allOf"] = [
                *told.get("allOf", []),
                *({"if": {"properties": {word: {"const": name}}}, "then": choice} for name, choice in by_word.items()),
            ]
        return told

    def _of(self, path: str) -> dict[str, Any]:
        for template, methods in self._content["paths"].items():
            parts, given = template.strip("/").split("/"), path.strip("/").split("/")
            pairs = zip(parts, given, strict=True) if len(parts) == len(given) else [("", "-")]
            if all(part == one or part.startswith("{") for part, one in pairs):
                return methods
        raise AssertionError(f"the document knows no {path}")

    def _found(self, thing: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in thing:
            found: Any = self._content
            for part in thing["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            thing = found
        return thing

    def _errors(self, where: str, schema: dict[str, Any], value: Any, *, strict: bool) -> Iterator[str]:
        whole = {"components": self._components, "allOf": [self._told(schema)]}
        if strict:
            whole["unevaluatedProperties"] = False
        for error in Draft202012Validator(whole, format_checker=_formats).iter_errors(value):
            yield f"{where} {error.json_path}: {error.message[:300]}"

    def faults(self, exchange: Exchange) -> list[str]:
        """What is wrong with it, in words; an empty list: nothing.

        A request that was refused is allowed to be wrong; its answer is not.
        """
        where = f"{exchange.method} {exchange.path} {exchange.status}"
        operation = self._of(exchange.path)[exchange.method.lower()]
        found: list[str] = []
        if exchange.status == 200:
            parameters = [self._found(parameter) for parameter in operation.get("parameters", [])]
            query = {parameter["name"]: parameter for parameter in parameters if parameter["in"] == "query"}
            for name, value in exchange.query.items():
                if name not in query:
                    found.append(f"{where}: unknown parameter {name}")
                    continue
                kind = self._found(query[name]["schema"]).get("type")
                found += self._errors(
                    f"{where} ?{name}", query[name]["schema"], int(value) if kind == "integer" else value, strict=False
                )
            for parameter in parameters:
                if parameter["in"] == "header":
                    found += self._errors(f"{where} {parameter['name']}", parameter["schema"], exchange.key, strict=False)
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                found += self._errors(f"{where} request", schema, exchange.body, strict=True)
        responses = operation["responses"]
        if str(exchange.status) not in responses:
            # Some answers are written down in general and not at each address.
            general = {400: "BadRequest", 401: "InvalidCredentials", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}
            answer = self._content["components"]["responses"][general[exchange.status]]
        else:
            answer = self._found(responses[str(exchange.status)])
        schema = answer["content"]["application/json"]["schema"]
        return found + list(self._errors(f"{where} answer", schema, exchange.answer, strict=True))
