"""The metrics of a server in the Prometheus text format; collected only on request."""

from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from core.explain.deny_list import NONE_DENIED, DenyList
from core.metrics import catalogue
from core.metrics.exposition import exposition
from core.metrics.process_metrics import ProcessMetrics
from core.metrics.span_metrics import span_family
from core.metrics.workspace_metrics import workspace_collectors
from core.serving.counts import Counts, LoadedFacts, SharedCounts, TableFacts
from core.serving.recording import PredictionRecorder
from core.serving.stats import BOUNDS_SECONDS, TextStats, VersionStats
from core.serving.table import ServingTable
from core.state import Workspace
from core.view.snapshot import Snapshot

_TEXT_SUMS = {
    "n_tokens": catalogue.TEXT_TOKENS,
    "n_weighed": catalogue.TEXT_WEIGHED_TOKENS,
    "nats": catalogue.TEXT_NATS,
    "n_prompts": catalogue.TEXT_PROMPTS,
    "n_prompt_tokens": catalogue.TEXT_PROMPT_TOKENS,
    "n_prompt_weighed": catalogue.TEXT_WEIGHED_PROMPT_TOKENS,
    "prompt_nats": catalogue.TEXT_PROMPT_NATS,
    "n_unweighed": catalogue.TEXT_UNMEASURED,
}
_EDGES = [*(repr(bound) for bound in BOUNDS_SECONDS), "+Inf"]


class ServingMetrics:
    """The metrics of one server."""

    def __init__(
        self,
        workspace: Workspace,
        own: Callable[[], Counts],
        recorder: PredictionRecorder,
        snapshot: Callable[[], Snapshot],
        shared: SharedCounts | None = None,
        denied: Callable[[], DenyList] = lambda: NONE_DENIED,
    ) -> None:
        """Prepare.

        Args:
            workspace: The workspace that is served.
            own: Returns the counters of this process.
            recorder: Records predictions.
            snapshot: Returns the workspace.
            shared: The counters of all processes of this server, if there are several.
            denied: Returns the columns that nothing is told of.
        """
        self._registry = CollectorRegistry()
        PlatformCollector(registry=self._registry)
        self._own: tuple[Collector, ...] = (_Counted(own, shared, denied), _Stored(recorder))
        for collector in (*self._own, *workspace_collectors(workspace, snapshot)):
            self._registry.register(collector)

    def counted(self) -> Iterable[Metric]:
        """Collect what this server alone knows; the engine records what the workspace says."""
        for collector in self._own:
            yield from collector.collect()

    def text(self) -> bytes:
        """Render all metrics, each name without characters that a terminal would obey: people read this with curl."""
        return exposition(self._registry)


class _Counted(Collector):
    """The counters and the state of all processes, from one reading of them."""

    def __init__(self, own: Callable[[], Counts], shared: SharedCounts | None, denied: Callable[[], DenyList]) -> None:
        self._own = own
        self._shared, self._denied = shared, denied
        self._process = ProcessMetrics()

    def collect(self) -> Iterable[Metric]:
        counts = self._own()
        if self._shared is not None:
            counts = self._shared.total(counts)
        yield from self._process.families(counts.process)
        yield from _answers(counts, self._denied())
        yield from _recording(counts)
        yield from _versions(counts.table or TableFacts())


def _answers(counts: Counts, denied: DenyList) -> Iterable[Metric]:
    seconds = catalogue.PREDICT_SECONDS.family()
    rows = catalogue.PREDICT_ROWS.family()
    errors = catalogue.PREDICT_FAILURES.family()
    copies = catalogue.PREDICT_SHADOW.family()
    dropped = catalogue.PREDICT_SHADOW_DROPPED.family()
    unfamiliar = catalogue.PREDICT_UNFAMILIAR.family()
    live, live_dropped = catalogue.LIVE_ROWS.family(), catalogue.LIVE_DROPPED.family()
    left_out = catalogue.LIVE_LEFT_OUT.family()
    unprofiled = catalogue.LIVE_UNPROFILED.family()
    explained, unexplained = catalogue.EXPLAINED.family(), catalogue.UNEXPLAINED.family()
    for model, version, stats in counts.versions:
        labels = (model, version)
        buckets = [(edge, float(n)) for edge, n in zip(_EDGES, accumulate(stats.buckets), strict=True)]
        seconds.add_metric(labels, buckets, stats.seconds)
        rows.add_metric(labels, stats.n_rows)
        errors.add_metric(labels, stats.n_errors)
        copies.add_metric(labels, stats.n_shadow)
        dropped.add_metric(labels, stats.n_copies_dropped)
        for name, n in denied.visible(dict(stats.unfamiliar)).items():  # counted before it was denied
            unfamiliar.add_metric((*labels, name), n)
        live.add_metric(labels, stats.n_live)
        left_out.add_metric(labels, stats.n_live_left_out)
        live_dropped.add_metric(labels, stats.n_live_dropped)
        unprofiled.add_metric(labels, stats.n_live_unprofiled)
        explained.add_metric(labels, stats.n_explained)
        unexplained.add_metric(labels, stats.n_unexplained)
    yield from _texts(counts)
    earlier = catalogue.PREDICT_EARLIER.family()
    for model, joined in counts.earlier.items():
        for name, value in _sums(joined.counted):
            earlier.add_metric((model, name), value)
    refused = catalogue.PREDICT_REFUSED.family()
    for dialect, status, n in counts.refused:
        refused.add_metric((dialect, str(status)), n)
    evicted = catalogue.VERSION_EVICTIONS.family(counts.n_evicted)
    yield from (seconds, rows, errors, copies, dropped, unfamiliar)
    yield from (live, left_out, live_dropped, unprofiled, explained, unexplained, earlier, refused, evicted)


def _texts(counts: Counts) -> Iterable[Metric]:
    documents, facts = catalogue.TEXT_DOCUMENTS.family(), catalogue.TEXT_FACTS.family()
    sums = {name: metric.family() for name, metric in _TEXT_SUMS.items()}
    for model, version, stats in counts.versions:
        if (texts := stats.texts) is None:
            continue
        labels = (model, version)
        for finish, n in sorted(texts.finished.items()):
            documents.add_metric((*labels, finish), n)
        for agree, n in (("yes", texts.n_agreeing), ("no", texts.n_contradicted)):
            facts.add_metric((*labels, agree), n)
        for name, family in sums.items():
            family.add_metric(labels, getattr(texts, name))
    yield from (documents, *sums.values(), facts)


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
        ("live_rows", stats.n_live),
        ("live_left_out_rows", stats.n_live_left_out),
        ("live_dropped_rows", stats.n_live_dropped),
        ("live_unprofiled_rows", stats.n_live_unprofiled),
        ("explained_rows", stats.n_explained),
        ("unexplained_rows", stats.n_unexplained),
        *_sums_of_texts(stats.texts or TextStats()),
    )


def _sums_of_texts(texts: TextStats) -> Iterable[tuple[str, float]]:
    yield "text_documents", sum(texts.finished.values())
    yield "text_facts", texts.n_agreeing + texts.n_contradicted
    yield from ((metric.name.removeprefix("bondx_"), getattr(texts, name)) for name, metric in _TEXT_SUMS.items())


def _recording(counts: Counts) -> Iterable[Metric]:
    health = counts.health
    yield catalogue.TELEMETRY_DROPPED.family(health.n_dropped)
    yield catalogue.TELEMETRY_STORED.family(health.n_stored)
    yield catalogue.TELEMETRY_WAITING.family(health.n_waiting)
    yield catalogue.TELEMETRY_UP.family(float(health.failure is None))
    yield catalogue.LIVE_UNSTORED.family(counts.live.n_dropped)
    yield catalogue.LIVE_UP.family(float(counts.live.failure is None))
    outcomes = catalogue.OUTCOMES.family()
    refused = health.n_refused + counts.n_outcomes_refused
    for state, n in (("matched", health.n_matched), ("unmatched", health.n_unmatched), ("refused", refused)):
        outcomes.add_metric((state,), n)
    yield outcomes
    yield span_family(counts.n_spans_sent, counts.n_spans_lost)


class _Stored(Collector):
    def __init__(self, recorder: PredictionRecorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterable[Metric]:
        usage = self._recorder.usage()
        if usage is None:
            return
        yield catalogue.OUTCOMES_WAITING.family(usage.n_unmatched)
        rows = catalogue.PREDICTIONS_STORED_ROWS.family()
        sizes = catalogue.PREDICTIONS_STORED_BYTES.family()
        for model in usage.models:
            rows.add_metric((model.model,), model.n_rows)
            sizes.add_metric((model.model,), model.n_rows * usage.bytes_per_row)
        yield from (rows, sizes)


def table_facts(table: ServingTable, *, is_listening: bool = True) -> TableFacts:
    """Say what this process has loaded, or cannot load.

    Args:
        table: What it has loaded.
        is_listening: Whether callers reach it on every port that it was asked to open.
    """
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
    return TableFacts(table.is_ready and is_listening, ready, loaded, failed)


def _versions(table: TableFacts) -> Iterable[Metric]:
    yield catalogue.READY.family(float(table.is_ready))
    ready = catalogue.MODEL_READY.family()
    for model, is_ready in table.models_ready.items():
        ready.add_metric((model,), float(is_ready))
    yield ready
    info = catalogue.VERSION_LOADED.family()
    loading = catalogue.VERSION_LOAD_SECONDS.family()
    since = catalogue.VERSION_LOADED_AT.family()
    sizes = catalogue.VERSION_MEMORY.family()
    for facts in table.loaded:
        labels = (facts.model, facts.version)
        info.add_metric((*labels, facts.stage), 1.0)
        loading.add_metric(labels, facts.load_seconds)
        sizes.add_metric(labels, facts.n_bytes)
        since.add_metric(labels, facts.loaded_at)
    failed = catalogue.VERSION_LOAD_FAILED.family()
    for labels in table.failed:
        failed.add_metric(labels, 1.0)
    yield from (info, loading, since, sizes, failed)
