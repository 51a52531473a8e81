"""What a model of language must show before it is promoted: gates on its judgement, and its figures as metrics."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.quality.gate import GateOperator, GateResult, judge
from core.text.judging import TextReport

SEEN_BY_NOBODY = "documents that it has not seen"
OWN = "documents that it wrote"


@dataclass(frozen=True, slots=True)
class TextGate:
    """One requirement.

    Attributes:
        comparison: How the figure must stand to the limit.
        limit: Where `quality_gates.limits` names no other.
        unit: Of both.
        is_blocking: Whether a model that fails is not promoted; otherwise it is a warning.
        samples: What is measured.
    """

    comparison: GateOperator
    limit: float
    unit: str
    is_blocking: bool = False
    samples: str = SEEN_BY_NOBODY


GATES = {
    "nats_above_floor": TextGate("<=", 0.05, "nats", is_blocking=True),
    "nats_below_bigram": TextGate(">=", 0.0, "nats", is_blocking=True),
    "fact_consistency": TextGate(">=", 95.0, "%", is_blocking=True, samples=OWN),
    "held_out_nats_above_floor": TextGate("<=", 0.1, "nats", samples="documents with names that it has not seen"),
    "calibration_error": TextGate("<=", 5.0, "%", samples=f"tokens of {SEEN_BY_NOBODY}"),
    "documents_ended": TextGate(">=", 95.0, "%", samples=OWN),
    "copied_above_chance": TextGate("<=", 5.0, "%", samples=OWN),
}


def text_gates(report: TextReport, limits: Mapping[str, float]) -> tuple[GateResult, ...]:
    """Hold a judgement to the gates.

    Args:
        report: The judgement.
        limits: Other limits, by gate; the names of other gates are ignored.
    Returns:
        One result for each gate that this judgement can have: without a grammar, nothing says which facts agree.
    """
    return tuple(
        judge(
            name,
            value,
            GATES[name].comparison,
            limits.get(name, GATES[name].limit),
            unit=GATES[name].unit,
            n_samples=n,
            window=GATES[name].samples,
            reason=reason,
            blocking=GATES[name].is_blocking,
        )
        for name, value, n, reason in _measured(report)
    )


def text_metrics(report: TextReport) -> dict[str, float]:
    """Return the figures of a judgement by name; shares are from 0 to 1."""
    own, writing = report.scores[0], report.writing
    found: dict[str, float | None] = {
        "nats_a_token": own.nats_a_token,
        "nats_above_floor": own.excess,
        "perplexity": own.perplexity,
        "bits_a_character": own.bits_a_character,
        "attainment": report.attainment,
        "accuracy": _accuracy(report),
        "calibration_error": calibration_error(report),
        "held_out_nats_above_floor": None if report.held_out is None else report.held_out.excess,
    }
    if writing is not None:
        found |= {
            "fact_consistency": writing.consistent_share,
            "documents_ended": writing.ended_share,
            "copied": writing.copied_share,
            "copied_by_chance": writing.copied_by_chance,
            "longest_copy": float(writing.longest_copy),
            **{f"distinct_{n}": share for n, share in writing.distinct.items()},
        }
    return {name: value for name, value in found.items() if value is not None}


def calibration_error(report: TextReport) -> float:
    """Return how far the probability of the likeliest token is from how often it comes, on average."""
    n = sum(each.n for each in report.calibration)
    return sum(each.n * abs(each.said - each.came) for each in report.calibration) / n


def _accuracy(report: TextReport) -> float:
    """Return how often the likeliest token comes."""
    n = sum(each.n for each in report.calibration)
    return sum(each.n * each.came for each in report.calibration) / n


def _measured(report: TextReport) -> Iterator[tuple[str, float | None, int, str]]:
    """Yield each gate with what was measured, on how many samples, and why nothing could be."""
    own, n, writing = report.scores[0], report.n_documents, report.writing
    unwritten = "" if writing is not None else "it wrote no documents to be judged"
    if own.excess is not None:
        yield "nats_above_floor", own.excess, n, ""
    bigram = next(score for score in report.scores[1:] if score.model == "bigram")
    yield "nats_below_bigram", bigram.nats_a_token - own.nats_a_token, n, ""
    n_written = 0 if writing is None else writing.n_documents
    if report.has_grammar:
        consistent = None if writing is None else writing.consistent_share
        yield "fact_consistency", None if consistent is None else 100 * consistent, n_written, unwritten
    if report.held_out is not None and report.held_out.excess is not None:
        yield "held_out_nats_above_floor", report.held_out.excess, n, ""
    yield "calibration_error", 100 * calibration_error(report), sum(each.n for each in report.calibration), ""
    if writing is not None:
        yield "documents_ended", 100 * writing.ended_share, n_written, ""
        by_chance = writing.copied_by_chance or 0.0
        # Chance copies one document in millions: finer than thousandths of a percent nobody reads, and -0 is 0.
        above = round(100 * (writing.copied_share - by_chance), 3) + 0.0
        yield "copied_above_chance", above, n_written, ""
