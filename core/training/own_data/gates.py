"""What a user's data must show before a model learns from it, and what the model must show after."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.errors import CoreError, ExitCode
from core.quality.gate import GateResult, judge

GIVEN_AWAY_SHARE = 0.95
GIVEN_AWAY_SKILL = 0.98


class GatesFailedError(CoreError):
    """The data failed a blocking gate, so nothing was learnt from it."""

    exit_code = ExitCode.FAILING

    def __init__(self, file: object, failed: tuple[GateResult, ...]) -> None:
        reasons = "; ".join(f"{gate.name}: {gate.reason}" for gate in failed)
        super().__init__(
            f"{file}: the data fails {len(failed)} quality gate{'s' * (len(failed) > 1)}, so nothing was learnt from "
            f"it ({reasons}). Correct the data, or the thresholds in quality_gates."
        )


def coverage_gate(frame: pd.DataFrame, names: tuple[str, ...], least_percent: float) -> GateResult:
    """Count the cells of the columns read that hold a value."""
    empty = frame[list(names)].isna()
    worst = empty.mean().sort_values(ascending=False, kind="stable")
    lacking = [f"{name} {share:.0%} empty" for name, share in worst.head(3).items() if share > 0]
    return judge(
        "coverage",
        100.0 * float(1.0 - np.mean(empty.to_numpy())),
        ">=",
        least_percent,
        unit="%",
        n_samples=empty.size,
        reason=", ".join(lacking) if lacking else "",
        offending=lacking,
        n_offending=int((worst > 0).sum()),
    )


def skill_gate(metrics: dict[str, float], n_rows: int) -> GateResult:
    """Ask whether the model beats the constant answer by more than chance."""
    low = metrics.get("skill_low")
    value = metrics.get("skill")
    known = "" if value is None or low is None else f"takes {value:.1%} of its loss away, at least {low:.1%}"
    return judge(
        "beats_constant",
        low,
        ">=",
        1e-9,  # more than nothing
        n_samples=n_rows,
        reason=f"against the constant answer the model {known}" if known else "the skill could not be measured",
    )


def leak_gate(
    importance: dict[str, float], metrics: dict[str, float], single_feature_leak: Mapping[str, Any]
) -> GateResult:
    """Warn where one column all but tells the target: such a column is rarely known before the fact.

    Args:
        importance: Share of each column, the largest first.
        metrics: Of the model.
        single_feature_leak: The `column` that tells most of the target by itself, and its `share`; empty if unmeasured.
    """
    name, weight = next(iter(importance.items()), ("", 0.0))
    is_given_away = weight >= GIVEN_AWAY_SHARE and metrics.get("skill", 0.0) >= GIVEN_AWAY_SKILL
    if single_feature_leak.get("share", 0.0) >= GIVEN_AWAY_SKILL:
        name, is_given_away = str(single_feature_leak["column"]), True
    return judge(
        "no_leak",
        float(is_given_away),
        "<=",
        0.0,
        unit="columns",
        reason=f"{name} tells nearly all of the target: is it known before the fact?"
        if is_given_away
        else "no column tells the target by itself",
        offending=[name] if is_given_away else [],
        n_offending=int(is_given_away),
        blocking=False,
    )
