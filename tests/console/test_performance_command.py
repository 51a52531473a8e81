"""`bondx performance estimate`: how well a version does on a file without outcomes."""

import functools
import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows


def prices(seed, n=400, *, wild=0.0):
    rng = np.random.default_rng(seed)
    size, grade = rng.normal(size=n), rng.choice(["A", "B"], n)
    unsure = rng.uniform(-1, 1, n) if not wild else np.full(n, wild) + rng.normal(0, 0.05, n)
    price = 3 * size + (grade == "A") + np.exp(unsure) * rng.normal(0, 0.5, n)
    return pd.DataFrame({
        "size": size, "grade": grade, "unsure": unsure, "price": price, "sold": np.where(price > 0, "yes", "no")
    })  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Train a regression and a classification that keep held-out rows, and a classification that keeps none."""
    folder = tmp_path_factory.mktemp("performance")
    frame = prices(1, 800)
    frame.drop(columns="sold").to_csv(folder / "prices.csv", index=False)
    frame.drop(columns="price").to_csv(folder / "sales.csv", index=False)
    for name, own in (("ws", ""), ("bare", "held_out: {rows: 0}\n"), ("masked", "held_out: {masked: [unsure]}\n")):
        assert main(["init", "--workspace", str(folder / name)]) == 0
        settings = folder / name / "bondx.yaml"
        text = "\n".join(line for line in settings.read_text().splitlines() if not line.startswith("held_out"))
        settings.write_text(own + text.replace("\n  rows: 4000", "\n#").replace("\n  masked: []", "\n#"))

    def train(name, model, data, target):
        asked = ["--workspace", str(folder / name), "--model", model, "--data", str(folder / data), "--target", target]
        assert mlops(["train", *asked]) == 0

    train("ws", "pricing", "prices.csv", "price")
    train("ws", "sales", "sales.csv", "sold")
    train("bare", "sales", "sales.csv", "sold")
    train("bare", "pricing", "prices.csv", "price")
    train("masked", "sales", "sales.csv", "sold")
    return folder


@pytest.fixture
def answer(called, home, tmp_path):
    def estimate(frame, *arguments, model="pricing", workspace="ws"):
        file = tmp_path / "batch.csv"
        frame.to_csv(file, index=False)
        run = functools.partial(called, main, "performance", "estimate", "--workspace", str(home / workspace))
        return run(model, "--data", file, *arguments)

    return estimate


def test_rows_like_those_held_out_do_as_well_without_their_target(answer):
    code, out, err = answer(prices(2)[["size", "grade", "unsure"]])
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("pricing 1.0.0")
    assert {line.split()[0] for line in out.splitlines()} >= {"MAE", "RMSE"}
    assert "note: The estimate assumes that the relation between the columns and the outcome has not changed." in out
    assert out.splitlines()[-1].startswith(("holds: ", "open: "))


def test_rows_with_larger_errors_are_found_before_any_outcome(answer):
    batch = prices(3, wild=0.8)  # within what the held-out rows reach
    code, out, _ = answer(batch.drop(columns=["price", "sold"]), "--json")
    found = json.loads(out)["report"]
    assert (code, found["verdict"]) == (1, "fell")
    mae = found["figures"][0]
    true = np.abs(batch["price"] - (3 * batch["size"] + (batch["grade"] == "A"))).mean()
    assert mae["metric"] == "mae"
    assert mae["low"] < true < mae["high"]


def test_a_classification_has_all_its_scores(answer):
    code, out, _ = answer(prices(4).drop(columns=["price", "sold"]), "--json", model="sales")
    found = json.loads(out)["report"]
    assert code == 0
    assert [figure["metric"] for figure in found["figures"]] == [
        "log_loss", "auc", "accuracy", "precision", "recall", "f1", "brier", "event_rate",
    ]  # fmt: skip
    assert "density ratios" in found["method"]


def test_the_held_out_rows_are_hashed_with_the_artifact_and_masked_columns_are_not_in_them(home):
    folder = home / "ws" / "artifacts" / "sales" / "1.0.0"
    assert HELD_OUT_NAME in (folder / "MANIFEST.json").read_text()
    assert set(HeldOutRows.read(folder, "sales").rows) == {"size", "grade", "unsure"}
    masked = HeldOutRows.read(home / "masked" / "artifacts" / "sales" / "1.0.0", "sales")
    assert set(masked.rows) == {"size", "grade"}
    assert masked.masked == ("unsure",)


def test_without_held_out_rows_scores_of_two_classes_are_estimated_from_the_profile(answer, home):
    assert not (home / "bare" / "artifacts" / "sales" / "1.0.0" / HELD_OUT_NAME).exists()
    code, out, _ = answer(prices(5).drop(columns=["price", "sold"]), model="sales", workspace="bare")
    assert code == 0
    assert "note: This estimate knows the answers alone." in out


def test_without_held_out_rows_a_regression_has_no_estimate_and_says_what_to_do(answer):
    code, _, err = answer(prices(6).drop(columns=["price", "sold"]), workspace="bare")
    assert code == 2
    assert "pricing/1.0.0: it has no held-out rows" in err
    assert "Train it again" in err
