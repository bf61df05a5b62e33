"""Names for lists to choose from. Streamlit tells choices apart by what they are called: two of one name would be one."""

from collections import Counter
from collections.abc import Mapping


def told_apart(names: Mapping[int, str], details: Mapping[int, str]) -> dict[int, str]:
    """The names by id, each with its detail where another is called the same, and numbered where even that is."""
    often = Counter(names.values())
    said = {key: f"{name} · {details[key]}" if often[name] > 1 else name for key, name in names.items()}
    seen: Counter[str] = Counter()
    for key, name in said.items():
        seen[name] += 1
        if seen[name] > 1:
            said[key] = f"{name} ({seen[name]})"
    return said
