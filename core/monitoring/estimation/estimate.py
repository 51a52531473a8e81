"""The estimate of a version's performance on rows whose outcomes are unknown, and its words."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.errors import UsageError
from core.losses import LEAST_PROBABILITY
from core.monitoring.estimation.density_ratio import LEAST_SHARE, widening
from core.monitoring.estimation.events import AnsweredEvents, EventEstimate, estimate_events
from core.monitoring.estimation.expected_scores import EVENT_RATE, IN_WORDS, IS_LOSS
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.monitoring.estimation.numbers import AnsweredNumbers, NumberEstimate, estimate_numbers
from core.monitoring.estimation.possible_losses import PossibleLosses, possible_losses
from core.monitoring.estimation.resampling import N_REPLICATES, EstimateInterval
from core.monitoring.estimation.shift_columns import ShiftColumns
from core.monitoring.verdicts import PerformanceVerdict
from core.seeds import derive_seed

LEAST_LIVE = 30
LEAST_HELD_OUT = 50
LEAST_EVENTS = 10  # held-out rows of each of the two outcomes
MOST_LIVE = 5_000
TOLERANCE = 0.1
"""A rise of the loss by less than this share of the loss of the held-out rows does not matter."""
MOST_BEYOND = 0.45
"""The share of the rows that may be unlike nearly all held-out rows; if there are more, the estimate has no verdict."""
LEAST_WIDENING = 1.25  # that is worth a note
OPEN = PerformanceVerdict.OPEN
BLIND_TO = (
    "The estimate assumes that the relation between the columns and the outcome has not changed. A changed relation "
    "shows only in outcomes: bondx labels wanted names the few rows whose outcomes decide."
)
EVENT_ORDER = ("log_loss", "auc", "accuracy", "precision", "recall", "f1", "brier", EVENT_RATE)
EVENTS_METHOD = "calibrated probabilities, re-calibrated by density ratios"
CLASSES_METHOD = "calibrated probability of the likeliest class, re-calibrated by density ratios"
NUMBERS_METHOD = "model of the size of errors, weighted by density ratios"
ONLY_ACCURACY = "Of several classes only the accuracy is estimated: other scores need more than the likeliest class."
NO_BIAS = "The bias is not estimated: rows do not say on which side of an answer its outcome will lie."


class EstimatedFigure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric, estimated.

    Attributes:
        metric: Its name.
        value: The estimate.
        low: The lower end of the 95 % interval of what the outcomes of these rows will show.
        high: The upper end.
        held_out: The metric on the held-out rows.
        change_low: The lower end of the 95 % interval of the change since then.
        change_high: The upper end.
        verdict: Whether it fell; None for a figure that is neither better nor worse.
    """

    metric: str
    value: float
    low: float
    high: float
    held_out: float
    change_low: float
    change_high: float
    verdict: PerformanceVerdict | None = None


class EstimatedPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """How well a version does on rows whose outcomes are unknown.

    Attributes:
        verdict: That of the first figure.
        reason: The verdict in one sentence.
        method: How it was estimated.
        n_rows: The rows.
        n_held_out: The held-out rows that they were compared with.
        effective_share: The share of these that count after weighting; None without weights.
        is_far: The rows are so far from the held-out rows that the weights follow them only in part.
        figures: The metrics, the one that decides first.
        blind_to: What the estimate cannot see.
        notes: Further notes, a sentence each.
    """

    verdict: PerformanceVerdict
    reason: str
    method: str
    n_rows: int
    n_held_out: int
    effective_share: float | None
    figures: tuple[EstimatedFigure, ...]
    blind_to: str = BLIND_TO
    notes: tuple[str, ...] = ()
    is_far: bool = False


@dataclass(frozen=True, slots=True)
class LiveRows:
    """Rows that a version answered, and whose outcomes are unknown.

    Attributes:
        rows: Their columns.
        answer: The answers, as in `HeldOutRows`.
        decided: Of two classes: the rows that the model declares events.
        units: The number of the group of each row; None if no row depends on another.
    """

    rows: pd.DataFrame
    answer: AnyArray
    decided: BoolArray | None = None
    units: IntArray | None = None

    def __len__(self) -> int:
        return len(self.answer)

    def taken(self, at: IntArray) -> "LiveRows":
        """Return some of the rows."""
        return LiveRows(
            self.rows.iloc[at],
            self.answer[at],
            None if self.decided is None else self.decided[at],
            None if self.units is None else np.unique(self.units[at], return_inverse=True)[1].astype(np.int64),
        )


@dataclass(frozen=True, slots=True)
class RowEstimate:
    """The estimate, and what it says of each row.

    Attributes:
        performance: The estimate.
        at: The rows that it used: all, or a random part of many, shape (n,).
        expected: The expected loss of each of these rows: absolute error, log loss, or chance of a wrong class,
            shape (n,).
        uncertainty: How uncertain that loss is: its standard deviation, shape (n,).
        possible: The limits of that loss.
    """

    performance: EstimatedPerformance
    at: IntArray
    expected: FloatArray
    uncertainty: FloatArray
    possible: PossibleLosses


def estimate_performance(
    held_out: HeldOutRows, live: LiveRows, *, seed: int = 0, n_replicates: int = N_REPLICATES
) -> RowEstimate:
    """Estimate how well a version does on rows whose outcomes are unknown.

    Args:
        held_out: Rows that the version did not learn from.
        live: The rows.
        seed: Of the random choices; the same rows and seed give the same estimate.
        n_replicates: Of the bootstrap.
    Raises:
        UsageError: There are too few rows, or one of them has no answer.
        HeldOutError: There are too few held-out rows, or too few of one of two outcomes.
    """
    _require_enough(held_out, live)
    at = np.arange(len(live))
    notes = []
    if len(live) > MOST_LIVE:
        rng = np.random.default_rng(derive_seed(seed, "rows of an estimate"))
        at = np.sort(rng.permutation(at)[:MOST_LIVE])
        notes.append(f"The estimate uses {MOST_LIVE:,} of {len(live):,} rows, chosen at random.")
        live = live.taken(at)
    names = [str(name) for name in held_out.rows if name in live.rows]
    if held_out.masked:
        notes.append(f"Columns that the settings mask are not compared: {', '.join(held_out.masked)}.")
    if lacking := [str(name) for name in held_out.rows if name not in live.rows]:
        notes.append(f"Columns that the rows lack are not compared: {', '.join(lacking)}.")
    read = ShiftColumns.of(held_out.rows, names)
    matrices = read.matrix(held_out.rows), read.matrix(live.rows)
    found: EventEstimate | NumberEstimate
    if held_out.classes:
        found, method, figures = _events(held_out, live, *matrices, seed=seed, n_replicates=n_replicates)
        if len(held_out.classes) > 2:
            notes.append(ONLY_ACCURACY)
    else:
        found, method, figures = _numbers(held_out, live, *matrices, seed=seed, n_replicates=n_replicates)
        notes.append(NO_BIAS)
    if found.is_flattened:
        notes.append(far_text(len(held_out), found.effective_share))
    if found.share_beyond > MOST_BEYOND:
        figures = tuple(msgspec.structs.replace(each, verdict=each.verdict and OPEN) for each in figures)
    if widening(found.share_beyond) > LEAST_WIDENING:
        notes.append(beyond_text(found.share_beyond))
    performance = described(
        figures,
        method=method,
        n_rows=len(live),
        n_held_out=len(held_out),
        effective_share=found.effective_share,
        notes=tuple(notes),
        is_far=found.is_flattened,
    )
    n_classes = len(held_out.classes)
    possible = possible_losses(live.answer, n_classes)
    return RowEstimate(performance, at, *_row_losses(found, live, n_classes), possible)


def described(
    figures: tuple[EstimatedFigure, ...],
    *,
    method: str,
    n_rows: int,
    n_held_out: int,
    effective_share: float | None,
    notes: tuple[str, ...],
    is_far: bool = False,
) -> EstimatedPerformance:
    """Return the figures with their verdict; the first decides."""
    first = figures[0]
    return EstimatedPerformance(
        verdict=first.verdict or PerformanceVerdict.OPEN,
        reason=_reason(first),
        method=method,
        n_rows=n_rows,
        n_held_out=n_held_out,
        effective_share=effective_share,
        figures=figures,
        notes=notes,
        is_far=is_far,
    )


def far_text(n_held_out: int, effective_share: float) -> str:
    """Say in one sentence how rows that are far from the held-out rows were compared with them.

    Args:
        n_held_out: The held-out rows.
        effective_share: The share of these that count after weighting in part.

    >>> far_text(3000, 0.7)[:70]
    'The rows are far from the 3,000 held-out rows: weighted to be like the'
    """
    return (
        f"The rows are far from the {n_held_out:,} held-out rows: weighted to be like them, fewer than "
        f"{LEAST_SHARE:.0%} of these would count, so the weights follow the rows only in part, {effective_share:.0%} "
        "count, and where no held-out row is near, the estimate trusts the answers."
    )


def beyond_text(share_beyond: float) -> str:
    """Say in one sentence what rows beyond the held-out rows do to an estimate.

    Args:
        share_beyond: The share of the rows that are unlike nearly all held-out rows.

    >>> beyond_text(0.2)
    '20% of the rows are unlike nearly all held-out rows, so the intervals are 1.7 times as wide.'
    """
    found = f"{share_beyond:.0%} of the rows are unlike nearly all held-out rows, so the intervals are "
    found += f"{widening(share_beyond):.1f} times as wide"
    return f"{found}, and there is no verdict." if share_beyond > MOST_BEYOND else f"{found}."


def _require_enough(held_out: HeldOutRows, live: LiveRows) -> None:
    if len(live) < LEAST_LIVE:
        raise UsageError(f"There are {len(live)} rows; an estimate needs {LEAST_LIVE} at least.")
    if not np.isfinite(np.asarray(live.answer, dtype=np.float64)).all():
        raise UsageError("The version answers some of the rows with no finite number, so nothing can be estimated.")
    more = "Train it again on more rows, or raise held_out.rows"
    if len(held_out) < LEAST_HELD_OUT:
        raise HeldOutError(
            "the held-out rows", f"there are {len(held_out)}; an estimate needs {LEAST_HELD_OUT} at least", more
        )
    if held_out.classes:
        happened = _happened(held_out)
        fewest = int(min(happened.sum(), (1 - happened).sum()))
        if fewest < LEAST_EVENTS:
            kind = "of one of the two outcomes" if len(held_out.classes) == 2 else "right or wrong"
            raise HeldOutError(
                "the held-out rows", f"only {fewest} are {kind}; an estimate needs {LEAST_EVENTS} at least", more
            )


def _happened(rows: HeldOutRows) -> FloatArray:
    """Return 1 where the event happened: of more than two classes, where the likeliest was right."""
    if rows.answer.ndim == 1:
        return np.asarray(rows.actual >= 0.5, dtype=np.float64)
    return np.asarray(rows.answer.argmax(axis=1) == rows.actual, dtype=np.float64)


def _events(
    held_out: HeldOutRows, live: LiveRows, own: FloatArray, new: FloatArray, *, seed: int, n_replicates: int
) -> tuple[EventEstimate, str, tuple[EstimatedFigure, ...]]:
    is_several = held_out.answer.ndim == 2
    rows = AnsweredEvents(own, _probability(held_out.answer), held_out.decided, held_out.units)
    lately = AnsweredEvents(new, _probability(live.answer), live.decided, live.units)
    found = estimate_events(rows, _happened(held_out), lately, seed=seed, n_replicates=n_replicates)
    if is_several:
        return found, CLASSES_METHOD, (figure_of("accuracy", found.figures[EVENT_RATE]),)
    figures = tuple(figure_of(name, found.figures[name]) for name in EVENT_ORDER if name in found.figures)
    return found, EVENTS_METHOD, figures


def _numbers(
    held_out: HeldOutRows, live: LiveRows, own: FloatArray, new: FloatArray, *, seed: int, n_replicates: int
) -> tuple[NumberEstimate, str, tuple[EstimatedFigure, ...]]:
    rows = AnsweredNumbers(own, held_out.answer, held_out.units)
    lately = AnsweredNumbers(new, live.answer, live.units)
    found = estimate_numbers(rows, held_out.actual, lately, seed=seed, n_replicates=n_replicates)
    return found, NUMBERS_METHOD, tuple(figure_of(name, each) for name, each in found.figures.items())


def _probability(answer: AnyArray) -> FloatArray:
    return np.asarray(answer if answer.ndim == 1 else answer.max(axis=1), dtype=np.float64)


def figure_of(metric: str, found: EstimateInterval) -> EstimatedFigure:
    """Return a figure with its verdict."""
    return EstimatedFigure(
        metric=metric,
        value=found.value,
        low=found.low,
        high=found.high,
        held_out=found.held_out,
        change_low=found.change_low,
        change_high=found.change_high,
        verdict=None if metric == EVENT_RATE else verdict_of(metric, found),
    )


def verdict_of(metric: str, found: EstimateInterval) -> PerformanceVerdict:
    """Judge a figure: it fell if the change is surely for the worse and large enough to matter.

    >>> verdict_of("mae", EstimateInterval(1.3, 1.2, 1.4, 1.0, 0.1, 0.5)).value
    'fell'
    >>> verdict_of("auc", EstimateInterval(0.80, 0.78, 0.82, 0.8, -0.01, 0.01)).value
    'holds'
    """
    is_loss = metric in IS_LOSS
    loss = found.held_out if is_loss else 1.0 - found.held_out
    worse = found.value - found.held_out if is_loss else found.held_out - found.value
    least, most = (found.change_low, found.change_high) if is_loss else (-found.change_high, -found.change_low)
    if least > 0 and worse >= TOLERANCE * loss:
        return PerformanceVerdict.FELL
    return PerformanceVerdict.HOLDS if most < TOLERANCE * loss else PerformanceVerdict.OPEN


def _reason(figure: EstimatedFigure) -> str:
    name = IN_WORDS.get(figure.metric, figure.metric)
    found = f"estimated {name} {figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"
    found += f", {figure.held_out:.4g} on held-out rows"
    if figure.verdict is PerformanceVerdict.OPEN:
        return f"{found}; the rows do not decide whether it got worse"
    return found


def _row_losses(found: EventEstimate | NumberEstimate, live: LiveRows, n_classes: int) -> tuple[FloatArray, FloatArray]:
    """Return the expected loss of each row, and its standard deviation."""
    if isinstance(found, NumberEstimate):
        return found.absolute, found.absolute
    spread = np.sqrt(found.chance * (1.0 - found.chance))
    if n_classes > 2:
        return 1.0 - found.chance, spread
    answer = np.clip(live.answer, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    event, other = -np.log(answer), -np.log1p(-answer)
    expected = found.chance * event + (1.0 - found.chance) * other
    return np.asarray(expected), np.asarray(spread * np.abs(event - other))
