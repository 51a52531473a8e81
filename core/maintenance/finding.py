"""What an examination of a workspace finds."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One problem in the workspace."""

    file: str
    problem: str
    cure: str
