"""Verbs that change something. `perform()` runs one in its own transaction and leaves a row of the attempt, refused ones too."""

from actions.performing import ACTIONS, action, perform

__all__ = ["ACTIONS", "action", "perform"]
