"""Marking rows: two to compare them, or several for one change."""

N_COMPARED = 2


def toggled(marked: tuple[str, ...], key: str, *, limit: int | None = None) -> tuple[str, ...]:
    """Mark a row, or remove its mark; beyond the limit, the oldest mark goes.

    >>> toggled(("a",), "b"), toggled(("a", "b"), "c", limit=2), toggled(("a", "b"), "a")
    (('a', 'b'), ('b', 'c'), ('b',))
    """
    others = tuple(other for other in marked if other != key)
    return others if key in marked else (*others, key)[-(limit or 0) :]


def marked_words(n_marked: int) -> str:
    """Count the marks for the frame of a list; empty without any.

    >>> marked_words(3)
    '3 marked, Esc clears'
    """
    return f"{n_marked} marked, Esc clears" if n_marked else ""
