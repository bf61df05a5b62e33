"""Planting faults: a module's text with one thing changed, in place of the module, for as long as the block lasts."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType

from actions import ACTIONS

ROOMS = ("actions", "queries", "jobs", "rules", "tests", "test_money_model")


@contextmanager
def planted(module_name: str, old: str, new: str) -> Iterator[None]:
    """Within this block `new` stands for the one `old` in the module's text, wherever its functions were imported to."""
    module = importlib.import_module(module_name)
    text = inspect.getsource(module)
    if text.count(old) != 1:
        raise ValueError(f"{module_name}: {old!r} is there {text.count(old)} times")
    before, actions = dict(vars(module)), dict(ACTIONS)
    for name in [name for name, act in ACTIONS.items() if act.__module__ == module_name]:
        del ACTIONS[name]  # its module declares it again
    # In the module's own namespace: what a test puts there is seen by the changed functions, too.
    exec(compile(text.replace(old, new), module.__file__ or module_name, "exec"), vars(module))  # noqa: S102
    swapped = {
        id(before[name]): function
        for name, function in vars(module).items()
        if isinstance(function, FunctionType) and function.__module__ == module_name and name in before
    }
    places = [
        (holder, name, value)
        for holder in list(sys.modules.values())
        if holder is not None and getattr(holder, "__name__", "").split(".")[0] in ROOMS
        for name, value in list(vars(holder).items())
        if id(value) in swapped
    ]
    try:
        for holder, name, value in places:
            setattr(holder, name, swapped[id(value)])
        yield
    finally:
        for holder, name, value in places:
            setattr(holder, name, value)
        vars(module).update(before)
        ACTIONS.clear()
        ACTIONS.update(actions)
