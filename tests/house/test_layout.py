"""The house stands as CONTRIBUTING.md says: what may be where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SQL_TOO = ("settings.py", "integrations/test_bank.py")
"""An address is read there; a bank with books of its own."""
ROOMS = (
    "pages",
    "routes",
    "ui",
    "jobs",
    "seed",
    "actions",
    "queries",
    "rules",
    "db",
    "texts",
    "models",
    "documents",
    "integrations",
)
FILES = [ROOT / name for name in ("app.py", "portal.py", "settings.py", "clock.py") if (ROOT / name).exists()] + [
    file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))
]


def _imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0]


def test_no_screen_lies_directly_in_pages_where_it_would_be_served_without_the_sign_in_check():
    assert [file.name for file in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_libraries_stay_in_their_rooms(file: Path):
    path, imports = file.relative_to(ROOT).as_posix(), _imports(file)
    tops = {name.split(".")[0] for name in imports}
    if "streamlit" in tops:
        assert path in ("app.py", "portal.py") or path.startswith(("pages/", "ui/widgets/")), "Streamlit outside the screens"
    if "plotly" in tops:
        assert path.startswith("ui/charts/"), "Plotly outside ui/charts"
    assert not any(name.startswith("plotly.express") for name in imports), "plotly.express costs 50–90 ms a figure"
    if {"sqlalchemy", "sqlmodel"} & tops:
        assert _room(file) in ("queries", "actions", "seed", "db", "models") or path in SQL_TOO, "SQL outside its rooms"


@pytest.mark.parametrize("file", sorted((ROOT / "models").glob("*.py")), ids=lambda file: file.name)
def test_models_do_not_postpone_annotations(file: Path):
    assert "__future__" not in _imports(file), "SQLModel reads annotations when the class is made"


def test_only_the_clock_reads_the_time():
    for file in FILES:
        if file.name == "clock.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                said = ast.unparse(node.func)
                assert said not in {"datetime.now", "datetime.utcnow", "date.today", "time.time"}, f"{file}: {said}"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_direct_dependencies_are_pinned_exactly_and_explained(name: str):
    reasons = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    packages = [line for line in lines if line and not line.startswith("-r")]
    assert packages
    for line in packages:
        assert "==" in line, line
        assert f"`{line.split('==')[0].split('[')[0].lower()}`" in reasons, f"{line} has no reason in docs/dependencies.md"


def test_html_is_never_made_from_what_a_person_typed():
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert "unsafe_allow_html" not in text, file
        assert "unsafe_allow_javascript" not in text, file


def test_every_public_query_about_people_takes_the_visitor():
    """A query that does not take the visitor cannot check who asks; the few that have none are listed with a reason."""
    free = {
        "visitors": "finds out who the visitor is",
        "personas": "the demo's sign-in page, before anybody is signed in",
        "first_letters": "a demo's letters to a contact that was just typed, before anybody is signed in",
        "regions": "the subdivisions of the country",
        "figures": "recounts totals in a job; names no person",
        "billing_day": "what billing day reads of all accounts; nobody asks, and nobody is shown it",
        "ahead": "what lies ahead of many people; each row is told to the person it names and to nobody else",
        "demo_clock": "moves of the demo's clock, and counts of what happened; names no person",
        "dues": "what accounts owe, for work that nobody asked for; nobody is shown it",
        "monthly": "the letters of a month, for batches of people; one's own summary is asked for with the visitor",
    }
    for file in sorted((ROOT / "queries").glob("*.py")):
        if file.stem in free or file.name == "__init__.py":
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                names = {arg.arg for arg in [*node.args.args, *node.args.kwonlyargs]}
                if "db" in names:
                    assert "visitor" in names, f"queries/{file.name}: {node.name} does not take the visitor"


def test_every_letter_goes_through_the_outbox():
    """A letter written past `actions.letters.put` would be kept here and never leave by the mail server."""
    writers = [
        f"{room}/{file.name}"
        for room in ("actions", "jobs", "routes", "queries")
        for file in sorted((ROOT / room).glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Message"
    ]
    assert writers == ["actions/letters.py"]
