"""Scoring the live models of a workspace once a minute; the scores are series on which ordinary rules fire."""

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from core.alerts.anomaly.baseline import DAY_MS, MINUTE_MS
from core.alerts.anomaly.detector import LEAST_DAYS, SMOOTHED_STEPS, AnomalyDetector, AnomalyJudgement
from core.alerts.anomaly.metric_vector import MODEL, MetricVectorReader, MetricVectors, watched_models
from core.alerts.anomaly.records import ANOMALY_TABLE, AnomalyRecord
from core.alerts.rule_files.anomaly_rules import DEVIATION, SCORE
from core.alerts.store import DATABASE
from core.clock import Clock
from core.promql import EvaluationLimits, PromqlError, SeriesSource
from core.settings import AlertSettings
from core.settings.alert_anomaly import AnomalySettings
from core.telemetry.metrics import MetricWriter

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from core.state import Documents, Workspace

JOB: Final = "bondx-anomaly"
MOST_MODELS: Final = 100
"""Models that one rule watches at most, the first by name."""
_AGAIN: Final = timedelta(hours=1)
"""When it is looked again whether there is enough history, or whether a history can be read that could not be."""

log = logging.getLogger(__name__)


class _Watched:
    """One model under one rule."""

    def __init__(self) -> None:
        self.detector: AnomalyDetector | None = None
        self.fitted_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether its history is to be learnt again: at the first minute of a day."""
        if self.fitted_at is None:
            return True
        if self.detector is None:
            return now - self.fitted_at >= _AGAIN
        return now.date() != self.fitted_at.date()


class _RuleRun:
    """One rule of the settings, as it is run."""

    def __init__(self, rule: AnomalySettings, limits: EvaluationLimits | None) -> None:
        self.rule, self.reader = rule, MetricVectorReader(rule, limits)
        self.watched: dict[str, _Watched] = {}


class AnomalyScoring:
    """Records `bondx_anomaly_score` and `bondx_anomaly_deviation`. The engine keeps one instance."""

    def __init__(
        self,
        workspace: "Workspace",
        source: SeriesSource,
        clock: Clock,
        retention_days: float = 15.0,
        limits: EvaluationLimits | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            workspace: The workspace.
            source: The recorded series.
            clock: The time.
            retention_days: How long scores are kept.
            limits: Of each evaluation; by default those of Prometheus.
        """
        self._workspace, self._source, self._clock, self._limits = workspace, source, clock, limits
        self._writer = MetricWriter(
            workspace.metrics_file,
            clock,
            job=JOB,
            instance="scores",
            adds_labels=False,
            retention_days=retention_days,
        )
        self._runs: dict[bytes, _RuleRun] = {}
        self._last_minute = -1
        self._has_recorded = True  # an earlier engine may have

    def step(self, settings: AlertSettings) -> None:
        """Score what is due, and learn the history of one model that is due: each takes seconds.

        Raises:
            TelemetryError: The store of series cannot be read or written now.
            StateError: What is known of the models cannot be written.
            EvaluationStoppedError: The process ends.
        """
        self._take(settings)
        now = self._clock()
        minute = round(now.timestamp() * 1000) // MINUTE_MS
        if minute != self._last_minute:
            self._last_minute = minute
            self._score(minute * MINUTE_MS)
        for run in self._runs.values():
            for model, watched in run.watched.items():
                if watched.is_due(now):
                    self._learn(run, model, watched, now)
                    return

    def close(self) -> None:
        """Close the stores."""
        self._writer.close()

    def _take(self, settings: AlertSettings) -> None:
        """Take changed settings; a rule that changed learns anew."""
        wanted = {msgspec.json.encode(rule): rule for rule in settings.anomaly}
        if wanted.keys() == self._runs.keys():
            return
        runs = {}
        for key, rule in wanted.items():
            try:
                runs[key] = self._runs.get(key) or _RuleRun(rule, self._limits)
            except PromqlError:  # the rule's line says so, and the alert rules_unusable
                log.warning("the metrics of %s cannot be evaluated", rule.name)
        self._runs = runs
        named = {rule.name for rule in settings.anomaly}
        with self._workspace.database(DATABASE).transaction():
            gone = [record.key for record in self._records.all() if record.rule not in named]
            if gone:
                self._records.remove_all(gone)

    def _score(self, at_ms: int) -> None:
        if not self._runs and not self._has_recorded:
            return
        judged: list[tuple[str, str, tuple[str, ...], AnomalyJudgement]] = []
        for run in self._runs.values():
            try:
                vectors = run.reader.read(self._source, at_ms - (SMOOTHED_STEPS - 1) * MINUTE_MS, at_ms)
            except PromqlError as error:
                log.warning("the metrics of %s could not be evaluated: %s", run.rule.name, error)
                continue
            for model in watched_models(run.rule, vectors)[:MOST_MODELS]:
                watched = run.watched.setdefault(model, _Watched())
                if watched.detector is not None:
                    judgement = watched.detector.judge(vectors[model].at_ms, vectors[model].values)
                    judged.append((run.rule.name, model, run.reader.names, judgement))
        self._writer.record(datetime.fromtimestamp(at_ms / 1000, UTC), _families(judged))
        self._has_recorded = bool(judged)

    def _learn(self, run: _RuleRun, model: str, watched: _Watched, now: datetime) -> None:
        end_ms = round(now.timestamp() * 1000)
        watched.fitted_at = now
        try:
            history = run.reader.history(self._source, model, end_ms - run.rule.history_days * DAY_MS, end_ms)
        except PromqlError as error:
            log.warning("the history of %s could not be evaluated for %s: %s", model, run.rule.name, error)
            return
        watched.detector = fitted(run.rule, history)
        n_days = len(history.at_ms) * MINUTE_MS / DAY_MS
        record = AnomalyRecord(
            key=f"{run.rule.name}:{model}",
            rule=run.rule.name,
            model=model,
            is_watched=watched.detector is not None,
            n_days=round(n_days, 2),
            fitted_at=now,
        )
        with self._workspace.database(DATABASE).transaction():
            before = self._records.find(record.key)
            if before is None:
                self._records.insert(record)
            else:
                self._records.replace(replace(record, revision=before.revision))
        if watched.detector is None:
            log.info("%s: %s has %.1f of %g days of history that it needs", run.rule.name, model, n_days, LEAST_DAYS)

    @property
    def _records(self) -> "Documents[AnomalyRecord]":
        return self._workspace.database(DATABASE).documents(ANOMALY_TABLE, AnomalyRecord, key="key")


def fitted(rule: AnomalySettings, history: MetricVectors) -> AnomalyDetector | None:
    """Learn a history as a rule asks; None if it is not enough."""
    return AnomalyDetector.fit(
        history.at_ms,
        history.values,
        for_steps=rule.for_minutes,
        keep_steps=rule.keep_firing_minutes,
        alarms_a_day=rule.false_alarms_a_day,
    )


def _families(judged: Iterable[tuple[str, str, tuple[str, ...], AnomalyJudgement]]) -> "list[Metric]":
    from prometheus_client.core import Metric

    family = Metric("anomaly", "", "unknown")
    for rule, model, names, judgement in judged:
        about: Mapping[str, str] = {"rule": rule, MODEL: model}
        family.add_sample(SCORE, dict(about), judgement.score)
        for name, deviation in zip(names, judgement.deviations.tolist(), strict=True):
            family.add_sample(DEVIATION, {**about, "metric": name}, deviation)
    return [family]
