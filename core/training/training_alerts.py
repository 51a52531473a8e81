"""When a session needs an operator's attention: the alert rules based on its epochs."""

from collections.abc import Sequence
from datetime import datetime

from core.alerts import Alerts, AlertSubject
from core.alerts.lifecycle import AT_ONCE, Dwell
from core.alerts.rules import conditions_of
from core.clock import Clock
from core.quality.gate import GateResult
from core.training.records import EpochRecord
from core.training.session import Session


class TrainingAlerts:
    """Fires and clears the alerts of sessions."""

    def __init__(self, alerts: Alerts, clock: Clock) -> None:
        self._alerts = alerts
        self._clock = clock

    def rests(self, session: Session) -> None:
        """Judge the last draw of a session that ends or waits: no later draw will end the dwell of its alerts."""
        if session.observed.quality_score is None:
            return  # no epoch has ended
        now, labels = self._clock(), {"session": session.session_id}
        quality = session.observed.quality_score
        self._alerts.observe("quality_low", labels=labels, value=quality, now=now, is_last=True)
        self._judge_gates(session.session_id, session.observed.epoch, session.observed.gates, AT_ONCE, now)

    def epoch_done(self, session: Session, record: EpochRecord) -> None:
        """Evaluate an epoch's score, quality and gates, and clear the failure of an earlier attempt."""
        now, labels = self._clock(), {"session": session.session_id}
        self._alerts.judge(AlertSubject.EPOCH, record, labels=labels, now=now)
        self._alerts.clear("epoch_failed", labels=labels, now=now, reason=f"epoch {record.epoch} is done")
        dwell = Dwell.of_seconds(
            self._alerts.limits.quality_for_seconds, self._alerts.limits.quality_keep_firing_seconds
        )
        self._judge_gates(session.session_id, record.epoch, record.gates, dwell, now)

    def compared(self, session: Session) -> None:
        """Clear the failure of an earlier attempt to compare the agents of a session."""
        labels = {"session": session.session_id}
        self._alerts.clear("epoch_failed", labels=labels, now=self._clock(), reason="its agents are compared")

    def epoch_failed(self, session: Session, error: Exception) -> None:
        """Report a failed attempt."""
        epoch = session.observed.epoch + 1
        self._fire("epoch_failed", f"{session.session_id}, epoch {epoch}: {error}", session=session.session_id)

    def checkpoint_damaged(self, session: Session, problem: str) -> None:
        """Report a damaged checkpoint."""
        self._fire("hash_mismatch", problem, session=session.session_id)

    def watch_progress(self, at_work: Sequence[Session]) -> None:
        """Measure how long each running session has completed no epoch; a session that is not running cannot stall."""
        now = self._clock()
        for session in at_work:
            since = session.observed.last_progress_at or session.created_at
            hours = (now - since).total_seconds() / 3600
            self._alerts.judge(AlertSubject.SESSION, hours, labels={"session": session.session_id}, now=now)
        of_session = {rule.name for rule in conditions_of(AlertSubject.SESSION)}
        busy = {session.session_id for session in at_work}
        for alert in self._alerts.open():
            if alert.rule in of_session and alert.labels["session"] not in busy:
                self._alerts.clear(alert.rule, labels=alert.labels, now=now, reason="it is not running")

    def thread_failed(self, name: str, error: BaseException) -> None:
        """Report that a thread of the engine failed; it restarts automatically."""
        self._fire("engine_trouble", f"the {name} failed: {type(error).__name__}: {error}", thread=name)

    def thread_recovered(self, name: str) -> None:
        """Resolve what `thread_failed` reported: the thread works again."""
        self._alerts.clear("engine_trouble", labels={"thread": name}, now=self._clock(), reason="it works again")

    def _judge_gates(
        self, session_id: str, epoch: int, gates: Sequence[GateResult], dwell: Dwell, now: datetime
    ) -> None:
        for gate in gates:
            labels = {"session": session_id, "gate": gate.name}
            if gate.blocks:
                self._alerts.fire(
                    "gate_failed",
                    labels=labels,
                    summary=f"{session_id}, epoch {epoch}: {gate.name} {gate.reason}; epoch skipped",
                    now=now,
                    value=gate.value,
                    threshold=gate.threshold,
                    dwell=dwell,
                )
            else:
                reason = f"it passes in epoch {epoch}"
                self._alerts.clear("gate_failed", labels=labels, now=now, reason=reason, dwell=dwell)

    def _fire(self, rule: str, summary: str, **labels: str) -> None:
        self._alerts.fire(rule, labels=labels, summary=summary, now=self._clock())
