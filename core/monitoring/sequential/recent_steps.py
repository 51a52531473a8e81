"""The course of each column: the PSI of its last steps, of five minutes at first, of four hours later."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from core.arrays import IntArray
from core.monitoring import drift
from core.monitoring.sequential.layout import ColumnLayout

N_STEPS = 14
LENGTHS = (5, 15, 60, 240)  # minutes of a step: each divides the next one


@dataclass(slots=True)
class RecentSteps:
    """The rows of the last steps of one version.

    Attributes:
        length: Minutes of a step.
        steps: By number of the step since 1970, its rows by column and cell.
    """

    length: int = LENGTHS[0]
    steps: dict[int, IntArray] = field(default_factory=dict)

    def add(self, at: datetime, rows: IntArray) -> None:
        """Add the rows of a minute; what is older than the last steps is left out.

        Args:
            at: The minute.
            rows: By column and cell.
        """
        minute = int(at.timestamp()) // 60
        while self.steps and minute // self.length - min(self.steps) >= N_STEPS and self.length != LENGTHS[-1]:
            self._lengthen()
        step, newest = minute // self.length, max(self.steps, default=0)
        if step <= newest - N_STEPS:
            return
        self.steps[step] = self.steps[step] + rows if step in self.steps else rows.astype(np.int64)
        oldest = max(step, newest) - N_STEPS
        self.steps = {number: known for number, known in self.steps.items() if number > oldest}

    def _lengthen(self) -> None:
        longer = LENGTHS[LENGTHS.index(self.length) + 1]
        found: dict[int, IntArray] = {}
        for number, rows in self.steps.items():
            step = number * self.length // longer
            found[step] = found[step] + rows if step in found else rows
        self.length, self.steps = longer, found

    def trend(self, column: int, layout: ColumnLayout) -> tuple[float | None, ...]:
        """Return the PSI of each step, the newest last; None of a step with too few rows to say.

        Args:
            column: The number of the column.
            layout: Its cells.
        """
        if not self.steps:
            return ()
        numbers = range(min(self.steps), max(self.steps) + 1)
        rows = np.array([step[column] for step in self.steps.values()])[:, : layout.width]
        current, reference = layout.judged(rows), layout.judged(layout.reference)
        kept = (reference > 0) | (current > 0).any(axis=0)
        if kept.sum() < 2:
            return ()
        psi = drift.population_stability_indices(reference[kept], current[:, kept])
        is_enough = current.sum(axis=1) >= drift.LEAST_EXPECTED * int(kept.sum())
        found = {
            step: float(value) for step, value, is_there in zip(self.steps, psi, is_enough, strict=True) if is_there
        }
        return tuple(round(found[step], 4) if step in found else None for step in numbers) if found else ()
