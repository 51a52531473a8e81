"""Write docs/metrics.md, the page of every metric, from the catalogue: python -m tools.metrics_page."""

from collections.abc import Iterable
from pathlib import Path

from core.metrics.catalogue import CATALOGUE
from core.metrics.metric import CounterMetric, GaugeMetric, Group, HistogramMetric

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"

_OPENING = """\
# Metrics

`python -m tools.metrics_page` writes this page from `core/metrics/catalogue.py`. The same names stand on `/metrics` of
a server and of an engine, in the recorded series that alert rules look at ([alerting](alerting.md)), and in the
dashboards of `deploy/grafana/`.

- **Names**: the unit is in the name: `_seconds`, `_bytes`, `_ratio` (0 to 1), `_days`; counters end in `_total`, and a
  histogram has the series `_bucket`, `_count` and `_sum`, whose buckets have the label `le`.
- **Labels**: a Prometheus adds `job` and `instance`. The engine and the servers add them to the series that they
  record: `job="bondx-engine"` or `"bondx-server"`, and the name of the machine, for a server with its port.
- **Provider**: a server answers with every metric. An engine answers with those of the engine and of the workspace, and
  records them every `alerts.evaluation_interval_seconds` into `telemetry/metrics.db`; a server records those that it
  alone provides, marked *server*.
- **Bounds**: a session that is at rest has no series any more, but is counted in `bondx_sessions`. There are series of
  20 sessions with 100 models and 100 failed gates each, of the newest rollout of each model, of 500 models with 100
  columns of each live version, and of 500 open alerts.

`process_…`, `python_gc_…` and `python_info` are the process that answers: memory, CPU time, open files, its garbage
collection and its Python.
"""

_ABOUT = dict.fromkeys(Group, "") | {
    Group.MONITORING: "Live versions, as the engine found them at its last look.\n\n",
    Group.ROLLOUTS: "The newest rollout of each model.\n\n",
    Group.SESSIONS: "The sessions that are not at rest, the newest first, at most 20.\n\n",
}


def page() -> str:
    """Return the page: a table for each group."""
    return "\n".join((_OPENING, *(_section(group) for group in Group)))


def _section(group: Group) -> str:
    table = _table(each for each in CATALOGUE if each.group is group)
    return f"## {group}\n\n{_ABOUT[group]}{table}\n"


def _table(specs: Iterable[GaugeMetric | CounterMetric | HistogramMetric]) -> str:
    rows = []
    for spec in specs:
        labels = ", ".join(f"`{label}`" for label in spec.labels) or "–"
        cells = (f"`{spec.shown_name}`", spec.kind, spec.unit or "–", labels, spec.group.provider, spec.meaning)
        rows.append(f"| {' | '.join(cells)} |")
    header = ("| Metric | Kind | Unit | Labels | Provider | Meaning |", "| --- | --- | --- | --- | --- | --- |")
    return "\n".join((*header, *rows))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
