"""Rows of an epoch that are drawn under a scenario: whole groups, with the labels that follow from the shock.

The domain draws the rows of an epoch twice, without and with a shock, from the same random numbers. A share of the
groups is taken from the second draw, and the others from the first. The scenarios take turns, one an epoch.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray
from core.domains.domain import DrawRequest
from core.domains.stress import LabelStressEngine, StressScenario, shock_at
from core.errors import RefusedError
from core.models import Panel, PanelLike
from core.progress import begins
from core.seeds import derive_seed
from core.settings import TrainingSettings
from core.training.session_stress import SessionStress


class UnalignedPanelError(RefusedError):
    """A domain drew other rows under a shock than without it."""

    def __init__(self, domain: str, scenario: str) -> None:
        super().__init__(
            f"The domain {domain!r} draws other rows under {scenario} than without it, so that its rows cannot be "
            "mixed. Set stress_testing.stressed_share to 0, or correct `stressed_panel` of its stress engine."
        )


class StressedRows(NamedTuple):
    """Rows of which some are drawn under a scenario.

    Attributes:
        panel: The rows that models learn from.
        n_under: How many of them are drawn under each scenario, by its name and severity.
    """

    panel: PanelLike
    n_under: Mapping[str, int]


class StressedDraws:
    """Puts stressed groups into the draws of a session; the same settings give the same rows."""

    def __init__(self, settings: TrainingSettings) -> None:
        """Choose the cases.

        Args:
            settings: Of the session; without stress testing or without a share, no row is ever stressed.
        """
        self._share = settings.stress_testing.stressed_share
        self._seed, self._domain = settings.random_seed, settings.domain
        stress = SessionStress(settings) if self._share else None
        self._engine = stress.engine if stress is not None else None
        chosen = stress.chosen() if stress is not None else []
        self._cases = [(scenario, severity) for severity, scenarios in chosen for scenario in scenarios]

    def case(self, number: int) -> tuple[StressScenario, str] | None:
        """Return the scenario and the severity of an epoch; None if none of its rows is stressed."""
        if not self._cases or not isinstance(self._engine, LabelStressEngine):
            return None
        return self._cases[(number - 1) % len(self._cases)]

    def mixed(self, calm: PanelLike, request: DrawRequest, group: AnyArray, number: int) -> StressedRows | None:
        """Take a share of the groups of an epoch from its draw under a scenario.

        Args:
            calm: The draw of the request without a shock.
            request: For the rows of the epoch.
            group: The group of each row, shape (n,).
            number: The epoch.
        Returns:
            None if no row is stressed.
        Raises:
            UnalignedPanelError: The domain draws other rows under the shock.
        """
        if (case := self.case(number)) is None:
            return None
        assert isinstance(self._engine, LabelStressEngine)
        scenario, severity = case
        name = f"{scenario.name}/{severity}"
        taken = stressed_groups(group, self._share, derive_seed(self._seed, "stressed groups", number))
        if not taken.any():
            return None
        begins(f"the draw under {name}")
        shock = shock_at(self._engine, scenario, severity, scenario.steps[-1].month)
        shocked = self._engine.stressed_panel(request, shock)
        if len(shocked.frame) != len(calm.frame) or list(shocked.frame.columns) != list(calm.frame.columns):
            raise UnalignedPanelError(self._domain, name)
        truth = None
        if calm.truth is not None and shocked.truth is not None:
            truth = _taken(calm.truth, shocked.truth, taken)
        return StressedRows(Panel(_taken(calm.frame, shocked.frame, taken), truth), {name: int(taken.sum())})


def stressed_groups(group: AnyArray, share: float, seed: int) -> BoolArray:
    """Choose whole groups at random whose rows come as near to a share of all rows as whole groups can.

    Args:
        group: The group of each row, shape (n,).
        share: Of the rows, 0 to 1.
        seed: Of the choice.
    Returns:
        Whether the group of each row was chosen, shape (n,).

    >>> stressed_groups(np.array(["a", "a", "b", "c", "c"]), 0.4, seed=1).sum()
    np.int64(2)
    """
    names, code, sizes = np.unique(group.astype(str), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    reached = np.cumsum(sizes[order])
    wanted = share * len(group)
    n_taken = int(np.argmin(np.abs(np.concatenate(([0], reached)) - wanted)))
    chosen = np.zeros(len(names), dtype=np.bool_)
    chosen[order[:n_taken]] = True
    return np.asarray(chosen[code])


def _taken(calm: pd.DataFrame, shocked: pd.DataFrame, taken: BoolArray) -> pd.DataFrame:
    """Return the rows of one frame, and those that were taken of another, in the order of both."""
    left, right = calm.reset_index(drop=True), shocked.reset_index(drop=True)
    return pd.concat([left[~taken], right[taken]]).sort_index().reset_index(drop=True)
