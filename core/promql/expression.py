"""An expression in PromQL: read once, evaluated at an instant or over a range."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from core.promql.budget import EvaluationBudget
from core.promql.errors import PromqlError
from core.promql.plan import EvaluationRun, Node
from core.promql.reading import read_expression
from core.promql.series import SeriesSamples, SeriesSource, VectorSample
from core.promql.vectors import StepValues, Times, Vector

MAXIMUM_STEPS = 1_000_000


@dataclass(frozen=True)
class Expression:
    """An expression that was read and that BondX can evaluate.

    >>> from core.promql.series import SeriesInMemory
    >>> Expression.parse("1 + 2").at(SeriesInMemory([]), 0)
    3.0
    """

    text: str
    root: Node = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Expression":
        """Read an expression.

        Raises:
            PromqlError: It has a fault of syntax or types, an unknown function, or a part that BondX does not evaluate.
        """
        return cls(text, read_expression(text))

    @cached_property
    def longest_ms(self) -> int:
        """How far before an instant the expression needs samples; a time fixed by `@` is not counted."""
        return self.root.longest_ms

    def at(
        self, source: SeriesSource, at_ms: int, budget: EvaluationBudget | None = None
    ) -> list[VectorSample] | float | str:
        """Evaluate at an instant.

        Args:
            source: The series.
            at_ms: The instant.
            budget: What the evaluation may read, and its time; by default as much as Prometheus allows.
        Returns:
            The samples of a vector, a scalar, or a string.
        Raises:
            PromqlError: The series do not allow it, such as several matches on both sides, or the budget does not.
            EvaluationStoppedError: The process ends.
        """
        value = self._evaluated(source, np.array([at_ms], dtype=np.int64), budget)
        if isinstance(value, str):
            return value
        if not isinstance(value, Vector):
            return float(value[0])
        values, present = value.values[:, 0].tolist(), value.present[:, 0].tolist()
        return [
            VectorSample(labels, number)
            for labels, number, there in zip(value.labels, values, present, strict=True)
            if there
        ]

    def over(
        self, source: SeriesSource, start_ms: int, end_ms: int, step_ms: int, budget: EvaluationBudget | None = None
    ) -> list[SeriesSamples]:
        """Evaluate at start, start + step, … up to end.

        Args:
            source: The series.
            start_ms, end_ms, step_ms: The instants.
            budget: What the evaluation may read, and its time; by default as much as Prometheus allows.
        Returns:
            The series, each with the instants at which it has a value; a scalar is a series without labels.
        Raises:
            PromqlError: The step is not positive, the range is backwards, or the series or the budget do not allow it.
            EvaluationStoppedError: The process ends.
        """
        if step_ms <= 0 or end_ms < start_ms:
            raise PromqlError("A range needs a step above 0 and an end that is not before its start.")
        if (end_ms - start_ms) // step_ms >= MAXIMUM_STEPS:
            raise PromqlError(f"A range has at most {MAXIMUM_STEPS} steps: make the step longer.")
        steps = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
        value = self._evaluated(source, steps, budget)
        if isinstance(value, str):
            raise PromqlError("A string has no values over a range.")
        if not isinstance(value, Vector):
            return [SeriesSamples((), steps, value)]
        return [
            SeriesSamples(labels, steps[there], values[there])
            for labels, values, there in zip(value.labels, value.values, value.present, strict=True)
            if there.any()
        ]

    def _evaluated(self, source: SeriesSource, steps: Times, budget: EvaluationBudget | None) -> StepValues:
        run = EvaluationRun(
            source, steps, int(steps[0]), int(steps[-1]), budget or EvaluationBudget(), n_instants=steps.size
        )
        try:
            with np.errstate(all="ignore"):
                return self.root.evaluate(run)
        except OverflowError as error:
            raise PromqlError(f"A time in the expression is out of range: {error}.") from None
