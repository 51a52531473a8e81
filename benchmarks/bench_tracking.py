"""What it costs to log a metric, and to find a run among a thousand.

    python benchmarks/bench_tracking.py [--metrics 1000] [--runs 1000] [--folder DIR]

Prints one JSON object. MLflow with SQLite is measured beside it where installed, in the same run.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from core.actor import Actor, Origin
from core.state import Workspace
from core.tracking import Runs, RunStatus, track
from core.tracking.search import parse

OPERATOR = Actor("bench", "localhost", Origin.API)
EXPRESSION = "metrics.mae < 0.2 and params.model = 'spread' and tags.desk like 'cr%'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", type=int, default=1000, help="metrics to log in one go")
    parser.add_argument("--runs", type=int, default=1000, help="runs to search")
    parser.add_argument("--folder", type=Path, help="where to work; the file system decides what an fsync costs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        place = Path(folder)
        answer = measure_logging(place, arguments.metrics) | measure_search(place, arguments.runs)
        print(json.dumps(answer | mlflow_beside_it(place, arguments.metrics), indent=2))


def measure_logging(folder: Path, n_metrics: int) -> dict[str, object]:
    workspace = Workspace.create(folder / "logging", settings_text="{}\n")
    calls = []
    began = time.perf_counter()
    with track(workspace, "bench", actor=OPERATOR) as run:
        started = time.perf_counter()
        for index in range(10 * n_metrics):
            begin = time.perf_counter()
            run.log_metric("loss", 1 / (index + 1))
            calls.append((time.perf_counter() - begin) * 1e6)
    runs = Runs(workspace)
    durable = []
    with runs:
        run_id = runs.start(name="durable", actor=OPERATOR).run_id
        runs.log_metrics(run_id, 0, {"loss": 0.0})
        for round_ in range(10):
            begin = time.perf_counter()
            for index in range(n_metrics):
                runs.log_metrics(run_id, round_ * n_metrics + index, {"loss": 0.5})
            runs._telemetry().flush()
            durable.append((time.perf_counter() - begin) * 1e3)
    calls.sort()
    return {
        "start_run_ms": round((started - began) * 1e3, 1),
        "log_metric_us": {
            "n": len(calls),
            "p50": round(statistics.median(calls), 2),
            "p99": round(calls[int(0.99 * len(calls))], 2),
            "mean": round(statistics.mean(calls), 2),
        },
        f"log_{n_metrics}_durable_ms": round(statistics.median(durable), 1),
    }


def measure_search(folder: Path, n_runs: int) -> dict[str, object]:
    workspace = Workspace.create(folder / "search", settings_text="{}\n")
    runs = Runs(workspace)
    first = runs.finish(runs.start(name="run", actor=OPERATOR).run_id, RunStatus.FINISHED, actor=OPERATOR)
    database = workspace.database("runs")
    documents = database.documents("runs", type(first), "run_id")
    with database.transaction():  # a thousand starts would take a minute and say nothing of the search
        for number in range(2, n_runs + 1):
            documents.insert(
                msgspec.structs.replace(
                    first,
                    run_id=f"r-{number:04d}",
                    parameters={"model": "spread" if number % 2 else "anomaly", "trees": {"depth": number}},
                    metrics={"mae": number / n_runs},
                    tags={"desk": "credit"},
                )
            )
    found = len(runs.search(EXPRESSION))
    return {
        "n_runs": n_runs,
        "n_found": found,
        "search_ms": round(statistics.median(timed(lambda: runs.search(EXPRESSION)) for _ in range(20)), 2),
        "parse_us": round(statistics.median(timed(lambda: parse(EXPRESSION)) for _ in range(200)) * 1e3, 1),
    }


def mlflow_beside_it(folder: Path, n_metrics: int) -> dict[str, object]:
    try:
        import mlflow
        from mlflow.entities import Metric
    except ImportError:
        return {"mlflow": "not installed"}
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    single = timed(lambda: [client.log_metric(run_id, "loss", 0.5, step=step) for step in range(n_metrics)])
    batch = [Metric("other", 0.5, 0, step) for step in range(n_metrics)]
    return {
        "mlflow": mlflow.__version__,
        "mlflow_log_metric_us": round(single * 1e3 / n_metrics, 1),
        f"mlflow_log_{n_metrics}_batch_ms": round(timed(lambda: client.log_batch(run_id, metrics=batch)), 1),
    }


def timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


if __name__ == "__main__":
    main()
