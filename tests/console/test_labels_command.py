"""`bondx labels`: few outcomes decide how well a version does."""

import functools
import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops


def prices(seed, n=600):
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    return pd.DataFrame({"size": size, "age": rng.normal(size=n), "price": 3 * size + rng.normal(0, 0.5, n)})


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    prices(1, 800).to_csv(folder / "prices.csv", index=False)
    prices(2).drop(columns="price").to_csv(folder / "new.csv", index=False)
    workspace = ["--workspace", str(folder / "ws")]
    assert main(["init", *workspace]) == 0
    asked = ["--model", "pricing", "--data", str(folder / "prices.csv"), "--target", "price"]
    assert mlops(["train", *workspace, *asked]) == 0
    return folder


@pytest.fixture
def labels(called, home):
    def run(verb, *arguments):
        run = functools.partial(called, main, "labels", verb, "--workspace", str(home / "ws"))
        return run("pricing", "--data", home / "new.csv", *arguments)

    return run


def test_wanted_rows_are_labelled_from_the_top_and_prove_that_the_model_fell(labels, tmp_path):
    wanted = tmp_path / "wanted.csv"
    code, out, err = labels("wanted", "--n", "60", "--out", wanted)
    assert (code, err) == (0, "")
    assert "60 rows in" in out
    frame = pd.read_csv(wanted)
    assert list(frame) == ["row", "price"]
    assert frame["price"].isna().all()
    truth = prices(2)["price"].to_numpy()
    frame["price"] = truth[frame["row"].to_numpy() - 1]
    frame.to_csv(tmp_path / "same.csv", index=False)
    frame["price"] += 3.0
    frame.to_csv(tmp_path / "dearer.csv", index=False)
    code, out, _ = labels("judge", "--labels", tmp_path / "same.csv")
    assert code == 0
    assert out.splitlines()[1].startswith("absolute error: 0.")
    code, out, _ = labels("judge", "--labels", tmp_path / "dearer.csv", "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["n_labels"]) == (1, "fell", 60)
    assert found["low"] < 3.0 < found["high"]


def test_the_same_seed_wants_the_same_rows_with_their_chances(labels):
    first, again, other = (json.loads(labels("wanted", "--json", "--seed", seed)[1]) for seed in ("0", "0", "1"))
    assert first == again
    assert first["rows"] != other["rows"]
    assert len(first["rows"]) == len(first["chances"]) == 40


def test_few_or_foreign_labels_are_said(labels, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("row,price\n1,\n2,1.5\n")
    code, out, _ = labels("judge", "--labels", file)
    assert code == 0
    assert "open: at least the first 20 draws need labels" in out
    file.write_text("row,price\n9999,1.5\n2,1.5\n")
    code, _, err = labels("judge", "--labels", file)
    assert code == 2
    assert "row 9999" in err
    file.write_text("number,price\n1,1.5\n2,1.5\n")
    code, _, err = labels("judge", "--labels", file)
    assert code == 2
    assert "has no column 'row'" in err


def test_labels_that_are_there_are_not_overwritten(labels, tmp_path):
    file = tmp_path / "wanted.csv"
    file.write_text("row,price\n1,2\n")
    code, _, err = labels("wanted", "--out", file)
    assert code == 2
    assert "already exists" in err
    assert file.read_text() == "row,price\n1,2\n"


def test_labels_of_another_seed_are_refused_and_not_called_too_few(labels, tmp_path):
    file = tmp_path / "wanted.csv"
    assert labels("wanted", "--n", "40", "--out", file)[0] == 0
    frame = pd.read_csv(file)
    frame["price"] = prices(2)["price"].to_numpy()[frame["row"].to_numpy() - 1]
    frame.to_csv(file, index=False)
    assert labels("judge", "--labels", file)[0] == 0
    code, _, err = labels("judge", "--labels", file, "--seed", "3")
    assert code == 2
    assert "labels of another draw: of 40," in err
    assert "Name the --version and the --seed of labels wanted." in err
