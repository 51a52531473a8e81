"""Two stress tests side by side: what each case loses now, and lost then; and how far each model errs under it."""

from collections.abc import Mapping

import msgspec

from core.errors import UsageError
from core.stress.stored_tests import ModelCaseSummary, StressTest


class CaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """One case of two tests, of the portfolio or of a model; None where a test did not have it.

    Attributes:
        scenario: The scenario.
        severity: Its severity.
        pnl_share_before: Of the portfolio, in the earlier test.
        pnl_share: In the later one.
        impact_before: Likewise.
        impact: Likewise.
        model: The model, whatever its version; empty: the case is of the portfolio.
        version_before: The version in the earlier test.
        version: The version in the later one.
        error_ratio_before: The error against the truth, as times that of calm, in the earlier test.
        error_ratio: In the later one.
        attainment_before: Likewise.
        attainment: Likewise.
    """

    scenario: str
    severity: str
    pnl_share_before: float | None = None
    pnl_share: float | None = None
    impact_before: float | None = None
    impact: float | None = None
    model: str = ""
    version_before: str = ""
    version: str = ""
    error_ratio_before: float | None = None
    error_ratio: float | None = None
    attainment_before: float | None = None
    attainment: float | None = None

    @property
    def change(self) -> float | None:
        """How much the profit has moved, as a share of market value."""
        if self.pnl_share is None or self.pnl_share_before is None:
            return None
        return self.pnl_share - self.pnl_share_before


def compare_tests(before: StressTest, after: StressTest) -> tuple[CaseChange, ...]:
    """Compare the cases of two tests, in the order of the later: of the portfolios, then of the models.

    Raises:
        UsageError: They are of different domains.
    """
    if before.domain != after.domain:
        raise UsageError(f"{before.test_id} is of {before.domain}, and {after.test_id} of {after.domain}.")
    old, new = ({case.key: case for case in test.cases} for test in (before, after))
    found = []
    for key in dict.fromkeys((*new, *old)):
        was, now = old.get(key), new.get(key)
        named = now or was
        assert named is not None
        found.append(
            CaseChange(
                scenario=named.scenario,
                severity=named.severity,
                pnl_share_before=was.pnl_share if was else None,
                pnl_share=now.pnl_share if now else None,
                impact_before=was.impact if was else None,
                impact=now.impact if now else None,
            )
        )
    return (*found, *_models(before, after))


def _models(before: StressTest, after: StressTest) -> list[CaseChange]:
    old, new = _by_model(before), _by_model(after)
    found = []
    for model, scenario, severity in dict.fromkeys((*new, *old)):
        key = (model, scenario, severity)
        was, now = old.get(key), new.get(key)
        found.append(
            CaseChange(
                scenario=scenario,
                severity=severity,
                model=model,
                version_before=was.version if was else "",
                version=now.version if now else "",
                error_ratio_before=was.error_ratio if was else None,
                error_ratio=now.error_ratio if now else None,
                attainment_before=was.attainment if was else None,
                attainment=now.attainment if now else None,
            )
        )
    return found


def _by_model(test: StressTest) -> Mapping[tuple[str, str, str], ModelCaseSummary]:
    """Return the cases of models, whatever their versions; of several versions of one model, the last."""
    return {(case.model.partition("@")[0], case.scenario, case.severity): case for case in test.model_cases}
