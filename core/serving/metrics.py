"""The metrics of a server in the Prometheus text format; collected only on request."""

from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, PlatformCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from core.alerts import AlertState
from core.escape import is_shown_as_is, spelled_out
from core.serving.counts import Counts, LoadedFacts, SharedCounts, TableFacts
from core.serving.process_metrics import ProcessMetrics
from core.serving.recording import PredictionRecorder
from core.serving.rollout_metrics import RolloutMetrics
from core.serving.stats import BOUNDS_SECONDS, MOST_UNLOADED, VersionStats
from core.serving.table import ServingTable
from core.view.snapshot import Snapshot

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_EDGES = [*(repr(bound) for bound in BOUNDS_SECONDS), "+Inf"]
_MODEL = ("model", "version")


class ServingMetrics:
    """The metrics of one server."""

    def __init__(
        self,
        own: Callable[[], Counts],
        recorder: PredictionRecorder,
        snapshot: Callable[[], Snapshot],
        shared: SharedCounts | None = None,
    ) -> None:
        """Prepare.

        Args:
            own: Returns the counters of this process.
            recorder: Records predictions.
            snapshot: Returns the workspace.
            shared: The counters of all processes of this server, if there are several.
        """
        self._registry = CollectorRegistry()
        PlatformCollector(registry=self._registry)
        self._registry.register(_Counted(own, shared))
        self._registry.register(_Stored(recorder))
        self._registry.register(_Workspace(snapshot))
        self._registry.register(RolloutMetrics(snapshot))

    def text(self) -> bytes:
        """Render all metrics, each name without characters that a terminal would obey: people read this with curl."""
        return _spelled_out(generate_latest(self._registry).decode()).encode()


def _spelled_out(text: str) -> str:
    """Spell characters that a terminal would obey or hide as an escape; a backslash in a label's value is doubled.

    >>> print(_spelled_out('rows{field="a\\x1b]52;c;x\\x07"} 1'))
    rows{field="a\\\\x1b]52;c;x\\\\x07"} 1
    """
    if is_shown_as_is(text, keep="\n"):
        return text
    return "\n".join(
        "".join(each if is_shown_as_is(each) else spelled_out(each).replace("\\", "\\\\") for each in line)
        for line in text.split("\n")
    )


class _Counted(Collector):
    """The counters and the state of all processes, from one reading of them."""

    def __init__(self, own: Callable[[], Counts], shared: SharedCounts | None) -> None:
        self._own = own
        self._shared = shared
        self._process = ProcessMetrics()

    def collect(self) -> Iterable[Metric]:
        counts = self._own()
        if self._shared is not None:
            counts = self._shared.total(counts)
        yield from self._process.families(counts.process)
        yield from _answers(counts)
        yield from _recording(counts)
        yield from _versions(counts.table or TableFacts())


def _answers(counts: Counts) -> Iterable[Metric]:
    seconds = HistogramMetricFamily(
        "bondx_predict_seconds", "Time to answer a predict request, from its first byte read.", labels=_MODEL
    )
    rows = CounterMetricFamily("bondx_predict_rows", "Rows answered.", labels=_MODEL)
    errors = CounterMetricFamily("bondx_predict_failures", "Requests on which the model failed.", labels=_MODEL)
    copies = CounterMetricFamily(
        "bondx_predict_shadow", "Copies of requests that the version answered for no caller.", labels=_MODEL
    )
    dropped = CounterMetricFamily(
        "bondx_predict_shadow_dropped", "Copies of requests dropped under load.", labels=_MODEL
    )
    unfamiliar = CounterMetricFamily(
        "bondx_predict_unfamiliar_values",
        "Values outside the training data of the model.",
        labels=(*_MODEL, "field"),
    )
    for model, version, stats in counts.versions:
        labels = (model, version)
        buckets = [(edge, float(n)) for edge, n in zip(_EDGES, accumulate(stats.buckets), strict=True)]
        seconds.add_metric(labels, buckets, stats.seconds)
        rows.add_metric(labels, stats.n_rows)
        errors.add_metric(labels, stats.n_errors)
        copies.add_metric(labels, stats.n_shadow)
        dropped.add_metric(labels, stats.n_copies_dropped)
        for name, n in list(stats.unfamiliar.items()):
            unfamiliar.add_metric((*labels, name), n)
    earlier = CounterMetricFamily(
        "bondx_predict_earlier",
        f"Counts of a model's versions before its newest {MOST_UNLOADED} unloaded ones, which have no series any more.",
        labels=("model", "counter"),
    )
    for model, joined in counts.earlier.items():
        for name, value in _sums(joined.counted):
            earlier.add_metric((model, name), value)
    refused = CounterMetricFamily(
        "bondx_predict_refused", "Requests answered with an error.", labels=("dialect", "status")
    )
    for dialect, status, n in counts.refused:
        refused.add_metric((dialect, str(status)), n)
    evicted = CounterMetricFamily(
        "bondx_version_evictions", "Versions unloaded because of the memory limit.", value=counts.n_evicted
    )
    return seconds, rows, errors, copies, dropped, unfamiliar, earlier, refused, evicted


def _sums(stats: VersionStats) -> Iterable[tuple[str, float]]:
    """Name the counters of `_answers` without their labels."""
    return (
        ("requests", stats.n_requests),
        ("seconds", stats.seconds),
        ("rows", stats.n_rows),
        ("failures", stats.n_errors),
        ("shadow", stats.n_shadow),
        ("shadow_dropped", stats.n_copies_dropped),
        ("unfamiliar_values", sum(stats.unfamiliar.values())),
    )


def _recording(counts: Counts) -> Iterable[Metric]:
    health = counts.health
    yield CounterMetricFamily(
        "bondx_telemetry_dropped",
        "Answered predictions and outcomes that could not be recorded.",
        value=health.n_dropped,
    )
    yield CounterMetricFamily("bondx_telemetry_stored", "Predictions and outcomes recorded.", value=health.n_stored)
    yield GaugeMetricFamily(
        "bondx_telemetry_waiting", "Predictions and outcomes waiting to be recorded.", value=health.n_waiting
    )
    yield GaugeMetricFamily("bondx_telemetry_up", "1 while recording works.", value=float(health.failure is None))
    outcomes = CounterMetricFamily(
        "bondx_outcomes",
        "Outcomes by what became of them: unmatched ones came before their prediction and may be matched later; "
        "refused ones say nothing about it.",
        labels=("state",),
    )
    refused = health.n_refused + counts.n_outcomes_refused
    for state, n in (("matched", health.n_matched), ("unmatched", health.n_unmatched), ("refused", refused)):
        outcomes.add_metric((state,), n)
    yield outcomes


class _Stored(Collector):
    def __init__(self, recorder: PredictionRecorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterable[Metric]:
        usage = self._recorder.usage()
        if usage is None:
            return
        yield GaugeMetricFamily(
            "bondx_outcomes_waiting", "Stored outcomes that wait for their prediction.", value=usage.n_unmatched
        )
        rows = GaugeMetricFamily(
            "bondx_predictions_stored_rows",
            "Stored predictions of each model with a retention of its own, and of all others.",
            labels=("model",),
        )
        sizes = GaugeMetricFamily("bondx_predictions_stored_bytes", "What they take on the disk.", labels=("model",))
        for model in usage.models:
            rows.add_metric((model.model,), model.n_rows)
            sizes.add_metric((model.model,), model.n_rows * usage.bytes_per_row)
        yield from (rows, sizes)


def table_facts(table: ServingTable) -> TableFacts:
    """Say what this process has loaded, or cannot load."""
    loaded = [
        LoadedFacts(
            served.model,
            number,
            str(served.registered.get(number, "")),
            version.load_seconds,
            version.loaded_at.timestamp(),
            version.n_bytes,
        )
        for served in table.models.values()
        for number, version in served.versions.items()
    ]
    failed = [
        (served.model, number)
        for served in table.models.values()
        if not served.is_kept_as_files
        for number in served.failures
    ]
    ready = {served.model: served.trouble is None for served in table.expected()}
    return TableFacts(table.is_ready, ready, loaded, failed)


def _versions(table: TableFacts) -> Iterable[Metric]:
    yield GaugeMetricFamily("bondx_ready", "1 while the server can answer.", value=float(table.is_ready))
    ready = GaugeMetricFamily("bondx_model_ready", "1 while the live version is ready.", labels=("model",))
    for model, is_ready in table.models_ready.items():
        ready.add_metric((model,), float(is_ready))
    yield ready
    info = GaugeMetricFamily("bondx_version_loaded", "1 for each loaded version.", labels=(*_MODEL, "stage"))
    loading = GaugeMetricFamily(
        "bondx_version_load_seconds", "Time to check, load and warm the version.", labels=_MODEL
    )
    since = GaugeMetricFamily(
        "bondx_version_loaded_at_seconds", "When the version was loaded, Unix time.", labels=_MODEL
    )
    sizes = GaugeMetricFamily(
        "bondx_version_memory_bytes", "Memory that the processes took to load the version.", labels=_MODEL
    )
    for facts in table.loaded:
        labels = (facts.model, facts.version)
        info.add_metric((*labels, facts.stage), 1.0)
        loading.add_metric(labels, facts.load_seconds)
        sizes.add_metric(labels, facts.n_bytes)
        since.add_metric(labels, facts.loaded_at)
    failed = GaugeMetricFamily("bondx_version_load_failed", "1 for each version that cannot be loaded.", labels=_MODEL)
    for labels in table.failed:
        failed.add_metric(labels, 1.0)
    yield from (info, loading, since, sizes, failed)


class _Workspace(Collector):
    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        snapshot = self._snapshot()
        is_up = snapshot.engine is not None and snapshot.engine.silent_since is None
        yield GaugeMetricFamily(
            "bondx_engine_up", "1 while an engine is running, 0 also while it is silent.", value=float(is_up)
        )
        alerts = GaugeMetricFamily("bondx_alerts", "Open alerts.", labels=("rule", "model", "severity", "state"))
        counts: dict[tuple[str, str, str, str], int] = {}
        for alert in snapshot.alerts:
            if alert.state in (AlertState.FIRING, AlertState.ACKNOWLEDGED):
                key = (alert.rule, alert.labels.get("model", ""), str(alert.severity), str(alert.state))
                counts[key] = counts.get(key, 0) + 1
        for key, n in sorted(counts.items()):
            alerts.add_metric(key, n)
        yield alerts
        sessions = GaugeMetricFamily("bondx_session_epoch", "Epoch of each active session.", labels=("session",))
        scores = GaugeMetricFamily("bondx_session_score", "Score of each active session.", labels=("session",))
        for session in snapshot.sessions:
            if session.observed.phase.is_at_rest:
                continue
            sessions.add_metric((session.session_id,), session.observed.epoch)
            if session.observed.score is not None:
                scores.add_metric((session.session_id,), session.observed.score)
        yield from (sessions, scores)
        yield GaugeMetricFamily(
            "bondx_workspace_writable",
            "0 while nothing can be recorded: the disk is full, or refuses writes.",
            value=float(not snapshot.unwritable),
        )
        yield GaugeMetricFamily("bondx_state_problems", "Files that cannot be read.", value=len(snapshot.problems))
