"""An operator's own roles as lines."""

from itertools import groupby
from typing import TYPE_CHECKING

from widgets.line import Line, section

if TYPE_CHECKING:
    from core.access.listing import ListedRight, OwnAccess


def own_lines(own: "OwnAccess") -> list[Line]:
    """Write out what somebody may do.

    >>> from core.access.listing import OwnAccess
    >>> own = OwnAccess(principal="user:ana", governed=True, rights=(), may=("session.start", "session.stop"))
    >>> [line.text for line in own_lines(own)]
    ['user:ana', '', 'Roles', 'no role', '', 'May', 'session: start, stop']
    """
    head = Line(((own.principal, "title"),))
    if not own.governed:
        told = "There are no grants here, so whoever can enter the folder may do everything."
        return [head, Line(), Line(((told, ""),))]
    nouns = groupby((verb.split(".", 1) for verb in sorted(own.may)), key=lambda parts: parts[0])
    may = [f"{noun}: {', '.join(parts[1] for parts in verbs)}" for noun, verbs in nouns]
    roles = [_role(right) for right in own.rights] or ["no role"]
    return [head, *section("Roles", roles), *section("May", may or ["nothing"])]


def _role(right: "ListedRight") -> str:
    limits = " ".join((*right.models, *right.stages)) or "everything"
    until = f", until {right.expires_at:%Y-%m-%d %H:%M} UTC" if right.expires_at else ""
    by = f" ({right.grant_id}, {right.principal})" if right.grant_id else ""
    return f"{right.role}: {limits}{until}{by}"
