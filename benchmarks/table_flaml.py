"""FLAML as a peer of bench_tables.py, in an environment of its own; run by that environment's Python.

    .venv-flaml/bin/python benchmarks/table_flaml.py FOLDER

The folder has `learn.csv`, `test.csv` and `task.json`; the answers are written to `answers.npy`. FLAML searches for the
seconds that our model took from its first to its last line, and by the loss that judges it. Its imports, and its last
fit to all rows, do not count.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from table_peers import prepared


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    target, classes, without = task["target"], task["classes"], [task["time"]] if task["time"] else []
    learn, test = (pd.read_csv(folder / f"{name}.csv", low_memory=False) for name in ("learn", "test"))
    names = learn[target].astype(str) if classes else learn[target]
    wanted = names.to_numpy(str if classes else float)
    features, asked = prepared(learn.drop(columns=[target, *without]), test.drop(columns=[target, *without]))
    model = searched(features, wanted, task)
    if classes:
        found = model.predict_proba(asked)
        answers = np.full((len(asked), len(classes)), 1e-15)
        answers[:, [classes.index(str(name)) for name in model.classes_]] = found
    else:
        answers = np.asarray(model.predict(asked), dtype=np.float64)
    np.save(folder / "answers.npy", answers)


def searched(features: pd.DataFrame, wanted: "np.ndarray[Any, Any]", task: dict[str, Any]) -> Any:
    """Search for the best model for as long as the task says."""
    from flaml import AutoML

    model = AutoML()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            features,
            wanted,
            task="classification" if task["classes"] else "regression",
            metric="log_loss" if task["classes"] else "mse",
            time_budget=task["seconds"],
            split_type="time" if task["time"] else "auto",
            n_jobs=int(os.environ.get("OMP_NUM_THREADS", "-1")),
            seed=1,
            verbose=0,
        )
    if model.model is None:
        raise SystemExit("FLAML found no model in this time")
    return model


if __name__ == "__main__":
    main()
