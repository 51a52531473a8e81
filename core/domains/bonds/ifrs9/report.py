"""The expected credit losses of a portfolio: by stage and scenario, their sensitivity, and what changed since."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from core.domains.bonds.ifrs9.calibration import LGD_SHIFT
from core.domains.bonds.ifrs9.exposures import CreditExposure
from core.domains.bonds.ifrs9.losses import SCENARIOS, expected_loss, scenario_loss
from core.domains.bonds.ifrs9.staging import CreditStage, Staged, stage_of

NEW = "new"
REASONED: Final = (
    "rating",
    "origination_rating",
    "days_past_due",
    "watch_negative",
    "credit_impaired",
    "maturity_years",
)
"""The columns that the reason of a stage tells of."""


class StageTotal(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a portfolio; amounts in USD m."""

    stage: int
    n: int
    ead: float
    loss: float
    coverage: float | None  # share of the exposure; None without one


class ExposureLoss(msgspec.Struct, frozen=True, kw_only=True):
    """One exposure with its stage and its expected loss."""

    name: str
    stage: int
    reason: str
    ead: float | None  # None: withheld
    loss: float


class StageMove(msgspec.Struct, frozen=True, kw_only=True):
    """Exposures that were in one stage in the last report, and are in one now."""

    before: str  # "1", "2", "3" or "new"
    after: int
    n: int
    ead: float


class Reconciling(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the reconciliation from the opening to the closing allowance."""

    line: str
    amount: float


class EclReport(msgspec.Struct, frozen=True, kw_only=True):
    """The expected credit losses of a portfolio; amounts in USD m."""

    n: int
    ead: float
    loss: float
    stages: tuple[StageTotal, ...]
    scenarios: dict[str, float]  # the loss if one scenario were certain
    sensitivity: dict[str, float]  # the change of the loss
    migration: tuple[StageMove, ...]
    reconciliation: tuple[Reconciling, ...]  # empty if no exposure has a loss of the last report
    exposures: tuple[ExposureLoss, ...]
    notes: tuple[str, ...]

    def without_cells(self, hides: Callable[[str], bool]) -> "EclReport":
        """Return the report without the cells of some columns; an exposure without its name is named by its row.

        Args:
            hides: Whether no cell of a column may be quoted.
        """
        has_name, has_ead = not hides("exposure_id"), not hides("ead_musd")
        has_reason = not any(map(hides, REASONED))
        return replace(
            self,
            exposures=tuple(
                replace(
                    each,
                    name=each.name if has_name else f"row {row}",
                    reason=each.reason if has_reason else "(withheld)",
                    ead=each.ead if has_ead else None,
                )
                for row, each in enumerate(self.exposures)
            ),
        )


_NOTES = (
    "PD: powers of the notch matrix; the scenarios multiply its intensity for three years and return to it in two.",
    "EAD is constant until maturity; a default happens in the middle of a year.",
    "Weights, multiples and limits of staging are judgements (grade J), not estimates of this portfolio.",
)


def ecl_report(exposures: Sequence[CreditExposure]) -> EclReport:
    """Compute the expected credit losses of exposures."""
    staged = [(exposure, stage_of(exposure)) for exposure in exposures]
    losses = {exposure.name: expected_loss(exposure, found.stage) for exposure, found in staged}
    total = sum(losses.values())

    def shifted(loss: Callable[[CreditExposure, CreditStage], float]) -> float:
        return sum(loss(exposure, found.stage) for exposure, found in staged) - total

    shift = LGD_SHIFT.value
    return EclReport(
        n=len(staged),
        ead=sum(exposure.ead for exposure in exposures),
        loss=total,
        stages=tuple(_total(stage, staged, losses) for stage in CreditStage),
        scenarios={
            scenario: sum(scenario_loss(exposure, found.stage, scenario) for exposure, found in staged)
            for scenario in SCENARIOS
        },
        sensitivity={
            "one notch worse": shifted(lambda each, stage: expected_loss(each, stage, notches=1)),
            "one notch better": shifted(lambda each, stage: expected_loss(each, stage, notches=-1)),
            "LGD +10 percentage points": shifted(lambda each, stage: expected_loss(each, stage, lgd=shift)),
            "LGD -10 percentage points": shifted(lambda each, stage: expected_loss(each, stage, lgd=-shift)),
            "all of stage 1 in stage 2": shifted(
                lambda each, stage: expected_loss(each, max(stage, CreditStage.RISEN))
            ),
        },
        migration=_migration(staged),
        reconciliation=_reconciliation(staged, losses),
        exposures=tuple(
            ExposureLoss(
                name=exposure.name,
                stage=int(found.stage),
                reason=found.reason,
                ead=exposure.ead,
                loss=losses[exposure.name],
            )
            for exposure, found in staged
        ),
        notes=_NOTES,
    )


def _total(stage: CreditStage, staged: Sequence[tuple[CreditExposure, Staged]], losses: dict[str, float]) -> StageTotal:
    members = [exposure for exposure, found in staged if found.stage is stage]
    ead = sum(exposure.ead for exposure in members)
    loss = sum(losses[exposure.name] for exposure in members)
    return StageTotal(stage=int(stage), n=len(members), ead=ead, loss=loss, coverage=loss / ead if ead else None)


def _before(exposure: CreditExposure) -> str:
    return NEW if exposure.previous_stage is None else str(exposure.previous_stage)


def _migration(staged: Sequence[tuple[CreditExposure, Staged]]) -> tuple[StageMove, ...]:
    cells: dict[tuple[str, int], list[CreditExposure]] = {}
    for exposure, found in staged:
        cells.setdefault((_before(exposure), int(found.stage)), []).append(exposure)
    return tuple(
        StageMove(before=before, after=after, n=len(members), ead=sum(each.ead for each in members))
        for (before, after), members in sorted(cells.items())
    )


def _reconciliation(
    staged: Sequence[tuple[CreditExposure, Staged]], losses: dict[str, float]
) -> tuple[Reconciling, ...]:
    """Explain the change of the allowance: transfers between stages, remeasurement, new exposures (IFRS 7.35H)."""
    if all(exposure.previous_loss is None for exposure, _ in staged):
        return ()
    opening, closing, lines = (
        0.0,
        0.0,
        dict.fromkeys(("transfers between stages", "remeasurement", "new exposures"), 0.0),
    )
    for exposure, found in staged:
        loss = losses[exposure.name]
        closing += loss
        if exposure.previous_loss is None:
            lines["new exposures"] += loss
            continue
        opening += exposure.previous_loss
        moved = exposure.previous_stage not in (None, int(found.stage))
        lines["transfers between stages" if moved else "remeasurement"] += loss - exposure.previous_loss
    amounts = {"opening": opening, **lines, "closing": closing}
    return tuple(Reconciling(line=line, amount=amount) for line, amount in amounts.items())
