"""Cost of logging a metric, and of finding a run among a thousand runs.

    python benchmarks/bench_tracking.py [--metrics 1000] [--rounds 20] [--runs 1000] [--peers PYTHON] [--folder DIR]

Prints one JSON object. MLflow with SQLite runs alternately with ours, in a separate process; `make interop` installs
it. Without it, only ours is measured.

`log_metric_us` is one call in a training script: ours returns when the value is queued, and commits it within a second;
MLflow's returns when the value is committed. The other figures include the commit on both sides: `one_by_one` is one
call per metric, `batch` one call with as many metrics of one step. MLflow is faster with a batch of many steps of one
metric (`mlflow_batch_of_steps`), so the ratio uses the faster of its two batches.

Our commit (WAL, synchronous = NORMAL) survives the process, but does not wait for the disk; MLflow's commit waits.
`--folder /dev/shm` excludes the disk for both.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from peers import MlflowPeer, add_peers_argument, mlflow_peer
from timing import quantiles, timed

from core.actor import Actor, Origin
from core.state import Workspace
from core.tracking import Runs, RunStatus, track
from core.tracking.search import parse

OPERATOR = Actor("bench", "localhost", Origin.API)
EXPRESSION = "metrics.mae < 0.2 and params.model = 'spread' and tags.desk like 'cr%'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", type=int, default=1000, help="metrics per batch")
    parser.add_argument("--rounds", type=int, default=20, help="number of rounds")
    parser.add_argument("--runs", type=int, default=1000, help="runs to search")
    parser.add_argument("--folder", type=Path, help="working folder; its file system determines the cost of an fsync")
    add_peers_argument(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        place = Path(folder)
        with mlflow_peer(arguments.peers, place) as mlflow:
            answer = measure_logging(place, arguments.metrics, arguments.rounds, mlflow)
        answer |= measure_search(place, arguments.runs)
        answer["load_average"] = [round(load, 1) for load in os.getloadavg()]
        print(json.dumps(answer, indent=2))


def measure_logging(folder: Path, n_metrics: int, n_rounds: int, mlflow: MlflowPeer | None) -> dict[str, object]:
    workspace = Workspace.create(folder / "logging", settings_text="{}\n")
    began = time.perf_counter()
    took: dict[str, list[float]] = defaultdict(list)
    with track(workspace, "bench", actor=OPERATOR) as run, Runs(workspace) as runs:
        started = time.perf_counter()
        run_id = runs.start(name="durable", actor=OPERATOR).run_id
        metrics = {f"m{number}": 0.5 for number in range(n_metrics)}

        def flushed(act: Callable[[], object]) -> float:
            return timed(lambda: (act(), runs._telemetry().flush()))

        def one_by_one(first_step: int) -> None:
            for step in range(first_step, first_step + n_metrics):
                runs.log_metrics(run_id, step, {"loss": 0.5})

        flushed(partial(runs.log_metrics, run_id, 0, metrics))  # both sides then know the names
        if mlflow:
            mlflow.ask("log_names", n_metrics=n_metrics)
        for round_ in range(1, n_rounds + 1):
            for _ in range(n_metrics):
                took["log_metric_us"].append(timed(lambda: run.log_metric("loss", 0.5)) * 1e3)
            took["one_by_one_ms"].append(flushed(partial(one_by_one, round_ * n_metrics)))
            took["batch_ms"].append(flushed(partial(runs.log_metrics, run_id, round_, metrics)))
            if mlflow:
                singly = [mlflow.ask("log_metric") for _ in range(max(1, n_metrics // n_rounds))]
                took["mlflow_log_metric_us"] += [took_ms * 1e3 for took_ms in singly]
                took["mlflow_one_by_one_ms"].append(statistics.mean(singly) * n_metrics)
                took["mlflow_batch_ms"].append(mlflow.ask("log_names", n_metrics=n_metrics))
                took["mlflow_batch_of_steps_ms"].append(mlflow.ask("log_steps", n_metrics=n_metrics))
    answer: dict[str, object] = {
        "n_metrics": n_metrics,
        "start_run_ms": round((started - began) * 1e3, 1),
        **{name: quantiles(durations) for name, durations in took.items()},
    }
    if not mlflow:
        return answer
    median = {name: statistics.median(durations) for name, durations in took.items()}
    best_batch = min(median["mlflow_batch_ms"], median["mlflow_batch_of_steps_ms"])
    return {
        **answer,
        "mlflow": mlflow.ask("version"),
        "mlflow_to_one_by_one": round(median["mlflow_one_by_one_ms"] / median["one_by_one_ms"], 1),
        "mlflow_to_batch": round(best_batch / median["batch_ms"], 1),
    }


def measure_search(folder: Path, n_runs: int) -> dict[str, object]:
    workspace = Workspace.create(folder / "search", settings_text="{}\n")
    runs = Runs(workspace)
    first = runs.finish(runs.start(name="run", actor=OPERATOR).run_id, RunStatus.FINISHED, actor=OPERATOR)
    database = workspace.database("runs")
    documents = database.documents("runs", type(first), "run_id")
    with database.transaction():  # a thousand starts would take a minute and are not part of the search
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


if __name__ == "__main__":
    main()
