"""The data sets of a session: a fresh draw each epoch, one validation panel, and the test panels; no group shared."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, IntArray
from core.domains.domain import VALIDATION, DrawRequest, SessionDomain
from core.domains.report_section import ReportingDomain, ReportSection
from core.files import digest
from core.models import Panel, PanelLike
from core.quality.gate import GateResult, judge
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.training.digest import digest_of
from core.training.errors import UnsplittableDrawError
from core.training.records import DrawRecord
from core.training.restricted_draws import draw_of
from core.training.session_domain import domain_of, domain_settings
from core.training.stressed_draws import StressedDraws

LEAST_GROUPS = 2
VALIDATION_ROWS = 4_000  # for bonds about 450 issuers: the standard error of an attainment is then near 0.01
TEST_ROWS = 10_000
REFIT_ROWS = 50_000
ENSEMBLE_ROWS = 20_000  # every member is fitted once to each fold, and some take long
COMPARISON = "comparison"
TUNING, TUNING_VERDICT, SELECTION_VERDICT = "tuning", "tuning_verdict", "selection_verdict"
STRESS = "stress"
VERSIONS = "versions"


@dataclass(frozen=True, slots=True)
class Draw:
    """A drawn panel and its identity.

    Attributes:
        panel: The rows.
        record: Their identity.
        without_stress: The same rows as they are without a shock, where some are drawn under a scenario.
    """

    panel: PanelLike
    record: DrawRecord
    without_stress: PanelLike | None = None

    @property
    def calm(self) -> PanelLike:
        """The rows without a shock: a scenario is no fault of the data, and no change of the market that is served."""
        return self.panel if self.without_stress is None else self.without_stress


class SessionPanels:
    """Draws the panels of one session from its domain; the same settings give the same panels."""

    def __init__(self, settings: TrainingSettings, *, world_seed: int | None = None) -> None:
        """Find the domain.

        Args:
            settings: The session's settings.
            world_seed: Determines what the panels have in common; by default the seed of the session, which
                determines the draws.

        Raises:
            UsageError: There is no such domain, or its settings are invalid.
        """
        self._settings = settings
        self.world_seed = settings.random_seed if world_seed is None else world_seed
        self._own_settings = domain_settings(settings)
        self.domain = domain_of(settings)
        self._stressed = StressedDraws(settings)

    def epoch(self, number: int) -> Draw:
        """Draw the variation of the data set for an epoch, a share of its groups under a scenario if that is set."""
        request = self._request("draw", number, n_rows=self._settings.dataset_size)
        if self._stressed.case(number) is None:
            return drawn(self.domain, request)
        calm = draw_of(self.domain, request)
        group = _groups(calm.frame, self.domain).to_numpy()
        if (mixed := self._stressed.mixed(calm, request, group, number)) is None:
            return _identified(self.domain, request, calm)
        return _identified(self.domain, request, mixed.panel, calm=calm, stressed=dict(mixed.n_under))

    def validation(self) -> Draw:
        """Draw the panel that scores every epoch; no model is trained on it before the end."""
        return self._draw(VALIDATION, n_rows=VALIDATION_ROWS)

    def test(self, name: str) -> Draw:
        """Draw one of the domain's test panels."""
        return self._draw(name, n_rows=TEST_ROWS)

    def stress_request(self) -> DrawRequest:
        """Return the request for the panel on which models are stressed: rows of the session's market, new to them."""
        seed = derive_seed(self._settings.random_seed, STRESS)
        return DrawRequest(STRESS, VALIDATION_ROWS, seed, self.world_seed, self._own_settings)

    def comparison(self) -> Draw:
        """Draw the panel on which ensembles are compared with single models; it decides nothing else."""
        return self._draw(COMPARISON, n_rows=TEST_ROWS)

    def versions(self) -> Draw:
        """Draw the panel on which a retraining compares two versions; none has learned from it."""
        return self._draw(VERSIONS, n_rows=TEST_ROWS)

    def tuning(self, n_rows: int) -> Draw:
        """Draw the rows on which parameters are searched; no epoch has its groups."""
        return self._draw(TUNING, n_rows=n_rows)

    def tuning_verdict(self) -> Draw:
        """Draw the panel that compares the best parameters found with those of the settings, and nothing else."""
        return self._draw(TUNING_VERDICT, n_rows=TEST_ROWS)

    def selection_verdict(self) -> Draw:
        """Draw the panel that compares a model on the columns kept with one on all columns, and nothing else."""
        return self._draw(SELECTION_VERDICT, n_rows=TEST_ROWS)

    def pooled(self, learned: Sequence[bool], *, most: int = REFIT_ROWS) -> Draw:
        """Draw the draws of the epochs again, newest first, as far as the budget of a refit goes.

        Args:
            learned: For each epoch, the oldest first, whether its draw passed its gates; at least one did.
            most: The budget in rows.
        """
        draws: list[Draw] = []
        n_rows = 0
        for number in range(len(learned), 0, -1):
            if learned[number - 1]:
                n_rows += self._settings.dataset_size
                if draws and n_rows > most:
                    break
                draws.append(self.epoch(number))
        n_stressed: Counter[str] = Counter()
        for draw in draws:
            n_stressed.update(draw.record.stressed)
        record = DrawRecord(
            purpose="draws",
            seed=self._settings.random_seed,
            n_rows=sum(draw.record.n_rows for draw in draws),
            n_groups=sum(draw.record.n_groups for draw in draws),
            sha256=digest("".join(draw.record.sha256 for draw in draws).encode()),
            stressed=dict(n_stressed),
        )
        calm = _joined([draw.calm for draw in draws]) if n_stressed else None
        return Draw(_joined([draw.panel for draw in draws]), record, calm)

    def group_codes(self, frame: pd.DataFrame) -> IntArray:
        """Number the group of each row from 0, shape (n,)."""
        return np.asarray(pd.factorize(_groups(frame, self.domain))[0], dtype=np.int64)

    def report_sections(self) -> tuple[ReportSection, ...]:
        """Compute what the domain adds to the final report."""
        if not isinstance(self.domain, ReportingDomain):
            return ()
        return tuple(self.domain.report_sections(self._own_settings, self.world_seed))

    def groups_gate(self, draw: Draw) -> GateResult:
        """Judge whether a draw can be split: it needs a group to train on, and a group to hold out."""
        return judge(
            "groups",
            float(draw.record.n_groups),
            ">=",
            float(LEAST_GROUPS),
            unit=self.domain.groups,
            n_samples=draw.record.n_rows,
            window=f"{self.domain.rows} of the draw",
            reason="" if draw.record.n_groups >= LEAST_GROUPS else f"no {self.domain.groups} are left to hold out",
        )

    def split(self, panel: PanelLike, number: int) -> tuple[Panel, Panel]:
        """Split a draw by group.

        Returns:
            The training rows and the hold-out; together they hold every row, and no group is in both.
        Raises:
            UnsplittableDrawError: The draw has a single group.
        """
        group = _groups(panel.frame, self.domain)
        names = np.sort(group.unique())
        if len(names) < LEAST_GROUPS:
            raise UnsplittableDrawError(len(panel.frame), self.domain.rows, self.domain.groups)
        order = np.random.default_rng(derive_seed(self._settings.random_seed, "split", number)).permutation(len(names))
        n_learned = min(max(round(self._settings.training_split * len(names)), 1), len(names) - 1)
        learned = group.isin(names[order[:n_learned]]).to_numpy()
        return rows_of_panel(panel, learned), rows_of_panel(panel, ~learned)

    def _draw(self, purpose: str, *, n_rows: int) -> Draw:
        return drawn(self.domain, self._request(purpose, n_rows=n_rows))

    def _request(self, purpose: str, *parts: int, n_rows: int) -> DrawRequest:
        seed = derive_seed(self._settings.random_seed, purpose, *parts)
        return DrawRequest(purpose, n_rows, seed, self.world_seed, self._own_settings, only=self._settings.only)


def drawn(domain: SessionDomain, request: DrawRequest) -> Draw:
    """Draw a panel of a domain, with its identity."""
    return _identified(domain, request, draw_of(domain, request))


def _identified(
    domain: SessionDomain,
    request: DrawRequest,
    panel: PanelLike,
    *,
    calm: PanelLike | None = None,
    stressed: dict[str, int] | None = None,
) -> Draw:
    record = DrawRecord(
        purpose=request.purpose,
        seed=request.seed,
        n_rows=len(panel.frame),
        n_groups=int(_groups(panel.frame, domain).nunique()),
        sha256=digest_of(panel.frame),
        stressed=stressed or {},
    )
    return Draw(panel, record, calm)


def _joined(panels: Sequence[PanelLike]) -> Panel:
    frame = pd.concat([panel.frame for panel in panels], ignore_index=True)
    truths = [panel.truth for panel in panels if panel.truth is not None]
    return Panel(frame, pd.concat(truths, ignore_index=True) if truths else None)


def _groups(frame: pd.DataFrame, domain: SessionDomain) -> "pd.Series[Any]":
    column = domain.group_column
    return frame[column] if column is not None else pd.Series(np.arange(len(frame)), index=frame.index)


def rows_of_panel(panel: PanelLike, keep: AnyArray) -> Panel:
    """Return the rows of a mask."""
    truth = None if panel.truth is None else panel.truth[keep].reset_index(drop=True)
    return Panel(panel.frame[keep].reset_index(drop=True), truth)
