"""The recorded evidence of a retraining, judged again by other limits. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from core.json_documents import converted
from core.retraining.comparing import Compared, VersionComparison, verdict
from core.retraining.document import Retraining, StepName, StepState
from core.retraining.rehearsal.documents import Would
from core.settings.retraining import RetrainingPolicy

_SETS = ("newest rows", "regression set")


def judge_again(found: Retraining, policy: RetrainingPolicy) -> tuple[Would, str]:
    """Say whether the challenger of a retraining would have passed its checks and its comparison.

    Args:
        found: A retraining that has ended, with the evidence of its steps.
        policy: The other rules.
    Returns:
        Yes: it would have passed what it was recorded to pass. No: it would not, and why. Unknown: what decides was
        not recorded.
    """
    reasons = [each for each in (_check(found, policy), _validate(found, policy)) if each is not None]
    if refused := next((reason for would, reason in reasons if would is Would.NO), None):
        return Would.NO, refused
    if unknown := next((reason for would, reason in reasons if would is Would.UNKNOWN), None):
        return Would.UNKNOWN, unknown
    return Would.YES, "its checks and its comparison pass under both policies"


def _check(found: Retraining, policy: RetrainingPolicy) -> tuple[Would, str] | None:
    step = found.observed.step(StepName.CHECK)
    if not step.evidence:
        return Would.UNKNOWN, f"it ended at {found.observed.current and found.observed.current.name}, before its rows"
    limits = policy.checks
    for name, value, most in _measured(step.evidence, limits.max_duplicate_share, limits.max_label_shift):
        if value > most:
            return Would.NO, f"check: {name} {value:.1%}, limit {most:.1%}"
    flips = step.evidence.get("flips", {})
    if "at_least" in flips and flips["at_least"] > flips["held_out"] + limits.max_flip_share:
        return Would.NO, f"check: flipped outcomes at least {flips['at_least']:.1%}, limit {limits.max_flip_share:.1%}"
    if step.state is StepState.STOPPED:
        return Would.UNKNOWN, "its rows would have passed, and what a training on them gives is unknown"
    return None


def _measured(
    evidence: Mapping[str, Any], max_duplicate_share: float, max_label_shift: float
) -> Iterator[tuple[str, float, float]]:
    for name, key, figure, most in (
        ("repeated rows", "duplicates", "share", max_duplicate_share),
        ("outcomes of other classes", "labels", "moved", max_label_shift),
    ):
        figures = evidence.get(key, {})
        is_judged = "no column" not in str(figures.get("found", ""))
        if is_judged and isinstance(figures.get(figure), int | float):
            yield name, float(figures[figure]), most


def _validate(found: Retraining, policy: RetrainingPolicy) -> tuple[Would, str] | None:
    step, rules = found.observed.step(StepName.VALIDATE), policy.validation
    recorded = {name: step.evidence[name] for name in _SETS if name in step.evidence}
    if not recorded:
        return (
            None
            if found.observed.step(StepName.CHECK).state is StepState.STOPPED
            else (
                Would.UNKNOWN,
                "no comparison of it is recorded",
            )
        )
    if rules.held_out_share != found.policy.validation.held_out_share:
        return Would.UNKNOWN, "it would have been compared on other rows (validation.held_out_share)"
    if rules.regression_set != found.policy.validation.regression_set:
        return Would.UNKNOWN, "it would have been compared on another regression set"
    comparisons = {
        name: _with_margins(
            figures,
            rules.margin if name == _SETS[0] else rules.regression_margin,
            rules.slice_margin,
        )
        for name, figures in recorded.items()
    }
    asked = msgspec.structs.replace(found, policy=policy)
    if (refusal := verdict(comparisons, needs_superiority=asked.needs_superiority)) is not None:
        return Would.NO, f"validate: {refusal}"
    gates = {gate["name"]: gate for gate in step.evidence.get("gates", ())}
    for name, is_wanted in (("explainability", rules.require_explanation), ("stress", rules.stress is not None)):
        if is_wanted and name not in gates:
            return Would.UNKNOWN, f"the gate {name} was not measured then"
    if (stress := gates.get("stress")) and rules.stress is not None:
        if found.policy.validation.stress is None or not _same_cases(found.policy, policy):
            return Would.UNKNOWN, "it would have been stressed under other scenarios"
        if stress["value"] is None or stress["value"] > rules.stress.max_error_ratio:
            return Would.NO, f"validate: stress {stress['value']}, limit {rules.stress.max_error_ratio:g}"
    if step.state is StepState.STOPPED:
        return Would.UNKNOWN, "its comparison would have passed, and what its rollout shows is unknown"
    return None


def _same_cases(one: RetrainingPolicy, other: RetrainingPolicy) -> bool:
    first, second = one.validation.stress, other.validation.stress
    if first is None or second is None:
        return False
    names = ("scenarios", "severities", "rows")
    return all(getattr(first, name) == getattr(second, name) for name in names)


def _with_margins(figures: Mapping[str, Any], margin: float, slice_margin: float) -> VersionComparison:
    """Rebuild a comparison from its record, with other margins."""

    def part(recorded: Mapping[str, Any], share: float) -> Compared:
        compared = converted(dict(recorded), Compared)
        return msgspec.structs.replace(compared, margin=share * max(compared.live_loss, 1e-12))

    slices = tuple(part(each, slice_margin) for each in figures.get("slices", ()))
    return VersionComparison(str(figures["loss"]), part(figures["whole"], margin), slices)
