"""Draws of recorded requests whose outcomes are wanted, kept in the workspace with their chances.

The chance of a row must be fixed before its outcome is known. So draws are audited and never deleted, and all that
changes of a draw is how many of its rows are asked for.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import NotFoundError
from core.governance.audit import audited
from core.monitoring.labels.reference import HeldOutLoss

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE = "labels"
TABLE = "draws"
MOST_WANTED = 500
"""Rows that one draw can ask for; they are drawn together, so that a larger number later begins with the same rows."""


class DrawnRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row that was drawn."""

    request: str  # the id of its prediction: of a further row of a request "id/1", "id/2"
    chance: float  # in one draw
    expected: float  # its loss, as far as it could be known without its outcome


class LabelDraw(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows drawn for their outcomes."""

    draw_id: str  # "spread@1.4.0/1"
    model: str
    version: str
    asked_at: datetime
    asked_by: str
    n: int  # rows asked for: the first of `rows`
    seed: int
    drawn_by: str  # what the chances follow, in words
    metric: str  # log_loss, accuracy or mae
    held_out: float  # the mean loss of the held-out rows
    held_out_low: float | None = None  # its limits; None of a draw from before they were kept: it counts as exact
    held_out_high: float | None = None
    n_rows: int  # drawn from
    mean_expected: float  # of these rows
    least_correction: float  # of the estimate by one draw
    greatest_correction: float
    is_limited: bool  # whether no outcome can exceed the greatest correction
    rows: tuple[DrawnRow, ...]  # different rows, in the order in which they should be labelled
    draws: tuple[int, ...]  # the place in `rows` of each draw: a row may be drawn again
    n_needed: int | None = None  # draws after which a verdict was expected; None: more than a million
    format: Literal[1] = 1
    revision: int = 0

    @property
    def reference(self) -> HeldOutLoss:
        """The loss that outcomes are compared with."""
        if self.held_out_low is None or self.held_out_high is None:
            return HeldOutLoss.exactly(self.held_out)
        return HeldOutLoss(self.held_out, self.held_out_low, self.held_out_high)

    @property
    def number(self) -> int:
        """The number of the draw among those for its version, counted from 1."""
        return int(self.draw_id.rpartition("/")[2])


class LabelDraws:
    """The draws of a workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open the draws; no file is read yet."""
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[LabelDraw]":
        return self._workspace.database(DATABASE).documents(TABLE, LabelDraw, key="draw_id")

    def all(self, model: str, version: str) -> list[LabelDraw]:
        """Return the draws for a version, the oldest first."""
        found = [draw for draw in self._documents.all() if (draw.model, draw.version) == (model, version)]
        return sorted(found, key=lambda draw: draw.number)

    def newest(self, model: str, version: str) -> LabelDraw | None:
        """Return the draw that counts for a version: the newest; None if no label was ever wanted."""
        found = self.all(model, version)
        return found[-1] if found else None

    def next_number(self, model: str, version: str) -> int:
        """Return the number that the next draw for a version has."""
        return max((draw.number for draw in self.all(model, version)), default=0) + 1

    def get(self, model: str, version: str) -> LabelDraw:
        """Return the newest draw for a version.

        Raises:
            NotFoundError: No label was ever wanted.
        """
        if (found := self.newest(model, version)) is None:
            raise NotFoundError(
                f"No outcomes were asked for {model} {version}. Name the requests first: bondx labels wanted {model}"
            )
        return found

    def add(self, draw: LabelDraw, *, actor: Actor, reason: str = "") -> LabelDraw:
        """Record a draw; its id, its time and who asked are set here.

        Args:
            draw: The draw.
            actor: Who asks.
            reason: Why, for the record.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            number = self.next_number(draw.model, draw.version)
            draw = msgspec.structs.replace(
                draw,
                draw_id=f"{draw.model}@{draw.version}/{number}",
                asked_at=self._clock(),
                asked_by=str(actor),
            )
            stored = self._documents.insert(draw)
            change.record(
                "labels.draw",
                draw.draw_id,
                after={"n": draw.n, "seed": draw.seed, "n_rows": draw.n_rows, "metric": draw.metric},
                model=draw.model,
            )
        return stored

    def ask_for_more(self, draw: LabelDraw, n: int, *, actor: Actor, reason: str = "") -> LabelDraw:
        """Ask for more rows of a draw.

        Args:
            draw: As it is stored.
            n: How many rows in all.
            actor: Who asks.
            reason: Why, for the record.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            stored = self._documents.replace(msgspec.structs.replace(draw, n=n), expected_revision=draw.revision)
            change.record("labels.more", draw.draw_id, before={"n": draw.n}, after={"n": n}, model=draw.model)
        return stored
