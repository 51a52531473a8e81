"""Marking rows, to compare two of them."""

N_MARKS = 2


def toggled(marked: tuple[str, ...], key: str) -> tuple[str, ...]:
    """Mark a row, or remove its mark; a third mark replaces the first.

    >>> toggled(("a",), "b"), toggled(("a", "b"), "c"), toggled(("a", "b"), "a")
    (('a', 'b'), ('b', 'c'), ('b',))
    """
    others = tuple(other for other in marked if other != key)
    return others if key in marked else (*others, key)[-N_MARKS:]
