"""Instants in the query of a request: with an offset, and at which a computer ran."""

from datetime import datetime

from core.clock import OUTSIDE, is_possible
from core.serving.errors import BadRequestError


def checked_instants(**instants: datetime | None) -> dict[str, datetime | None]:
    """Check instants, each by the name of its parameter, and return them.

    Raises:
        BadRequestError: One has no offset, or no computer ran then.
    """
    for name, at in instants.items():
        if at is not None and at.tzinfo is None:
            raise BadRequestError("needs an offset, such as Z", field=name)
        if at is not None and not is_possible(at):
            raise BadRequestError(OUTSIDE, field=name)
    return instants
