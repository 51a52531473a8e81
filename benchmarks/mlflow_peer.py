"""MLflow with a SQLite store: reads one request per line, and answers each with its duration in milliseconds.

    python benchmarks/mlflow_peer.py FOLDER

The benchmarks start it in the environment with MLflow.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric

EXPERIMENT = "bench"


class Peer:
    """Each method handles one kind of request."""

    def __init__(self, folder: Path) -> None:
        store = f"sqlite:///{folder / 'mlflow.db'}"
        self._client = MlflowClient(store, store)
        self._experiment = self._client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
        self._source = (folder / "artifacts").as_uri()
        # Separate runs, so that the metrics of one benchmark do not slow another down.
        self._runs = {name: self._client.create_run(self._experiment).info.run_id for name in ("one", "wide", "long")}
        self._step = 0

    def version(self) -> str:
        return str(mlflow.__version__)

    def fill(self, models: list[str], n_versions: int) -> int:
        for model in models:
            self._client.create_registered_model(model)
        for number in range(n_versions):
            self._client.create_model_version(models[number % len(models)], self._source, self._runs["one"])
        return n_versions

    def promote(self, model: str, number: int) -> float:
        move = self._client.transition_model_version_stage
        return timed(lambda: move(model, str(number), "Production", archive_existing_versions=True))

    def alias(self, model: str, number: int) -> float:
        return timed(lambda: self._client.set_registered_model_alias(model, "champion", str(number)))

    def list_versions(self, n_versions: int) -> float:
        found: list[Any] = []
        took = timed(lambda: found.extend(self._client.search_model_versions(max_results=n_versions)))
        assert len(found) == n_versions, len(found)
        return took

    def log_metric(self) -> float:
        self._step += 1
        return timed(lambda: self._client.log_metric(self._runs["one"], "loss", 0.5, step=self._step))

    def log_names(self, n_metrics: int) -> float:
        """Log one step of many metrics."""
        self._step += 1
        batch = [Metric(f"m{number}", 0.5, 0, self._step) for number in range(n_metrics)]
        return timed(lambda: self._client.log_batch(self._runs["wide"], metrics=batch))

    def log_steps(self, n_metrics: int) -> float:
        """Log many steps of one metric, MLflow's fastest kind of batch."""
        first = self._step + 1
        self._step += n_metrics
        batch = [Metric("loss", 0.5, 0, step) for step in range(first, first + n_metrics)]
        return timed(lambda: self._client.log_batch(self._runs["long"], metrics=batch))


def timed(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    peer = Peer(Path(sys.argv[1]))
    for line in sys.stdin:
        verb, arguments = json.loads(line)
        print(json.dumps(getattr(peer, verb)(**arguments)), flush=True)


if __name__ == "__main__":
    main()
