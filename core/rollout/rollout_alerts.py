"""The alerts of rollouts: a rollout was rolled back, waits for a decision, or cannot be judged."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.alerts import Alerts
from core.rollout.readings import GuardReading, GuardVerdict
from core.rollout.rollout import Rollout, RolloutPhase

ROLLED_BACK = "rollout_rolled_back"
ENDED = "rollout_ended"
INCONCLUSIVE = "rollout_inconclusive"
STUCK = "rollout_stuck"
UNEVEN = "rollout_uneven"

_TOLD_LATE = timedelta(days=1)


class RolloutAlerts:
    """Fires and clears the alerts of rollouts."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def step_taken(self, rollout: Rollout, now: datetime) -> None:
        """Alert people about the step a rollout has just taken, if they must know."""
        reason = rollout.observed.events[-1].reason
        if rollout.observed.phase is RolloutPhase.INCONCLUSIVE:
            self._fire(INCONCLUSIVE, rollout, f"an operator decides: {reason}", now)
            return
        self._alerts.clear(INCONCLUSIVE, labels=_labels(rollout), now=now, reason=reason)
        if not rollout.is_active:
            for rule in (STUCK, UNEVEN):
                self._alerts.clear(rule, labels=_labels(rollout), now=now, reason=reason)
        if rollout.observed.phase is RolloutPhase.ROLLED_BACK:
            self._fire(ROLLED_BACK, rollout, f"was rolled back: {reason}", now)
        elif rollout.is_cut_short:
            self._fire(ENDED, rollout, f"is judged no longer: {reason}", now)

    def stuck(self, rollout: Rollout, problem: str, now: datetime) -> None:
        """Alert people that a rollout cannot be judged: nothing would roll its candidate back."""
        self._fire(
            STUCK, rollout, f"cannot be judged and keeps {rollout.share * 100:g}% of the traffic: {problem}", now
        )

    def checked(self, rollout: Rollout, readings: Sequence[GuardReading], now: datetime) -> None:
        """Alert people that the arms of a rollout cannot be compared, and clear the alert when they can."""
        uneven = [reading.reason for reading in readings if reading.verdict is GuardVerdict.UNEVEN]
        if uneven:
            self._fire(UNEVEN, rollout, f"is held: {'; '.join(uneven)}", now)
        else:
            self._alerts.clear(UNEVEN, labels=_labels(rollout), now=now, reason="the arms can be compared again")

    def unreadable(self, rollout_id: str, problem: str, now: datetime) -> None:
        """Alert people that the document of a rollout cannot be read."""
        self._alerts.fire(STUCK, labels={"rollout": rollout_id}, summary=f"{rollout_id}: {problem}", now=now)

    def work_again(self, rollout: Rollout, now: datetime) -> None:
        """Clear the alert of a rollout that can be judged again."""
        for labels in (_labels(rollout), {"rollout": rollout.rollout_id}):
            self._alerts.clear(STUCK, labels=labels, now=now, reason="it can be judged again")

    def catch_up(self, rollouts: Sequence[Rollout], now: datetime) -> None:
        """Raise alerts that are missing: the engine was killed, or a person decided while no engine was running."""
        told = {(alert.rule, alert.labels.get("rollout")) for alert in self._alerts.all()}
        waiting = {alert.labels.get("rollout") for alert in self._alerts.open() if alert.rule == INCONCLUSIVE}
        for rollout in rollouts:
            if rollout.rollout_id in waiting and rollout.observed.phase is not RolloutPhase.INCONCLUSIVE:
                self.step_taken(rollout, now)  # a person has decided meanwhile
                continue
            rule = _rule_of(rollout)
            since = rollout.observed.phase_since or rollout.created_at
            if rule is not None and (rule, rollout.rollout_id) not in told and now - since < _TOLD_LATE:
                self.step_taken(rollout, now)

    def went_live(self, rollout: Rollout, now: datetime) -> None:
        """Clear the alerts of a rollout that ended without its candidate, which is live another way now."""
        for rule in (ROLLED_BACK, ENDED):
            reason = f"{rollout.model} {rollout.candidate} is live"
            self._alerts.clear(rule, labels=_labels(rollout), now=now, reason=reason)

    def _fire(self, rule: str, rollout: Rollout, what: str, now: datetime) -> None:
        summary = f"{rollout.model} {rollout.candidate} {what} ({rollout.rollout_id})"  # the model comes first
        self._alerts.fire(rule, labels=_labels(rollout), summary=summary, now=now)


def _rule_of(rollout: Rollout) -> str | None:
    if rollout.is_cut_short:
        return ENDED
    return {RolloutPhase.INCONCLUSIVE: INCONCLUSIVE, RolloutPhase.ROLLED_BACK: ROLLED_BACK}.get(rollout.observed.phase)


def _labels(rollout: Rollout) -> dict[str, str]:
    return {"model": rollout.model, "rollout": rollout.rollout_id}
