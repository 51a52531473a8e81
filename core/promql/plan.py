"""The nodes of a parsed expression: each evaluates itself at all steps at once."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.promql.aggregations import aggregate
from core.promql.binary import Matching, combine
from core.promql.budget import EvaluationBudget
from core.promql.errors import PromqlError
from core.promql.histograms import histogram_quantile
from core.promql.patterns import LabelPattern
from core.promql.range_functions import RANGE_FUNCTIONS
from core.promql.series import NAME, Matcher, SeriesLabels, SeriesSamples, SeriesSource
from core.promql.vector_functions import (
    BOUND_FUNCTIONS,
    DATE_FUNCTIONS,
    PLAIN_FUNCTIONS,
    label_join,
    label_replace,
)
from core.promql.vectors import Floats, StepValues, Times, Vector, key_function, labels_of, nameless
from core.promql.windows import FlatSeries, joined, windows_of

LOOKBACK_MS = 300_000
DEFAULT_SUBQUERY_STEP_MS = 60_000
MAXIMUM_SUBQUERY_STEPS = 1_000_000
STEPS_AT_ONCE = 10_000
"""Of a subquery: between them there is time to look at the clock, and what they leave behind is small."""
DAY_MS = 86_400_000
_DAYS_ALONE = 32
"""So many days are read one by one, so that a day is counted before the next day is in memory."""


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """One evaluation.

    Attributes:
        source: Where series come from.
        steps: The instants in ms, shape (n_steps,).
        start_ms, end_ms: Of the whole query: what `@ start()` and `@ end()` mean, in subqueries too.
        budget: What is left to it.
        n_instants: How many instants the whole query asks for.
    """

    source: SeriesSource
    steps: Times
    start_ms: int
    end_ms: int
    budget: EvaluationBudget
    n_instants: int = 1


class Node(ABC):
    """A part of an expression."""

    @property
    def children(self) -> Sequence["Node"]:
        """The parts that this one is made of."""
        return ()

    @property
    def longest_ms(self) -> int:
        """How far it looks back from a step; a time fixed by `@` is not counted."""
        return max((child.longest_ms for child in self.children), default=0)

    @abstractmethod
    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Return its value at each step."""

    def vector(self, run: EvaluationRun) -> Vector:
        """Evaluate what is a vector."""
        run.budget.check()
        value = self.evaluate(run)
        if not isinstance(value, Vector):
            raise PromqlError("An instant vector is needed here.")
        return value

    def scalar(self, run: EvaluationRun) -> Floats:
        """Evaluate what is a scalar."""
        run.budget.check()
        value = self.evaluate(run)
        if not isinstance(value, np.ndarray):
            raise PromqlError("A scalar is needed here.")
        return value


@dataclass(frozen=True, slots=True)
class TimeModifier:
    """The modifiers `offset` and `@`: at is a time in ms, "start", "end", or None."""

    offset_ms: int = 0
    at: int | str | None = None

    def times(self, run: EvaluationRun) -> Times:
        """Return the instants that are looked at from the steps."""
        match self.at:
            case None:
                return run.steps - self.offset_ms
            case "start":
                fixed = run.start_ms
            case "end":
                fixed = run.end_ms
            case _:
                fixed = int(self.at)
        return np.full(run.steps.size, fixed - self.offset_ms, dtype=np.int64)

    @property
    def back_ms(self) -> int:
        """How far they look back."""
        return 0 if self.at is not None else max(self.offset_ms, 0)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number."""

    value: float

    def evaluate(self, run: EvaluationRun) -> Floats:
        """Return it at each step."""
        return np.full(run.steps.size, self.value)


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string."""

    value: str

    def evaluate(self, run: EvaluationRun) -> str:
        """Return it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Selector(Node):
    """Series by name and matchers: the last sample of the 5 minutes before each step."""

    matchers: tuple[Matcher, ...]
    moment: TimeModifier

    @property
    def longest_ms(self) -> int:
        """The look-back and the offset."""
        return LOOKBACK_MS + self.moment.back_ms

    def evaluate(self, run: EvaluationRun) -> Vector:
        """Return the last samples, as far as they are not stale."""
        return self.with_times(run)[0]

    def with_times(self, run: EvaluationRun) -> tuple[Vector, Floats]:
        """Return the last samples, and their times in seconds."""
        times = self.moment.times(run)
        flat = select(run, self.matchers, times, LOOKBACK_MS)
        if flat is None:
            return Vector.empty(times.size), np.zeros((0, times.size))
        run.budget.hold(len(flat.labels) * times.size)
        at = flat.up_to(times)
        present = at > flat.up_to(times - LOOKBACK_MS)
        last = np.maximum(at - 1, 0)
        values = flat.values[last]
        present &= ~flat.is_stale(last)
        return Vector(flat.labels, values, present), flat.at_ms[last] / 1000


def select(run: EvaluationRun, matchers: tuple[Matcher, ...], times: Times, back_ms: int) -> FlatSeries | None:
    """Return the series needed to look back from these times, ordered by their labels; None if there is none."""
    first, last = int(times.min()) - back_ms, int(times.max())
    parts: dict[SeriesLabels, list[SeriesSamples]] = {}
    for start, end in _selections(first, last):
        found = run.source.select(matchers, start, end)
        run.budget.hold(sum(one.at_ms.size for one in found))
        for one in found:
            if one.at_ms.size:
                parts.setdefault(one.labels, []).append(one)
    return FlatSeries([joined(parts[labels]) for labels in sorted(parts)]) if parts else None


def _selections(first: int, last: int) -> list[tuple[int, int]]:
    """Part a long time into the last days and, before those, ever longer parts."""
    parts: list[tuple[int, int]] = []
    end, length = last, DAY_MS
    while end > first:
        start = max(first, end - length)
        parts.append((start, end))
        end = start
        if len(parts) >= _DAYS_ALONE:
            length *= 2
    return parts[::-1]


class RangeNode(Node):
    """What gives samples over a range."""

    range_ms: int
    moment: TimeModifier

    @abstractmethod
    def series(self, run: EvaluationRun, times: Times) -> FlatSeries | None:
        """Return all series that windows ending at these times need, without stale samples."""


@dataclass(frozen=True, slots=True)
class RangeSelector(RangeNode):
    """Series by name and matchers, over a range."""

    matchers: tuple[Matcher, ...]
    moment: TimeModifier
    range_ms: int

    @property
    def longest_ms(self) -> int:
        """The range and the offset."""
        return self.range_ms + self.moment.back_ms

    def series(self, run: EvaluationRun, times: Times) -> FlatSeries | None:
        """Select from the source."""
        flat = select(run, self.matchers, times, self.range_ms)
        return None if flat is None else flat.without_stale()

    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Refuse: a range vector is no result of a rule."""
        raise PromqlError("A range vector cannot be the result: apply a function to it.")


@dataclass(frozen=True, slots=True)
class Subquery(RangeNode):
    """An expression evaluated at every step of a range."""

    inner: Node
    moment: TimeModifier
    range_ms: int
    step_ms: int
    place: int | None = field(default=None, compare=False)  # of its range in the text

    @property
    def children(self) -> Sequence[Node]:
        """The expression."""
        return (self.inner,)

    @property
    def longest_ms(self) -> int:
        """The range, the offset, and what the expression looks back."""
        return self.range_ms + self.moment.back_ms + self.inner.longest_ms

    def series(self, run: EvaluationRun, times: Times) -> FlatSeries | None:
        """Evaluate the expression at the multiples of the step in (first - range, last]."""
        first = (int(times.min()) - self.range_ms) // self.step_ms + 1
        last = int(times.max()) // self.step_ms
        if (n_steps := last - first + 1) > MAXIMUM_SUBQUERY_STEPS:  # before an array of them is made
            raise PromqlError(
                f"The subquery has {n_steps:,} steps; it may have {MAXIMUM_SUBQUERY_STEPS:,}: make its step longer.",
                self.place,
            )
        if n_steps <= 0:
            return None
        run.budget.hold(n_steps)
        parts: dict[SeriesLabels, list[SeriesSamples]] = {}
        for begin in range(first, last + 1, STEPS_AT_ONCE):
            grid = np.arange(begin, min(begin + STEPS_AT_ONCE, last + 1), dtype=np.int64) * self.step_ms
            vector = self.inner.vector(replace(run, steps=grid))
            run.budget.hold(int(np.count_nonzero(vector.present)))
            for labels, values, present in zip(vector.labels, vector.values, vector.present, strict=True):
                if present.any():
                    parts.setdefault(labels, []).append(SeriesSamples(labels, grid[present], values[present]))
        return FlatSeries([joined(each) for each in parts.values()]) if parts else None

    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Refuse: a range vector is no result of a rule."""
        raise PromqlError("A range vector cannot be the result: apply a function to it.")


@dataclass(frozen=True, slots=True)
class RangeCall(Node):
    """A function over a range vector."""

    name: str
    over: RangeNode
    parameters: tuple[Node, ...] = ()

    @property
    def children(self) -> Sequence[Node]:
        """The range vector and the parameters."""
        return (self.over, *self.parameters)

    def evaluate(self, run: EvaluationRun) -> Vector:
        """Apply the function to each window."""
        times = self.over.moment.times(run)
        flat = self.over.series(run, times)
        if flat is None:
            return Vector.empty(times.size)
        parameters = [parameter.scalar(run) for parameter in self.parameters]
        function = RANGE_FUNCTIONS[self.name]
        values, present = windows_of(
            flat,
            times,
            run.steps,
            self.over.range_ms,
            lambda windows: function(windows, parameters),
            budget=run.budget,
            n_instants=run.n_instants,
        )
        vector = Vector(flat.labels, values, present)
        return vector if self.name == "last_over_time" else nameless(vector)


@dataclass(frozen=True, slots=True)
class Absent(Node):
    """`absent` and `absent_over_time`: 1 where there is no series."""

    inner: Node
    labels: SeriesLabels

    @property
    def children(self) -> Sequence[Node]:
        """What must be there."""
        return (self.inner,)

    def evaluate(self, run: EvaluationRun) -> Vector:
        """Return 1 at the steps without a series."""
        if isinstance(self.inner, RangeNode):
            times = self.inner.moment.times(run)
            flat = self.inner.series(run, times)
            present = np.zeros((1, times.size), dtype=bool)
            if flat is not None:
                run.budget.hold(len(flat.labels) * times.size)
                present = flat.up_to(times) > flat.up_to(times - self.inner.range_ms)
        else:
            present = self.inner.vector(run).present
        return Vector([self.labels], np.ones((1, run.steps.size)), ~np.any(present, axis=0, keepdims=True))


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An operator between two parts."""

    op: str
    left: Node
    right: Node
    matching: Matching
    is_bool: bool

    @property
    def children(self) -> Sequence[Node]:
        """Both sides."""
        return (self.left, self.right)

    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Apply the operator."""
        run.budget.check()
        left, right = self.left.evaluate(run), self.right.evaluate(run)
        return combine(self.op, left, right, self.matching, is_bool=self.is_bool, budget=run.budget)


@dataclass(frozen=True, slots=True)
class Negation(Node):
    """A minus before an expression."""

    inner: Node

    @property
    def children(self) -> Sequence[Node]:
        """The expression."""
        return (self.inner,)

    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Return it with the other sign."""
        value = self.inner.evaluate(run)
        if isinstance(value, Vector):
            return nameless(Vector(value.labels, -value.values, value.present))
        if isinstance(value, str):
            raise PromqlError("A string has no sign.")
        return -value


@dataclass(frozen=True, slots=True)
class Aggregation(Node):
    """An aggregation by labels (keeps) or without them."""

    name: str
    inner: Node
    parameter: Node | None
    labels: tuple[str, ...]
    keeps: bool
    place: int | None = field(default=None, compare=False)

    @property
    def children(self) -> Sequence[Node]:
        """The vector and the parameter."""
        return (self.inner,) if self.parameter is None else (self.inner, self.parameter)

    def evaluate(self, run: EvaluationRun) -> Vector:
        """Aggregate at each step."""
        parameter = None if self.parameter is None else self.parameter.evaluate(run)
        key = key_function(self.labels, keeps=self.keeps)
        vector = self.inner.vector(run)
        try:
            return aggregate(self.name, vector, key, parameter, run.budget)
        except PromqlError as error:
            if self.place is None or error.offset is not None:
                raise
            raise PromqlError(error.message, self.place) from None


@dataclass(frozen=True, slots=True)
class FunctionCall(Node):
    """A function over instant vectors and scalars."""

    name: str
    arguments: tuple[Node, ...]
    pattern: LabelPattern | None = field(default=None, compare=False)

    @property
    def children(self) -> Sequence[Node]:
        """The arguments."""
        return self.arguments

    def evaluate(self, run: EvaluationRun) -> StepValues:
        """Apply the function at each step."""
        name, arguments = self.name, self.arguments
        if name in PLAIN_FUNCTIONS or (name in DATE_FUNCTIONS and arguments):
            function = PLAIN_FUNCTIONS.get(name) or DATE_FUNCTIONS[name]
            vector = arguments[0].vector(run)
            return nameless(Vector(vector.labels, function(vector.values), vector.present))
        match name:
            case "time":
                return run.steps / 1000
            case "pi":
                return np.full(run.steps.size, math.pi)
            case "vector":
                scalar = arguments[0].scalar(run)
                return Vector([()], scalar[None, :], np.ones((1, scalar.size), dtype=bool))
            case "scalar":
                vector = arguments[0].vector(run)
                sums = np.where(vector.present, vector.values, 0.0).sum(axis=0)
                return np.where(vector.present.sum(axis=0) == 1, sums, np.nan)
            case "timestamp":
                return self._timestamp(run)
            case "histogram_quantile":
                return histogram_quantile(arguments[0].scalar(run), arguments[1].vector(run), run.budget)
            case "sort" | "sort_desc":
                return self._sorted(arguments[0].vector(run))
            case "label_replace" | "label_join":
                return self._relabelled(run)
        if name in DATE_FUNCTIONS:
            values = DATE_FUNCTIONS[name](run.steps / 1000)[None, :]
            return Vector([()], values, np.ones(values.shape, dtype=bool))
        bounds = [argument.scalar(run) for argument in arguments[1:]]
        vector = arguments[0].vector(run)
        if name == "clamp":
            low, high = bounds
            values = np.maximum(low, np.minimum(high, vector.values))
            return nameless(Vector(vector.labels, values, vector.present & ~(high < low)[None, :]))
        bound = bounds[0] if bounds else np.ones(run.steps.size)
        return nameless(Vector(vector.labels, BOUND_FUNCTIONS[name](vector.values, bound[None, :]), vector.present))

    def _timestamp(self, run: EvaluationRun) -> Vector:
        inner = self.arguments[0]
        if isinstance(inner, Selector):
            vector, seconds = inner.with_times(run)
        else:
            vector = inner.vector(run)
            seconds = np.broadcast_to(run.steps / 1000, vector.values.shape)
        return nameless(Vector(vector.labels, seconds, vector.present))

    def _sorted(self, vector: Vector) -> Vector:
        """Order by value where there is one step; NaN is last either way."""
        if vector.values.shape[1] != 1:
            return vector
        values = vector.values[:, 0]
        order = np.lexsort((values if self.name == "sort" else -values, np.isnan(values)))
        return Vector([vector.labels[row] for row in order.tolist()], vector.values[order], vector.present[order])

    def _relabelled(self, run: EvaluationRun) -> Vector:
        texts = [argument.value for argument in self.arguments[1:] if isinstance(argument, Text)]
        vector = self.arguments[0].vector(run)
        if self.name == "label_join":
            return label_join(vector, texts[0], texts[1], texts[2:])
        assert self.pattern is not None
        return label_replace(vector, texts[0], texts[1], texts[2], self.pattern)


def absent_labels(node: Node) -> SeriesLabels:
    """Return the labels that `absent` can know: those that the selector demands."""
    if not isinstance(node, Selector | RangeSelector):
        return ()
    known: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in node.matchers:
        if matcher.name == NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            known[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            known.pop(matcher.name, None)
    return labels_of(known.items())
