"""The metrics of training: what each session that is not at rest has reached, and what could end it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.metrics import catalogue
from core.quality.gate import GateVerdict
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.training.criterion import Criterion
    from core.training.session import Session

MOST_SESSIONS = 20
"""Sessions that have series, and models and failed gates of each that have: a workspace names what it likes."""
MOST_NAMES = 100
_ATTAINMENT = ".attainment"
_CONVERGING = ("improvement", "patience", "quality")


class SessionMetrics(Collector):
    """The newest sessions that are not at rest; their newest values stand in their documents."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Collect the metrics."""
        sessions = self._snapshot().sessions  # the newest first
        phases = catalogue.SESSIONS.family()
        for phase, n in sorted(Counter(str(session.observed.phase) for session in sessions).items()):
            phases.add_metric((phase,), n)
        at_work = [session for session in sessions if not session.observed.phase.is_at_rest]
        families = _Families()
        for session in at_work[:MOST_SESSIONS]:
            families.add(session)
        yield phases
        yield catalogue.SESSIONS_LEFT_OUT.family(max(0, len(at_work) - MOST_SESSIONS))
        yield from families.all()


class _Families:
    def __init__(self) -> None:
        self.phase = catalogue.SESSION_PHASE.family()
        self.epoch = catalogue.SESSION_EPOCH.family()
        self.epoch_limit = catalogue.SESSION_EPOCH_LIMIT.family()
        self.epoch_seconds = catalogue.SESSION_EPOCH_SECONDS.family()
        self.trained = catalogue.SESSION_TRAINED.family()
        self.eta = catalogue.SESSION_ETA.family()
        self.progress_at = catalogue.SESSION_PROGRESS_AT.family()
        self.skipped = catalogue.SESSION_SKIPPED.family()
        self.failed = catalogue.SESSION_FAILED.family()
        self.score = catalogue.SESSION_SCORE.family()
        self.best_score = catalogue.SESSION_BEST_SCORE.family()
        self.best_epoch = catalogue.SESSION_BEST_EPOCH.family()
        self.attainment = catalogue.SESSION_ATTAINMENT.family()
        self.quality = catalogue.SESSION_QUALITY.family()
        self.gates = catalogue.SESSION_GATES.family()
        self.gate_failed = catalogue.SESSION_GATE_FAILED.family()
        self.value = catalogue.CRITERION_VALUE.family()
        self.limit = catalogue.CRITERION_LIMIT.family()
        self.met = catalogue.CRITERION_MET.family()
        self.criterion_epoch = catalogue.CRITERION_EPOCH.family()
        self.end_epoch = catalogue.SESSION_END_EPOCH.family()
        self.ends_first = catalogue.SESSION_ENDS_FIRST.family()

    def all(self) -> Iterable[Metric]:
        return vars(self).values()

    def add(self, session: "Session") -> None:
        observed, name = session.observed, session.session_id
        self.phase.add_metric((name, str(observed.phase)), 1.0)
        self.trained.add_metric((name,), observed.trained_seconds)
        self.skipped.add_metric((name,), observed.n_rejected_epochs)
        self.failed.add_metric((name,), observed.n_failed_epochs)
        progress_at = observed.last_progress_at
        for family, value in (
            (self.epoch, observed.epoch),
            (self.epoch_limit, observed.n_epochs or None),
            (self.epoch_seconds, observed.epoch_seconds),
            (self.eta, observed.eta_seconds),
            (self.progress_at, progress_at.timestamp() if progress_at else None),
            (self.score, observed.score),
            (self.best_score, observed.best_score),
            (self.best_epoch, observed.best_epoch),
            (self.quality, observed.quality_score),
        ):
            _add(family, name, value)
        self._add_models(session)
        self._add_gates(session)
        self._add_criteria(session)

    def _add_models(self, session: "Session") -> None:
        found = [(key, value) for key, value in session.observed.metrics.items() if key.endswith(_ATTAINMENT)]
        for key, value in found[:MOST_NAMES]:
            self.attainment.add_metric((session.session_id, key.removesuffix(_ATTAINMENT)), value)

    def _add_gates(self, session: "Session") -> None:
        gates = session.observed.gates
        for result, n in sorted(Counter(str(gate.verdict) for gate in gates).items()):
            self.gates.add_metric((session.session_id, result), n)
        for gate in [gate for gate in gates if gate.verdict is GateVerdict.FAIL][:MOST_NAMES]:
            self.gate_failed.add_metric((session.session_id, gate.name), 1.0)

    def _add_criteria(self, session: "Session") -> None:
        name = session.session_id
        for criterion in session.observed.criteria:
            labels = (name, criterion.name)
            if criterion.value is not None:
                self.value.add_metric(labels, criterion.value)
            self.limit.add_metric(labels, criterion.limit)
            self.met.add_metric(labels, float(criterion.is_met))
            self.criterion_epoch.add_metric(labels, criterion.at_epoch)
        ends = end_epochs(session.observed.criteria, session.observed.n_epochs)
        for reason, epoch in ends.items():
            self.end_epoch.add_metric((name, reason), epoch)
        if ends:
            self.ends_first.add_metric((name, min(ends, key=ends.__getitem__)), 1.0)


def end_epochs(criteria: "Iterable[Criterion]", n_epochs: int) -> Mapping[str, int]:
    """Return the earliest epoch at which each reason could end a session, the reasons in the order they are judged.

    Args:
        criteria: Where the criteria stand.
        n_epochs: The epoch limit; 0 while it is not known.
    """
    at = {criterion.name: criterion.at_epoch for criterion in criteria}
    ends: dict[str, int] = {}
    if all(name in at for name in _CONVERGING):
        ends["converged"] = max(at[name] for name in _CONVERGING)
    if "plateau" in at:
        ends["plateau"] = at["plateau"]
    if n_epochs:
        ends["epoch_limit"] = n_epochs
    return ends


def _add(family: GaugeMetricFamily, session: str, value: float | None) -> None:
    if value is not None:
        family.add_metric((session,), value)
