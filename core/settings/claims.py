"""The part of the `serving` block on signed claims: which must be there before a version is loaded, and whose count."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.clock import from_iso
from core.settings.names import Name

ClaimName = Literal["gates_passed", "validated_by"]


class ClaimKeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A public key whose claims count."""

    file: Annotated[Name, Meta(description="File of the key, Ed25519 in PEM; a relative one is below the workspace.")]
    until: Annotated[
        Name | None,
        Meta(description="From this time on its claims do not count any more, in quotes; null: they always do."),
    ] = None

    def __post_init__(self) -> None:
        try:
            _ = self.ends_at
        except ValueError:
            raise ValueError('until must be a time in quotes, such as "2027-01-01T00:00:00Z"') from None

    @property
    def ends_at(self) -> datetime | None:
        """The time from which its claims do not count any more."""
        return None if self.until is None else from_iso(self.until)
