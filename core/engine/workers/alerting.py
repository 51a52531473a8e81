"""Evaluate the rule files over the recorded series, and keep their alerts."""

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.errors import CoreError
from core.promql.budget import EvaluationLimits, EvaluationStoppedError

if TYPE_CHECKING:
    from core.alerts.anomaly.scoring import AnomalyScoring
    from core.alerts.evaluation.evaluation import RuleEvaluation
    from core.alerts.evaluation.source import RecordedSource
    from core.settings import Settings

RULE = "rules_unusable"
DWELL = timedelta(minutes=1)
"""How long a file or a rule must be unusable before it is an alert: an editor may save a half of a file first."""

log = logging.getLogger(__name__)


class RuleEvaluator(Worker):
    """Evaluates each group of rules at its interval, and alerts on files and rules that cannot be used."""

    name: ClassVar[str] = "alerting"

    def __init__(self, context: EngineContext) -> None:
        """Prepare; nothing is read yet."""
        self.wake = threading.Event()
        self._context = context
        self._evaluation: RuleEvaluation | None = None
        self._source: RecordedSource | None = None
        self._anomalies: AnomalyScoring | None = None
        self._told: dict[str, str] | None = None  # None: an earlier engine may have told of some
        self._since: dict[str, datetime] = {}  # by file: when it was first found unusable
        self._stopping = threading.Event()
        self._limits = EvaluationLimits(stop=self._stopping)

    @override
    def step(self) -> float | None:
        try:
            return self._evaluate()
        except EvaluationStoppedError:
            log.info("the evaluation of the rules was given up: the engine stops")
            return None

    @override
    def stop(self) -> None:
        self._stopping.set()

    def _evaluate(self) -> float:
        settings = self._context.current.read()
        if self._evaluation is None:
            from core.alerts.evaluation.evaluation import RuleEvaluation
            from core.alerts.evaluation.source import RecordedSource

            workspace, clock = self._context.workspace, self._context.clock
            self._source = RecordedSource(workspace, clock)
            self._evaluation = RuleEvaluation(
                workspace, self._source, clock, settings.telemetry.metrics.days, self._limits
            )
        self._score(settings)
        seconds = self._evaluation.step(settings.alerts)
        due_in = self._tell({**self._evaluation.failing, **self._evaluation.problems})
        return seconds if due_in is None else min(seconds, due_in)

    @override
    def end(self, *, after_failure: bool) -> None:
        if self._evaluation is not None:
            self._evaluation.close()
        if self._source is not None:
            self._source.close()
        if self._anomalies is not None:
            self._anomalies.close()
        self._evaluation = self._source = self._anomalies = None

    def _score(self, settings: "Settings") -> None:
        """Record how unusual the models are, before the rules look; a fault of it leaves the other rules alone."""
        if self._anomalies is None:
            if not settings.alerts.anomaly:
                return
            # Imported here: whoever has no such rule never pays for it.
            from core.alerts.anomaly.scoring import AnomalyScoring

            assert self._source is not None
            context = self._context
            days = settings.telemetry.metrics.days
            self._anomalies = AnomalyScoring(context.workspace, self._source, context.clock, days, self._limits)
        try:
            self._anomalies.step(settings.alerts)
        except EvaluationStoppedError:
            raise
        except CoreError as error:
            log.warning("the models could not be scored: %s", error)

    def _tell(self, problems: dict[str, str]) -> float | None:
        """Fire the alert of each file that cannot be used, or of which a rule fails, and clear those of the others.

        Returns:
            The seconds after which the next is an alert; None if none waits.
        """
        alerts, now = self._context.alerts, self._context.clock()
        for file in problems.keys() - self._since.keys():
            log.warning("the rules of %s cannot all be used: %s", file, problems[file])
        self._since = {file: self._since.get(file, now) for file in problems}
        if self._told is None:  # of an alert that is open already, the wait is over
            known = {alert.labels.get("file") for alert in alerts.open() if alert.rule == RULE}
            self._since |= {file: now - DWELL for file in problems if file in known}
        waiting = [since + DWELL - now for since in self._since.values() if since + DWELL > now]
        due = {file: problem for file, problem in problems.items() if self._since[file] + DWELL <= now}
        if due != self._told:
            for file, problem in due.items():
                told = problem.replace(f"{self._context.workspace.root}/", "")
                alerts.fire(RULE, labels={"file": file}, summary=f"Rules unusable: {told}", now=now)
            for alert in alerts.open():
                if alert.rule == RULE and alert.labels.get("file") not in problems:
                    alerts.clear(RULE, labels=alert.labels, now=now, reason="its rules can be used again")
            self._told = due
        return min(waiting).total_seconds() if waiting else None
