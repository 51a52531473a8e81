"""What a person was shown with a plan and what is true now, compared."""

from collections.abc import Sequence

import msgspec

from core.registry.holds import RunningRollout
from core.registry.planning import Plan


def news_since(shown: Plan, now: Plan) -> tuple[str, ...]:
    """Say what has changed since a plan was shown, though no version of its model has moved.

    Args:
        shown: The plan as the person saw it.
        now: The same move, planned again.
    Returns:
        Sentences: about the rollout that it ends, the verdicts and warnings, and the gates. A gate that was judged only
        now and passes is no news: some are judged only when the move is made.
    """
    return (*_rollout_news(shown, now), *_warning_news(shown.warnings, now.warnings), *_gate_news(shown, now))


def as_reviewed(plan: Plan, reviewed: Plan | None) -> Plan:
    """Return a plan that is only carried out if it still is the plan that a person reviewed.

    Args:
        plan: The plan now.
        reviewed: The plan that was reviewed; None trusts the plan as it is now.
    """
    if reviewed is None:
        return plan
    return msgspec.structs.replace(
        plan,
        expected_revision=reviewed.expected_revision,
        ends_rollout=reviewed.ends_rollout,
        warnings=reviewed.warnings,
        gates=reviewed.gates,
    )


def _rollout_news(shown: Plan, now: Plan) -> list[str]:
    before, after = shown.ends_rollout, now.ends_rollout
    if _without_author(before) == _without_author(after):
        return []
    if before is not None and after is not None and before.rollout_id == after.rollout_id:
        if after.is_aborting and not before.is_aborting:
            return [f"Rollout {after.rollout_id} is being aborted{_by(after)}."]
        shares = f"{after.share * 100:g}% of the requests, and no longer {before.share * 100:g}%"
        return [f"Rollout {after.rollout_id} gives {after.candidate} {shares}."]
    ended = [f"Rollout {before} has ended since."] if before else []
    begun = [f"Rollout {after} has been started{_by(after)} since, and this would end it."] if after else []
    return ended + begun


def _without_author(rollout: RunningRollout | None) -> RunningRollout | None:
    """Leave out who asked last: a request that changes neither share nor end is no news."""
    return None if rollout is None else msgspec.structs.replace(rollout, asked_by="")


def _by(rollout: RunningRollout) -> str:
    return f" by {rollout.asked_by}" if rollout.asked_by else ""


def _warning_news(shown: Sequence[str], now: Sequence[str]) -> list[str]:
    gone = [f"No longer true: {warning}" for warning in shown if warning not in now]
    return [*(warning for warning in now if warning not in shown), *gone]


def _gate_news(shown: Plan, now: Plan) -> list[str]:
    before = {gate.name: gate for gate in shown.gates}
    after = {gate.name: gate for gate in now.gates}
    changed = [
        f"Gate {gate.name}: {gate.sentence} ({gate.verdict})."
        for gate in after.values()
        if (gate != before[gate.name] if gate.name in before else not gate.passed)
    ]
    return changed + [f"Gate {name} is not judged any more." for name in before if name not in after]
