"""What a plan says about its duration: the usual traffic, each verdict, what is quicker, and a deadline too early."""

from collections.abc import Iterator

from core.rollout.expectations import Expectation, Expectations
from core.rollout.plan import GuardSource, RolloutPlan, SettleBasis
from core.rollout.usual_traffic import UsualTraffic

_UNITS = ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def about(seconds: float | None) -> str:
    """Spell a duration with one or two digits.

    >>> about(500_000), about(11_000), about(45), about(None)
    ('about 5.8 days', 'about 3.1 h', 'about 45 s', 'not within ten years')
    """
    if seconds is None:
        return "not within ten years"
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 1.5 * size), _UNITS[-1])
    number = seconds / size
    return f"about {number:.0f} {unit}" if number >= 10 or unit == "s" else f"about {number:.2g} {unit}"


def duration_lines(
    model: str, stable: str, plan: RolloutPlan, usual: UsualTraffic | None, expected: Expectations | None
) -> Iterator[str]:
    """Write what a plan says about its duration."""
    if usual is None or expected is None:
        yield f"How long verdicts take is unknown: no request to {model} was recorded in the last week."
        return
    yield f"Usual traffic in the last {about(usual.seconds).removeprefix('about ')}: {usual}."
    yield from verdict_lines(expected)
    if usual.n_callers and any(verdict.seconds is None for verdict in expected.verdicts):
        yield (
            f"{usual.n_callers:,} callers may be too few: losses are compared by caller, only a caller's first failure "
            f"counts, and while few callers fail, each caller is one observation. When more callers come cannot be "
            f"told."
        )
    losses = [guard for guard in plan.guards if guard.source is GuardSource.LOSS]
    yield from (
        f"Expected on {guard.name}: no verdict, since fewer than 20 outcomes of {stable} are known."
        for guard in losses
        if guard.name not in {verdict.guard for verdict in expected.verdicts}
    )
    if expected.quicker:
        ways = ", ".join(f"{way.change} ({about(way.seconds)})" for way in expected.quicker)
        yield f"All verdicts would come sooner with {ways}."


def verdict_lines(expected: Expectations | None) -> Iterator[str]:
    """Write how long each verdict takes, guard by guard; nothing where that is unknown."""
    by_guard: dict[str, list[str]] = {}
    for verdict in expected.verdicts if expected is not None else ():
        by_guard.setdefault(verdict.guard, []).append(_spelled(verdict))
    yield from (f"Expected on {guard}: {'; '.join(found)}." for guard, found in by_guard.items())


def settle_lines(plan: RolloutPlan) -> Iterator[str]:
    """Write which outcomes show a candidate to be safe, if a plan judges any."""
    if not plan.needs_outcomes:
        return
    if not plan.settle_seconds:
        yield {
            SettleBasis.POLICY: "Outcomes are judged when they come (policy: settle_hours is 0).",
            SettleBasis.UNKNOWN: "How long outcomes take is not known: outcomes that come late are judged when they "
            "come. If large losses come late, set settle_hours.",
        }.get(plan.settle_basis, "Outcomes come at once.")
        return
    age = about(plan.settle_seconds).removeprefix("about ")
    why = {
        SettleBasis.POLICY: " (policy: settle_hours)",
        SettleBasis.HISTORY: ": 99% of outcomes have come by then",
        SettleBasis.SHORT_HISTORY: ": 99% of outcomes have come by then, as far as so short a history shows",
    }.get(plan.settle_basis, "")
    yield f"Safety is judged by answers older than {age}{why}. Harm is judged by all outcomes that have come."


def deadline_warning(plan: RolloutPlan, expected: Expectations | None) -> str:
    """Warn if the deadline comes before the expected proof; empty if it does not."""
    if any(guard.required and guard.source.needs_outcomes for guard in plan.guards) and (
        plan.settle_seconds >= plan.deadline_seconds
    ):
        return (
            f"Warning: no answer is settled before the deadline: safety is judged by answers older than "
            f"{about(plan.settle_seconds).removeprefix('about ')}, and the deadline comes after "
            f"{about(plan.deadline_seconds).removeprefix('about ')}. Set deadline_hours higher."
        )
    if expected is None or not expected.slowest:
        return ""
    if expected.seconds_to_end is not None and expected.seconds_to_end <= plan.deadline_seconds:
        return ""
    when = "is not expected at all" if expected.seconds_to_end is None else f"takes {about(expected.seconds_to_end)}"
    return (
        f"Warning: the proof on {expected.slowest} {when}, and the deadline comes after "
        f"{about(plan.deadline_seconds).removeprefix('about ')}: then an operator decides. "
        f"Set deadline_hours higher, or choose a quicker way."
    )


def _spelled(verdict: Expectation) -> str:
    shown = "found" if verdict.is_harm else "shown safe"
    when = f"{shown} after {about(verdict.seconds)}" if verdict.seconds is not None else f"not {shown} within ten years"
    return f"{verdict.effect}, {when}"
