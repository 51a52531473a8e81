"""Estimate performance with NannyML: reads held-out and live rows, and prints its estimates as JSON, a line a pair.

python nannyml_caller.py events|numbers HELD_OUT.parquet LIVE.parquet [HELD_OUT.parquet LIVE.parquet ...]
"""

import json
import sys

import nannyml
import pandas as pd


def main() -> None:
    """Estimate every pair of files."""
    kind, files = sys.argv[1], sys.argv[2:]
    for held_out, live in zip(files[::2], files[1::2], strict=True):
        estimate(kind, pd.read_parquet(held_out), pd.read_parquet(live))


def estimate(kind: str, held_out: pd.DataFrame, live: pd.DataFrame) -> None:
    """Print, by metric, the estimate and the standard error that NannyML gives the sample."""
    if kind == "events":
        metrics = ["roc_auc", "accuracy"]
        estimator = nannyml.CBPE(
            y_pred_proba="answer",
            y_pred="decided",
            y_true="actual",
            problem_type="classification_binary",
            metrics=metrics,
            chunk_number=1,
        )
    else:
        metrics = ["mae", "rmse"]
        features = [name for name in held_out if name not in ("answer", "actual")]
        estimator = nannyml.DLE(
            feature_column_names=features, y_pred="answer", y_true="actual", metrics=metrics, chunk_number=1
        )
    estimator.fit(held_out)
    found = estimator.estimate(live).filter(period="analysis").to_df()
    print(
        json.dumps(
            {
                metric: [float(found[(metric, field)].iloc[0]) for field in ("value", "sampling_error")]
                for metric in metrics
            }
        )
    )


if __name__ == "__main__":
    main()
