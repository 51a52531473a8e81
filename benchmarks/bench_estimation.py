"""How right estimates of performance without labels are, on synthetic domains where the truth is known.

    python benchmarks/bench_estimation.py [--worlds 24] [--replicates 100] [--nannyml PYTHON]
    python benchmarks/bench_estimation.py --model spread --path new --worlds 12 --replicates 40

Each world draws held-out rows on the path of the training, and live rows on the same path and on a new one (new macro
path of bonds, new price path of deals), whole and as a biased half: the riskier rows. A figure is right if its interval
holds what the labels of the live rows show. `--nannyml` names a Python with NannyML, whose CBPE and DLE then estimate
the same rows.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from core.domains.bonds.data import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.models.binary import DowngradeModel
from core.domains.bonds.models.spread import SpreadModel
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.models.risk import BreachModel, RiskModel
from core.errors import CoreError
from core.models.outcomes import Outcomes
from core.models.standard_scores import standard_scores
from core.monitoring import dependence
from core.monitoring.estimation.estimate import LiveRows, estimate_performance
from core.monitoring.estimation.held_out import HeldOutRows, decided_by

NAMES = {"mae": "mean_absolute_error", "rmse": "root_mean_squared_error", "auc": "roc_auc_score"}
NAMES |= {"accuracy": "accuracy_score", "log_loss": "log_loss", "brier": "brier_score_loss"}
N_ROWS = {"bonds": 4_000, "etrm": 4_000}
CBPE = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import pandas as pd, nannyml as nml
held, live = (pd.read_parquet(f) for f in sys.argv[1:3])
columns = [c for c in held if c not in ("y", "p", "d")]
if sys.argv[3] == "events":
    e = nml.CBPE(y_pred_proba="p", y_pred="d", y_true="y", problem_type="classification_binary",
                 metrics=["roc_auc", "accuracy"], chunk_number=1)
else:
    e = nml.DLE(feature_column_names=columns, y_pred="p", y_true="y", metrics=["mae", "rmse"], chunk_number=1)
e.fit(held)
found = e.estimate(live).filter(period="analysis").to_df()
print(json.dumps({m: float(found[(m, "value")].iloc[0]) for m in {c[0] for c in found} if m != "chunk"}))
"""


def panel(domain, seed, path):
    """Draw a panel."""
    if domain == "bonds":
        return generate(PanelSettings(n_rows=N_ROWS[domain], seed=seed, macro_seed=path))
    return draw_deals(N_ROWS[domain], seed, path, DealSettings())


def answered(model, drawn):
    """Return the judged rows with answers and outcomes."""
    rows = model.judged_rows(drawn.frame)
    answer = np.asarray(model.predict(drawn.frame), dtype=np.float64)
    answer = pd.Series(answer, index=drawn.frame.index)[rows.index].to_numpy()
    actual = rows[model.label].to_numpy(dtype=np.float64)
    known = np.isfinite(actual) & np.isfinite(answer)
    classes = ("0", "1") if model.task == "classification" else ()
    return Outcomes(rows[known], answer[known], actual[known], classes)


def riskier(found, rng):
    """Select rows with a chance that grows with the answer and falls with another column."""
    order = np.argsort(np.argsort(found.answer)) / len(found.answer)
    kept = np.flatnonzero(rng.random(len(order)) < 0.1 + 0.8 * order)
    return Outcomes(found.rows.iloc[kept], found.answer[kept], found.actual[kept], found.classes)


def main():
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=24)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--nannyml", metavar="PYTHON")
    parser.add_argument("--model", metavar="NAME", help="only this model")
    parser.add_argument("--path", choices=("same", "new"), help="only live rows on this path")
    args = parser.parse_args()
    cases = (("bonds", DowngradeModel), ("bonds", SpreadModel), ("etrm", BreachModel), ("etrm", RiskModel))
    for domain, kind in cases:
        if args.model not in (None, kind.name):
            continue
        model = kind("lightgbm")
        model.fit(panel(domain, 1, 1), seed=3)
        group = "issuer_id" if domain == "bonds" else "book_id"
        scorer = model.row_scorer()
        columns = [
            *model.feature_importance(),
            *(field.name for field in (scorer.fields if scorer is not None else ())),
        ]
        for where in (f"{path} path" for path in ("same", "new") if args.path in (None, path)):
            for how in ("whole", "riskier"):
                report(simulated(model, domain, group, dict.fromkeys(columns), where, how, args), kind.name, where, how)


def simulated(model, domain, group, columns, where, how, args):
    """Return, by metric, rows of (estimate, low, high, held out, realised, NannyML's estimate)."""
    found = {}
    for k in range(args.worlds):
        rng = np.random.default_rng([k, 7])
        held = answered(model, panel(domain, 100 + 2 * k, 1))
        live = answered(model, panel(domain, 101 + 2 * k, 1 if where == "same path" else 1_000 + k))
        live = riskier(live, rng) if how == "riskier" else live
        kept = HeldOutRows.of(model, held, list(columns), group=group, most=4_000)
        decided = decided_by(model, live.answer, live.classes)
        units = dependence.group_numbers(live.rows[group])
        rows = LiveRows(live.rows, live.answer, decided, units)
        start = time.perf_counter()
        try:
            estimate = estimate_performance(kept, rows, seed=k, n_replicates=args.replicates).performance
        except CoreError as error:
            print(f"world {k}: {error}")
            continue
        seconds = time.perf_counter() - start
        true = standard_scores(model.task, live.actual, live.answer, decided)
        peer = peers(args.nannyml, kept, rows, live.actual) if args.nannyml else {}
        for figure in estimate.figures:
            if (name := NAMES.get(figure.metric)) in true:
                row = (figure.value, figure.low, figure.high, figure.held_out, true[name], seconds)
                found.setdefault(figure.metric, []).append((*row, peer.get(figure.metric, np.nan)))
    return found


def peers(python, kept, live, actual):
    """Return NannyML's estimates."""
    names = [name for name in kept.rows if name in live.rows]
    with tempfile.TemporaryDirectory() as place:
        files = []
        for name, rows, answer, decided, came in (
            ("held", kept.rows, kept.answer, kept.decided, kept.actual),
            ("live", live.rows, live.answer, live.decided, actual),
        ):
            frame = rows[names].copy()
            frame = frame.assign(
                **{c: frame[c].astype(str) for c in frame if not pd.api.types.is_numeric_dtype(frame[c])}
            )
            frame = frame.assign(p=answer, y=came, **({} if decided is None else {"d": decided.astype(int)}))
            files.append(str(Path(place) / f"{name}.parquet"))
            frame.reset_index(drop=True).to_parquet(files[-1])
        task = "events" if kept.classes else "numbers"
        done = subprocess.run([python, "-c", CBPE, *files, task], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1])
        return {}
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {"auc" if name == "roc_auc" else name: value for name, value in found.items()}


def report(found, model, where, how):
    """Print a line a metric."""
    for metric, rows in found.items():
        value, low, high, held, true, seconds, peer = np.array(rows).T
        error = np.sqrt(np.mean(np.square(value - true)))
        before = np.sqrt(np.mean(np.square(held - true)))
        known = np.isfinite(peer)
        others = f"{np.sqrt(np.mean(np.square(peer[known] - true[known]))):.4g}" if known.any() else "-"
        print(
            f"{model:12} {where} {how:8} {metric:9} "
            f"covered {np.mean((low <= true) & (true <= high)):4.0%} of {len(rows)}, "
            f"error {error:.4g} (held-out figure {before:.4g}, NannyML {others}), width {np.mean(high - low):.3g}, "
            f"{np.mean(seconds):.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
