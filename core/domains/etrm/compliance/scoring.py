"""How well the checker finds violations whose truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray
from core.domains.etrm.compliance.regime import VIOLATIONS
from core.errors import UsageError


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """How well one kind of violation was found.

    Attributes:
        n_true: Trades that have it.
        n_found: Trades that were flagged with it.
        n_hit: Flagged trades that have it.
    """

    n_true: int
    n_found: int
    n_hit: int

    @property
    def recall(self) -> float:
        """The share of the trades that have it which was flagged; NaN if none has it."""
        return self.n_hit / self.n_true if self.n_true else float("nan")

    @property
    def precision(self) -> float:
        """The share of the flagged trades that have it; NaN if none was flagged."""
        return self.n_hit / self.n_found if self.n_found else float("nan")


def detection_scores(violations: AnyArray, truth: "pd.Series[Any]") -> Mapping[str, DetectionScore]:
    """Compare flags with the truth, kind by kind.

    Args:
        violations: Bits of `Violation` of each trade, shape (n,), as `ComplianceCheck.violations` holds them.
        truth: The name of the violation that was injected into each trade, of the same length.
    Raises:
        UsageError: The lengths differ.
    """
    if len(violations) != len(truth):
        raise UsageError(f"truth: has {len(truth):,} rows, and the trades have {len(violations):,}.")
    injected = truth.astype(str).to_numpy()
    found = {}
    for name, kind in VIOLATIONS.items():
        is_true, is_found = injected == name, (violations & kind) > 0
        found[name] = DetectionScore(int(is_true.sum()), int(is_found.sum()), int(np.sum(is_true & is_found)))
    return found
