"""Compare estimates of performance without labels with NannyML's on the same rows.

    python interop/estimates.py --nannyml PYTHON

Held-out and live rows are drawn from one known relation; the live rows as the held-out rows, and again moved by half a
standard deviation. Both programs estimate what the outcomes of the live rows will show, from the same files. They
agree if they differ by no more than half the width of our interval and three of NannyML's standard errors together:
neither claims to be nearer to the truth than that. Our intervals must hold what the outcomes show in 32 of the 40 cases
at least: if each held it in 95 %, fewer would come in one run of ten thousand.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from core.models.standard_scores import standard_scores
from core.monitoring.estimation.estimate import EstimatedFigure, LiveRows, estimate_performance
from core.monitoring.estimation.held_out import HeldOutRows

CALLER = Path(__file__).resolve().parent / "nannyml_caller.py"
N_ROWS = 3_000
MOVED = 0.5  # standard deviations
STANDARD_ERRORS = 3.0
LIMIT_SECONDS = 300
N_DRAWS = 5
LEAST_HELD = 0.8
FEATURES = ["size", "age"]
OURS = {"roc_auc": "auc", "accuracy": "accuracy", "mae": "mae", "rmse": "rmse"}
REALISED = {
    "auc": "roc_auc_score",
    "accuracy": "accuracy_score",
    "mae": "mean_absolute_error",
    "rmse": "root_mean_squared_error",
}


class Case(NamedTuple):
    """One draw of held-out and live rows."""

    held_out: pd.DataFrame
    live: pd.DataFrame


def main() -> None:
    """Compare every estimate, and print what was proved; the first disagreement ends with exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nannyml", type=Path, required=True, help="Python of an environment with NannyML")
    python = parser.parse_args().nannyml.absolute()
    held = [
        is_held
        for kind, peer in (("events", "CBPE"), ("numbers", "DLE"))
        for move, where in ((0.0, "rows like the held-out rows"), (MOVED, "moved rows"))
        for is_held in compare(python, kind, peer, move, where)
    ]
    found = f"our intervals hold what the outcomes show in {sum(held)} of {len(held)} cases"
    if sum(held) < LEAST_HELD * len(held):
        raise SystemExit(f"FAILED: {found}")
    print(f"proved: {found}")


def compare(python: Path, kind: str, peer: str, move: float, where: str) -> list[bool]:
    """Estimate with both programs, and require that they agree; return which of our intervals hold."""
    cases = [Case(drawn(kind, 2 * k, 0.0), drawn(kind, 2 * k + 1, move)) for k in range(N_DRAWS)]
    held: list[bool] = []
    apart: dict[str, list[float]] = {}
    for case, theirs in zip(cases, asked(python, cases, kind), strict=True):
        figures, realised = estimated(case, kind)
        for metric, (value, error) in theirs.items():
            ours = figures[OURS[metric]]
            tolerance = (ours.high - ours.low) / 2 + STANDARD_ERRORS * error
            if abs(ours.value - value) > tolerance:
                raise SystemExit(
                    f"FAILED: {ours.metric} of {where}: we estimate {ours.value:.4g}, NannyML's {peer} {value:.4g}; "
                    f"they differ by more than {tolerance:.3g}"
                )
            came = realised[REALISED[ours.metric]]
            held.append(ours.low <= came <= ours.high)
            apart.setdefault(ours.metric, []).append((ours.value - value) / tolerance)
            apart.setdefault(f"{ours.metric} ours", []).append(ours.value - came)
            apart.setdefault(f"{ours.metric} theirs", []).append(value - came)
    for metric in (name for name in apart if " " not in name):
        ours_off, theirs_off = (np.sqrt(np.mean(np.square(apart[f"{metric} {who}"]))) for who in ("ours", "theirs"))
        print(
            f"proved: {metric} of {where} agrees with NannyML's {peer} to within {max(map(abs, apart[metric])):.0%} of "
            f"the tolerance; error {ours_off:.3g}, NannyML's {theirs_off:.3g}",
            flush=True,
        )
    return held


def estimated(case: Case, kind: str) -> "tuple[dict[str, EstimatedFigure], dict[str, float]]":
    """Return our estimates by metric, and what the outcomes show."""
    held_out, live = case
    classes = ("0", "1") if kind == "events" else ()

    def decided(frame: pd.DataFrame) -> "np.ndarray | None":
        return frame["decided"].to_numpy() == 1 if classes else None

    kept = HeldOutRows(
        held_out[FEATURES],
        held_out["answer"].to_numpy(),
        held_out["actual"].to_numpy(dtype=np.float64),
        classes,
        decided(held_out),
        None,
        "",
        (),
    )
    found = estimate_performance(kept, LiveRows(live[FEATURES], live["answer"].to_numpy(), decided(live)))
    task = "classification" if classes else "regression"
    realised = standard_scores(task, live["actual"].to_numpy(), live["answer"].to_numpy(), decided(live))
    return {figure.metric: figure for figure in found.performance.figures}, realised


def drawn(kind: str, seed: int, move: float) -> pd.DataFrame:
    """Draw rows with answers and outcomes: the answer is the true chance of an event, or the true mean of a number."""
    rng = np.random.default_rng([seed, int(100 * move)])
    size, age = rng.normal(move, 1.0, N_ROWS), rng.normal(size=N_ROWS)
    frame = pd.DataFrame({"size": size, "age": age})
    if kind == "numbers":
        answer = 3.0 * size + age
        return frame.assign(answer=answer, actual=answer + rng.normal(size=N_ROWS) * np.exp(0.3 * size))
    chance = 1.0 / (1.0 + np.exp(-(1.5 * size + 0.5 * age)))
    event = (rng.random(N_ROWS) < chance).astype(int)
    return frame.assign(answer=chance, decided=(chance >= 0.5).astype(int), actual=event)


def asked(python: Path, cases: list[Case], kind: str) -> "list[dict[str, list[float]]]":
    """Let NannyML estimate; the live outcomes are left out of its files."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k, case in enumerate(cases):
            for name, frame in (("held_out", case.held_out), ("live", case.live.drop(columns="actual"))):
                files.append(str(Path(folder) / f"{name}_{k}.parquet"))
                frame.to_parquet(files[-1])
        done = subprocess.run(
            [python, CALLER, kind, *files],
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
            # LightGBM starts a thread a core of the machine, also where a container has few: they wait for each other.
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    if done.returncode:
        raise SystemExit(f"FAILED: NannyML ended with {done.returncode}:\n{done.stderr}")
    # LightGBM writes to the same stream.
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


if __name__ == "__main__":
    main()
