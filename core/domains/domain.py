"""What a domain is: its data, its models and its words, handed to everything that trains, judges and serves.

A domain is one object. Those built in are named in `core.domains.registry`; another is one line in its package's
metadata:

    [project.entry-points."bondx.domains"]
    loans = "my_package.loans:LOANS"

The module that holds the object is imported wherever a session is asked for, so it must be light: pandas and learners
are imported inside the methods that need them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from core.models.interface import PanelLike
    from core.quality import CheckSet

VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """A model of a domain, as far as it is known without importing it.

    Attributes:
        place: Where its class is, as `module:attribute`.
        algorithms: What its `algorithms` are.
    """

    place: str
    algorithms: tuple[str, ...]


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a domain that has none."""


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """One panel that a session wants of its domain. The same request gives the same panel, byte for byte.

    Attributes:
        purpose: "draw" for what an epoch learns from, "validation", or the name of a test panel.
        n_rows: How many rows.
        seed: Of this panel alone: panels of different seeds share no group.
        session_seed: Of the session: what all of its panels have in common comes from it.
        settings: The domain's own settings.
    """

    purpose: str
    n_rows: int
    seed: int
    session_seed: int
    settings: msgspec.Struct


@runtime_checkable
class Domain(Protocol):
    """A kind of data, with the models that learn from it."""

    @property
    def name(self) -> str:
        """What settings call it."""

    @property
    def models(self) -> Mapping[str, ModelOffer]:
        """Its models, by the names that they are registered under."""


class SessionDomain(Domain, Protocol):
    """A domain that draws its data itself, so that a session can train on it."""

    @property
    def rows(self) -> str:
        """What its rows are called, in the plural."""

    @property
    def groups(self) -> str:
        """What its groups are called, in the plural."""

    @property
    def group_column(self) -> str | None:
        """The column whose rows err together, and so are learned from or judged by as a whole; None: each by itself."""

    @property
    def notice(self) -> str:
        """What a reader of its reports must know before any figure."""

    @property
    def test_panels(self) -> tuple[str, ...]:
        """The panels that are looked at once, after every choice; the first is the one a version is registered with."""

    @property
    def settings(self) -> type[msgspec.Struct]:
        """Its own settings, the block `domain_settings`; every field has a default."""

    @property
    def checks(self) -> "CheckSet":
        """What its data is held to; a model learns from a draw only if no blocking check fails."""

    def draw(self, request: DrawRequest) -> "PanelLike":
        """Draw a panel, with the truth about it where it is known."""
