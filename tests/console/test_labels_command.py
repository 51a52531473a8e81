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
    assert list(frame) == ["row", "model", "version", "draw", "price"]
    assert set(frame["model"]) == {"pricing"}
    assert set(frame["version"]) == {"1.0.0"}
    assert frame["draw"].str.fullmatch(r"pricing@1\.0\.0/[0-9a-f]{12}/0").all()
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
    assert [each["row"] for each in first["rows"]] != [each["row"] for each in other["rows"]]
    assert len({each["row"] for each in first["rows"]}) == 40
    for found in (first, other):
        assert {(each["model"], each["version"], each["draw"]) for each in found["rows"]} == {
            ("pricing", "1.0.0", found["draw"])
        }
    assert first["draw"] != other["draw"]


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
    file.write_text("row,price\n,1.5\n2,1.5\n")
    code, _, err = labels("judge", "--labels", file)
    assert code == 2
    assert "a label has no number in the column 'row'" in err
    file.write_text("number,price\n1,1.5\n2,1.5\n")
    code, _, err = labels("judge", "--labels", file)
    assert code == 2
    assert "has no column 'row'" in err


def test_a_label_of_a_target_that_is_denied_later_is_not_quoted(labels, home, tmp_path, monkeypatch):
    file, config = tmp_path / "labels.csv", tmp_path / "denied.yaml"
    file.write_text("row,price\n1,zeppelin\n2,zeppelin\n")
    _, _, err = labels("judge", "--labels", file)
    assert "row 1, column 'price': 'zeppelin' is not an outcome of the model. Correct the label." in err
    config.write_text("explanation: {denied_columns: [price]}\n")
    monkeypatch.setenv("BONDX_CONFIG", str(config))
    code, _, err = labels("judge", "--labels", file)
    assert code == 2
    assert "row 1, column 'price': a value is not an outcome of the model" in err


def test_labels_that_are_there_are_not_overwritten(labels, tmp_path):
    file = tmp_path / "wanted.csv"
    file.write_text("row,price\n1,2\n")
    code, _, err = labels("wanted", "--out", file)
    assert code == 2
    assert "already exists" in err
    assert file.read_text() == "row,price\n1,2\n"


@pytest.fixture
def first_label(labels, tmp_path):
    """A file of wanted rows of which the first has a label, and what it carries changed."""

    def first_label(**carried):
        file = tmp_path / "first.csv"
        file.unlink(missing_ok=True)
        assert labels("wanted", "--out", file)[0] == 0
        frame = pd.read_csv(file)
        frame.loc[0, "price"] = 1.5
        for name, value in carried.items():
            frame.loc[0, name] = value
        frame.to_csv(file, index=False)
        return file, frame.loc[0, "row"]

    return first_label


@pytest.mark.parametrize(
    ("carried", "says"),
    [
        ({"model": "rents"}, "carries the model 'rents', and 'pricing' was expected."),
        ({"version": "1.1.0"}, "carries the version '1.1.0', and '1.0.0' was expected."),
        ({"draw": "pricing@1.0.0/0123456789ab/0"}, "carries the draw id 'pricing@1.0.0/0123456789ab/0', and 'pricing@"),
        ({"draw": None}, "carries no draw id, and 'pricing@1.0.0/"),
        ({"model": "a\x1b[31m"}, "carries the model 'a\\x1b[31m', and 'pricing' was expected."),
    ],
)
def test_one_label_that_was_drawn_for_something_else_is_refused(labels, first_label, carried, says):
    file, row = first_label(**carried)
    code, out, err = labels("judge", "--labels", file)
    assert (code, out) == (2, "")
    assert f"first.csv: row {row} carries " in err
    assert says in err


def test_the_first_label_of_another_seed_is_refused_and_of_this_draw_is_taken(labels, first_label):
    file, row = first_label()
    code, out, _ = labels("judge", "--labels", file)
    assert code == 0
    assert "note:" not in out
    code, _, err = labels("judge", "--labels", file, "--seed", "3")
    assert code == 2
    assert f"row {row} carries the draw id 'pricing@1.0.0/" in err
    assert "Name the --data, --version and --seed of labels wanted." in err


def test_a_file_that_does_not_name_its_draw_is_read_with_a_note(labels, first_label):
    file, _ = first_label()
    pd.read_csv(file)[["row", "price"]].to_csv(file, index=False)
    code, out, _ = labels("judge", "--labels", file)
    assert code == 0
    assert "1 labels, " in out
    assert "first.csv has no column 'draw', so it could not be checked" in out
    assert "could not be checked" in json.loads(labels("judge", "--labels", file, "--json")[1])["notes"][0]


def test_labels_of_another_seed_that_do_not_say_so_are_refused_and_not_called_too_few(labels, tmp_path):
    file = tmp_path / "wanted.csv"
    assert labels("wanted", "--n", "40", "--out", file)[0] == 0
    frame = pd.read_csv(file)[["row", "price"]]
    frame["price"] = prices(2)["price"].to_numpy()[frame["row"].to_numpy() - 1]
    frame.to_csv(file, index=False)
    assert labels("judge", "--labels", file)[0] == 0
    code, _, err = labels("judge", "--labels", file, "--seed", "3")
    assert code == 2
    assert "labels of another draw: of 40," in err
    assert "Name the --version and the --seed of labels wanted." in err
