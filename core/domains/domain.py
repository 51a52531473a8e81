"""The interface of a domain: its data, its models and its words, used for training, evaluation and serving.

A domain is one object. `core.domains.registry` names the built-in domains; your own takes one line in its package's
metadata:

    [project.entry-points."bondx.domains"]
    loans = "my_package.loans:LOANS"

The object's module is imported wherever a session is requested, so it must be light: import pandas and learners
inside the methods that need them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    import pandas as pd

    from core.models.interface import PanelLike
    from core.quality import CheckSet

VALIDATION = "validation"


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """A model of a domain, described without importing it.

    Attributes:
        place: Its class, as `module:attribute`.
        algorithms: Its `algorithms`.
        by_default: Whether a session trains it if its settings name no models; a model that joins others is trained
            by default only where a stack of them is on.
    """

    place: str
    algorithms: tuple[str, ...]
    by_default: bool = True


class NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a domain without settings."""


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A session's request for one panel. The same request gives the same panel, byte for byte.

    Attributes:
        purpose: "draw" for an epoch's training data, "validation", "comparison" for the panel on which an ensemble is
            compared with the best single model, "tuning" and "tuning_verdict" for the panels on which parameters are
            searched and compared with those of the settings, "versions" for the panel on which a retraining compares
            two versions, or the name of a test panel.
        n_rows: How many rows.
        seed: Of this panel alone: panels of different seeds share no group.
        session_seed: Of the session: determines everything its panels have in common.
        settings: The domain's own settings.
        only: The slice of which the rows are wanted, by the name of the slicing; empty: all rows. A domain draws all
            rows; the session keeps those of the slice.
    """

    purpose: str
    n_rows: int
    seed: int
    session_seed: int
    settings: msgspec.Struct
    only: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Domain(Protocol):
    """A kind of data, with its models."""

    @property
    def name(self) -> str:
        """Its name in the settings."""

    @property
    def models(self) -> Mapping[str, ModelOffer]:
        """Its models, by the names they are registered under."""


class SessionDomain(Domain, Protocol):
    """A domain that draws its own data, so that a session can train on it."""

    @property
    def rows(self) -> str:
        """Its word for rows, in the plural."""

    @property
    def groups(self) -> str:
        """Its word for groups, in the plural."""

    @property
    def group_column(self) -> str | None:
        """The group column: rows of one group have correlated errors, and stay together in splits; None: no groups."""

    @property
    def notice(self) -> str:
        """The notice that its reports show before any figure."""

    @property
    def test_panels(self) -> tuple[str, ...]:
        """The panels used once, after every choice; a version is registered with the metrics of the first."""

    @property
    def settings(self) -> type[msgspec.Struct]:
        """Its own settings, the block `domain_settings`; every field has a default."""

    @property
    def checks(self) -> "CheckSet":
        """The checks on its data; a model is trained on a draw only if no blocking check fails."""

    def draw(self, request: DrawRequest) -> "PanelLike":
        """Draw a panel, with the truth if it is known."""


@runtime_checkable
class SlicedDomain(Protocol):
    """A domain that names the slices of its reports; for others, they are the categories of few levels."""

    def slices(self, frame: "pd.DataFrame") -> Mapping[str, "pd.Series[Any]"]:
        """Return the slice of each row, by the name of the slicing; a missing value is in no slice.

        Each series keeps the name of the column that it is made of, or those of several with " x " between them: slices
        of a column that must not appear do not appear under another name, either. A series of another name may be made
        of any column.
        """


@runtime_checkable
class SpecialisedDomain(SlicedDomain, Protocol):
    """A domain with slices that are worth a session of their own, such as the sectors of bonds."""

    @property
    def specialisms(self) -> Mapping[str, tuple[str, ...]]:
        """The slices, by the name of the slicing."""


@runtime_checkable
class SmallDrawDomain(Protocol):
    """A domain that names its smallest draw; for others with groups, it is unknown."""

    @property
    def least_rows(self) -> int:
        """The fewest rows of a draw that nearly always has two groups: one to train on, and one to hold out."""
