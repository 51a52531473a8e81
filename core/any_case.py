"""Names that people type in any case."""

from collections.abc import Sequence


def named_in_any_case(typed: str, known: Sequence[str]) -> str:
    """Return the known name that was typed in any case, or what was typed if no name or several names match.

    Args:
        typed: What was typed.
        known: The names.

    >>> named_in_any_case("Sector", ["sector", "rating"])
    'sector'
    >>> named_in_any_case("A", ["a", "A"]), named_in_any_case("SIDE", ["side", "Side"])
    ('A', 'SIDE')
    """
    if typed in known:
        return typed
    found = [name for name in known if name.casefold() == typed.casefold()]
    return found[0] if len(found) == 1 else typed
