"""Evaluating one group of rules at an instant."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from core.alerts.evaluation.recorded import NAME, SourceWithRecorded
from core.alerts.rule_files import AlertingRule, RecordingRule, RuleGroup
from core.errors import CoreError
from core.promql import (
    EvaluationBudget,
    EvaluationLimits,
    EvaluationStoppedError,
    Expression,
    PromqlError,
    SeriesLabels,
    SeriesSource,
    VectorSample,
    expand,
)

log = logging.getLogger(__name__)

RuleValues: TypeAlias = dict[SeriesLabels, float]
"""What an alerting rule returned: the value by labels, those of the rule included."""


@dataclass(slots=True)
class GroupOutcome:
    """What the rules of a group returned, by their position in it."""

    found: dict[int, RuleValues] = field(default_factory=dict)
    samples: dict[int, dict[SeriesLabels, VectorSample]] = field(default_factory=dict)  # of the alerts, as returned
    recorded: dict[int, list[VectorSample]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)  # how long each rule took


def evaluate_group(
    group: RuleGroup,
    source: SeriesSource,
    at_ms: int,
    is_wanted: Callable[[AlertingRule | RecordingRule], bool],
    limits: EvaluationLimits | None = None,
    *,
    resting: Collection[int] = (),
    monotonic: Callable[[], float] = time.monotonic,
) -> GroupOutcome:
    """Evaluate the rules in their order; a later rule sees what an earlier rule recorded.

    Args:
        group: The rules.
        source: The series.
        at_ms: The instant; `query_offset` is taken off.
        is_wanted: Whether a rule is evaluated.
        limits: Of each rule; by default those of Prometheus.
        resting: The positions of rules that are left out this time.
        monotonic: Seconds of a clock that is never set back.
    Raises:
        EvaluationStoppedError: The process ends.
    """
    outcome, seen = GroupOutcome(), SourceWithRecorded(source)
    at_ms -= round(group.query_offset.total_seconds() * 1000)
    for position, rule in enumerate(group.rules):
        if position in resting or not is_wanted(rule):
            continue
        began, budget = monotonic(), EvaluationBudget(limits, monotonic)
        try:
            samples = vector_at(rule.expression, seen, at_ms, budget)
            if isinstance(rule, RecordingRule):
                recorded = recorded_samples(rule, samples)
                _require_within(group, len(recorded))
                outcome.recorded[position] = recorded
                seen.add(recorded, at_ms)
            else:
                faults: list[str] = []
                found = alert_samples(rule, samples, seen, at_ms, budget, faults)
                _require_within(group, len(found))
                outcome.samples[position] = found
                outcome.found[position] = {labels: sample.value for labels, sample in found.items()}
                if faults:
                    outcome.errors[position] = faults[0]
        except EvaluationStoppedError:
            raise
        except CoreError as error:
            outcome.errors[position] = str(error)
        except (MemoryError, ArithmeticError, ValueError) as error:  # of one expression: the other rules go on
            log.exception("the rule %s could not be evaluated", rule.name)
            outcome.errors[position] = f"it could not be evaluated: {type(error).__name__}: {error}"
        outcome.seconds[position] = monotonic() - began
    return outcome


def vector_at(
    expression: Expression, source: SeriesSource, at_ms: int, budget: EvaluationBudget | None = None
) -> list[VectorSample]:
    """Evaluate an expression as a rule does: a scalar is one series without labels.

    Raises:
        PromqlError: The series or the budget do not allow it, or it is a string.
        EvaluationStoppedError: The process ends.
    """
    value = expression.at(source, at_ms, budget)
    if isinstance(value, str):
        raise PromqlError("The expression of a rule cannot be a string.")
    return value if isinstance(value, list) else [VectorSample((), value)]


def recorded_samples(rule: RecordingRule, samples: list[VectorSample]) -> list[VectorSample]:
    """Give the result of an expression the name and labels of a recording rule.

    Raises:
        PromqlError: Two series would have the same labels.
    """
    recorded = [VectorSample(recorded_labels(rule, sample.labels), sample.value) for sample in samples]
    if len({sample.labels for sample in recorded}) < len(recorded):
        raise PromqlError(f"Two series of {rule.name} would have the same labels: aggregate, or add a label.")
    return recorded


def recorded_labels(rule: RecordingRule, labels: SeriesLabels) -> SeriesLabels:
    """Return the labels of a recorded series."""
    given = {**dict(labels), **rule.labels, NAME: rule.name}
    return tuple(sorted((name, value) for name, value in given.items() if value))


def alert_samples(
    rule: AlertingRule,
    samples: list[VectorSample],
    source: SeriesSource,
    at_ms: int,
    budget: EvaluationBudget,
    faults: list[str],
) -> dict[SeriesLabels, VectorSample]:
    """Give the result of an expression the labels of an alerting rule; what fails of its templates goes to faults.

    Raises:
        PromqlError: Two alerts would have the same labels.
    """
    found: dict[SeriesLabels, VectorSample] = {}
    label_of = labeller(rule, source, at_ms, budget, faults)
    for sample in samples:
        labels = label_of(sample)
        if labels in found:
            raise PromqlError(f"Two alerts of {rule.name} would have the same labels: aggregate, or add a label.")
        found[labels] = sample
    return found


def labeller(
    rule: AlertingRule, source: SeriesSource, at_ms: int, budget: EvaluationBudget, faults: list[str]
) -> Callable[[VectorSample], SeriesLabels]:
    """Return what makes the labels of an alert of those of a series."""
    fixed = {name: text for name, text in rule.labels.items() if "{{" not in text}
    templates = {name: text for name, text in rule.labels.items() if "{{" in text}
    if not templates and all(fixed.values()) and "alertname" not in fixed:
        own = tuple(fixed.items())
        return lambda sample: _merged(sample.labels, own, fixed)

    def label(sample: VectorSample) -> SeriesLabels:
        expanded = {
            name: expanded_text(text, f"label {name}", sample, source, at_ms, budget, faults)
            for name, text in templates.items()
        }
        own = {name: text for name, text in {**fixed, **expanded}.items() if name != "alertname"}
        merged = _merged(sample.labels, tuple(own.items()), own)
        return tuple((name, value) for name, value in merged if value)

    return label


def _merged(labels: SeriesLabels, own: tuple[tuple[str, str], ...], named: Mapping[str, str]) -> SeriesLabels:
    kept = [pair for pair in labels if pair[0] not in named and pair[0] not in (NAME, "alertname")]
    kept.extend(own)
    kept.sort()
    return tuple(kept)


def expanded_text(
    text: str,
    what: str,
    sample: VectorSample,
    source: SeriesSource,
    at_ms: int,
    budget: EvaluationBudget,
    faults: list[str],
) -> str:
    """Expand a template; a text without actions costs nothing.

    A template that fails leaves its error as its text, as in Prometheus: an alert is never lost by its words.

    Args:
        text: The template.
        what: What it is of: "label team".
        sample: What the expression returned: `$labels` and `$value`.
        source: The series, for `query`.
        at_ms: The instant.
        budget: What is left to the rule.
        faults: Gets what fails, in words.
    Raises:
        EvaluationStoppedError: The process ends.
    """
    if "{{" not in text:
        return text
    try:
        budget.check()
        return expand(
            text,
            labels=dict(sample.labels),
            value=sample.value,
            query=lambda query: vector_at(Expression.parse(query), source, at_ms, budget),
        )
    except EvaluationStoppedError:
        raise
    except CoreError as error:
        problem = str(error)
    except Exception as error:  # whatever the functions of a template meet in its values
        problem = f"{type(error).__name__}: {error}"
    faults.append(f"the template of the {what} fails: {problem}")
    return f"<error expanding template: {problem}>"


def _require_within(group: RuleGroup, n: int) -> None:
    if group.limit and n > group.limit:
        raise PromqlError(f"{n} results are beyond the limit {group.limit} of the group {group.name}.")
