"""A Dask cluster as facts and rows."""

from typing import TYPE_CHECKING

from console.presentation.phrases import counted, size
from widgets.line import Line, fit, n_cells

if TYPE_CHECKING:
    from core.executors.standing import ClusterStanding, WorkerStanding

COLUMNS = ("worker", "memory", "limit", "cpu", "running", "waiting", "results", "address")


def cluster_facts(standing: "ClusterStanding") -> dict[str, str]:
    """Return the totals of a cluster, in words."""
    return {
        "scheduler": standing.address,
        "workers": f"{len(standing.workers)}, {counted(standing.n_threads, 'task')} at a time",
        "memory": size(standing.memory_bytes),
        "tasks": f"{standing.n_running} running, {standing.n_waiting} waiting",
    }


def cluster_lines(standing: "ClusterStanding") -> list[Line]:
    """Write a cluster out: the totals, then a line for each worker."""
    lines = [Line(((f"{name:<11}", "muted"), (value, "strong"))) for name, value in cluster_facts(standing).items()]
    if not standing.workers:
        return [*lines, Line((("No worker is there: nothing can be computed.", "warn"),))]
    rows = [COLUMNS, *(tuple(worker_row(worker).values()) for worker in standing.workers)]
    widths = [max(map(n_cells, column)) for column in zip(*rows, strict=True)]
    head, *table = (
        "  ".join(fit(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
    return [*lines, Line(()), Line(((head, "muted"),)), *(Line(((text, ""),)) for text in table)]


def worker_row(worker: "WorkerStanding") -> dict[str, str]:
    """Return a worker as a row under `COLUMNS`."""
    limit = worker.memory_limit_bytes
    return {
        "worker": worker.name,
        "memory": size(worker.memory_bytes),
        "limit": "none" if limit is None else size(limit),
        "cpu": f"{worker.cpu_share:.0%}",
        "running": str(worker.n_running),
        "waiting": str(worker.n_waiting),
        "results": str(worker.n_results),
        "address": worker.address,
    }
