"""A file that leaves: no value of a person, k persons a class, and what that does to a model."""

import json
import os
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from bondx.ml import anonymise
from console.cli.main import main
from core.api import MLOpsConfig
from core.errors import CoreError, ExitCode
from core.files import digest
from core.protection import AnonymisingRequest
from core.protection.errors import AnonymisingError
from core.protection.noise import normal_noise
from core.state import Workspace
from core.training.own_data.anonymised import anonymise_file

KEY = "0123456789abcdef0123"
CLASSES = "protection: {personal: [name, customer_id], secret: [iban]}\n"
QUASI = ("--quasi", "age", "--quasi", "town", "--quasi", "born")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with a workspace, a key and a table of 600 rows of 200 persons."""
    folder = tmp_path_factory.mktemp("desk")
    Workspace.create(folder / "workspace", settings_text=CLASSES)
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    rng = np.random.default_rng(5)
    person = rng.integers(0, 200, 600)
    frame = pd.DataFrame(
        {
            "customer_id": [f"{n:07d}" for n in person],
            "name": [f"Ren\u00e9 {n}" if n % 2 else f"Rene\u0301 {n}" for n in person],
            "iban": [f"DE{n:020d}" for n in person],
            "age": 20 + person % 50,
            "town": np.array(["Bonn", "K\u00f6ln", "Ulm", "Hof"])[person % 4],
            "born": (pd.Timestamp("1950-01-01") + pd.to_timedelta(person * 90, unit="D")).strftime("%Y-%m-%d"),
            "income": rng.normal(3_000, 500, 600).round(2),
            "n_cards": rng.integers(0, 9, 600),
            "is_new": rng.choice(["true", "false"], 600),
        }
    )
    frame["rate"] = (0.04 * frame["age"] + frame["income"] / 1_000 + rng.normal(0, 0.2, 600)).round(3)
    frame.to_csv(folder / "customers.csv", index=False)
    return folder


def line(desk, out, *words):
    key = ("--key-file", desk / "key")
    file, home = desk / "customers.csv", desk / "workspace"
    return ("data", "anonymise", file, "--out", out, *key, "--workspace", home, *words)


def test_a_file_leaves_without_a_value_of_a_person(desk, tmp_path, called):
    out = tmp_path / "out.csv"
    code, shown, err = called(main, *line(desk, out, *QUASI, "--persons", "customer_id", "--coarsen", "born=year"))
    assert code == 0, err
    before, after = pd.read_csv(desk / "customers.csv", dtype=str), pd.read_csv(out, dtype=str)

    assert "iban" not in after
    for name in ("name", "customer_id"):
        assert not set(before[name]) & set(after[name])
        assert after[name].str.fullmatch("p[0-9a-f]{32}").all()
    assert after["name"].nunique() == after["customer_id"].nunique()  # in either form of an é
    assert set(after["born"].dropna().str[4:]) <= {"-01-01"}
    assert (after["n_cards"].dropna().str.fullmatch("[0-9]")).all()
    assert set(after["is_new"]) == {"true", "false"}
    persons = after.fillna("").groupby(["age", "town", "born"])["customer_id"].nunique()
    assert persons.min() >= 5
    assert f"classes has {persons.min()} persons (5 asked" in shown
    assert KEY not in shown + err + out.read_text()


def test_rows_without_a_person_leave_a_class_that_nobody_else_is_in(desk, tmp_path, called):
    rows = ["53111,,1"] * 6 + [f"50667,c{n},2" for n in range(200)] + ["50667,,2"] * 3
    (tmp_path / "t.csv").write_text("zip,person,size\n" + "\n".join(rows) + "\n")
    to = ("--out", tmp_path / "o.csv", "--workspace", desk / "workspace")
    words = ("--quasi", "zip", "--persons", "person", "--read", "zip=category")
    code, shown, err = called(main, "data", "anonymise", tmp_path / "t.csv", *to, *words)
    assert code == 0, err
    assert "has 200 persons (5 asked, 1 before); 6 rows left out" in shown
    assert "9 rows have no person: those of a class may be of one person" in shown
    assert set(pd.read_csv(tmp_path / "o.csv")["zip"]) == {50667}


def test_the_same_key_and_seed_give_the_same_bytes_and_another_key_others(desk, tmp_path, called, monkeypatch):
    monkeypatch.setenv("OTHER", "another key of pseudonyms")
    words = ("--noise", "income=0.1", "--quasi", "town")
    for name, more in (("a", ()), ("b", ()), ("c", ("--seed", "43"))):
        assert called(main, *line(desk, tmp_path / f"{name}.csv", *words, *more))[0] == 0
    other = ("data", "anonymise", desk / "customers.csv", "--out", tmp_path / "d.csv", "--key-env", "OTHER", *words)
    assert called(main, *other, "--workspace", desk / "workspace")[0] == 0
    content = {name: (tmp_path / f"{name}.csv").read_bytes() for name in "abcd"}
    assert content["a"] == content["b"]
    assert len({digest(each) for each in content.values()}) == 3
    names = {name: pd.read_csv(tmp_path / f"{name}.csv")["name"].tolist() for name in "acd"}
    assert names["a"] == names["c"] != names["d"]  # the seed is of the noise alone


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_every_format_has_the_same_pseudonyms(desk, tmp_path, ending, called):
    out = tmp_path / f"out.{ending}"
    assert called(main, *line(desk, out))[0] == 0
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda file: pd.read_json(file, lines=True)}
    expected = tmp_path / "expected.csv"
    assert called(main, *line(desk, expected))[0] == 0
    assert read[ending](out)["name"].tolist() == pd.read_csv(expected)["name"].tolist()


def test_numbers_that_name_somebody_keep_their_digits(tmp_path, desk, called):
    """19 digits do not fit a float, and 007 is not 7."""
    rows = [f"90071992547409{n:05d}" for n in range(60)] + ["007", "7"]
    (tmp_path / "ids.csv").write_text("id,size\n" + "".join(f"{each},{n}\n" for n, each in enumerate(rows)))
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    words = ("data", "anonymise", tmp_path / "ids.csv", "--out", tmp_path / "out.csv", "--pseudonym", "id")
    code, _, err = called(main, *words, "--key-file", tmp_path / "key", "--workspace", desk / "workspace")
    assert code == 0, err
    assert pd.read_csv(tmp_path / "out.csv")["id"].nunique() == 62


def test_columns_of_one_domain_can_be_joined_and_others_cannot(desk, tmp_path, called):
    (tmp_path / "pairs.csv").write_text("buyer,seller,size\n" + "".join(f"c{n},c{n},{n}\n" for n in range(60)))
    words = ("--key-file", desk / "key", "--workspace", desk / "workspace", "--pseudonym", "buyer=customer")
    for name, seller in (("joined", "seller=customer"), ("apart", "seller")):
        out = tmp_path / f"{name}.csv"
        assert (
            called(main, "data", "anonymise", tmp_path / "pairs.csv", "--out", out, *words, "--pseudonym", seller)[0]
            == 0
        )
    joined, apart = pd.read_csv(tmp_path / "joined.csv"), pd.read_csv(tmp_path / "apart.csv")
    assert (joined["buyer"] == joined["seller"]).all()
    assert not set(apart["buyer"]) & set(apart["seller"])


def test_noise_has_the_spread_that_is_asked_and_whole_numbers_stay_whole(desk, tmp_path, called):
    out = tmp_path / "out.csv"
    assert called(main, *line(desk, out, "--noise", "income=0.5", "--noise", "n_cards=0.5"))[0] == 0
    before, after = pd.read_csv(desk / "customers.csv"), pd.read_csv(out)
    error = after["income"] - before["income"]
    assert error.std() / before["income"].std() == pytest.approx(0.5, abs=0.06)
    assert abs(error.corr(before["income"])) < 0.15
    assert after["n_cards"].dtype == np.int64


def test_the_noise_of_other_columns_files_and_seeds_is_unrelated():
    parts = [("42", "f", "a"), ("42", "f", "b"), ("42", "g", "a"), ("43", "f", "a"), ("4", "2f", "a")]
    drawn = np.array([normal_noise(b"k" * 16, 20_000, *each) for each in parts])
    off = np.corrcoef(drawn) - np.eye(len(parts))
    assert np.abs(off).max() < 0.04
    assert np.abs(drawn).max() < 9


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(("--noise", "income=1"), id="twice the share"),
        pytest.param(("--noise", "income=0.5000000000000001"), id="nearly the same share"),
        pytest.param(("--noise", "income=0.5", "--na", "9999.5"), id="a cell that is read as empty"),
        pytest.param(("--noise", "income=0.5", "--seed", "43"), id="another seed"),
    ],
)
def test_no_weighted_difference_of_two_exports_gives_the_true_numbers(desk, tmp_path, called, others):
    true = pd.read_csv(desk / "customers.csv")
    true.loc[7, "income"] = 9999.5
    (tmp_path / "customers.csv").write_text(true.to_csv(index=False))
    errors = []
    for out, words in (("one.csv", ("--noise", "income=0.5")), ("other.csv", others)):
        to = ("--out", tmp_path / out, "--key-file", desk / "key", "--workspace", desk / "workspace")
        code, _, err = called(main, "data", "anonymise", tmp_path / "customers.csv", *to, *words)
        assert code == 0, err
        errors.append(pd.read_csv(tmp_path / out)["income"] - true["income"])
    assert abs(errors[0].corr(errors[1])) < 0.2


def test_leaving_rows_out_changes_no_error_of_the_rows_that_stay(desk, tmp_path, called):
    """Independent errors of the same number could be averaged."""
    for out, words in (("all.csv", ()), ("some.csv", ("--quasi", "age", "--k", "9", "--suppress", "0.5"))):
        assert called(main, *line(desk, tmp_path / out, "--noise", "income=0.5", *words))[0] == 0
    every, some = pd.read_csv(tmp_path / "all.csv"), pd.read_csv(tmp_path / "some.csv")
    assert len(some) < len(every)
    assert set(some["income"]) < set(every["income"])


def test_the_price_in_quality_is_measured_on_the_same_rows(desk, tmp_path, called):
    words = ("--quasi", "age", "--quasi", "town", "--noise", "income=1", "--target", "rate", "--group", "customer_id")
    code, shown, err = called(main, *line(desk, tmp_path / "out.csv", *words, "--json"))
    assert code == 0, err
    found = json.loads(shown)["quality"]
    assert found["loss"] == "absolute error"
    assert found["low"] > 0  # noise as large as the spread costs quality, shown by its interval
    assert found["difference"] == pytest.approx(found["anonymised_loss"] - found["original_loss"])
    assert found["low"] < found["difference"] < found["high"]
    assert found["n_groups"] < found["n_rows"] < 600


def test_a_table_that_is_not_changed_costs_nothing(desk, tmp_path, called):
    """The names that become pseudonyms are no columns to learn from."""
    words = ("--target", "rate", "--group", "customer_id", "--drop", "name", "--json")
    code, shown, err = called(main, *line(desk, tmp_path / "out.csv", *words))
    assert code == 0, err
    found = json.loads(shown)["quality"]
    assert found["low"] <= 0 <= found["high"]
    assert abs(found["difference"]) < 0.02


def test_a_program_anonymises_as_the_command_does(desk, tmp_path, called):
    assert called(main, *line(desk, tmp_path / "line.csv", *QUASI))[0] == 0
    config = MLOpsConfig.from_yaml(workspace=desk / "workspace")
    quasi = ["age", "town", "born"]
    made = anonymise(
        desk / "customers.csv", tmp_path / "program.csv", quasi=quasi, key_file=desk / "key", config=config
    )
    assert (tmp_path / "program.csv").read_bytes() == (tmp_path / "line.csv").read_bytes()
    assert made.sha256 == digest((tmp_path / "program.csv").read_bytes())
    assert made.anonymity.k_reached >= 5


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        pytest.param(("--quasi", "shoe"), "has no column 'shoe'; its columns: ", id="no column"),
        pytest.param(("--noise", "town=0.1"), "'town' is a category: noise is for numbers", id="noise for words"),
        pytest.param(("--noise", "age=0"), "The noise of 'age' is 0: it must be more than 0", id="no noise"),
        pytest.param(("--noise", "age=-1"), "The noise of 'age' is -1", id="negative noise"),
        pytest.param(("--noise", "age=nan"), "must be a finite number", id="noise that is no number"),
        pytest.param(("--noise", "age"), "must be COL=SHARE", id="noise without a share"),
        pytest.param(("--coarsen", "age=year"), "'age' is a integer: only dates are coarsened", id="no date"),
        pytest.param(("--coarsen", "born=week"), "cannot be coarsened to 'week': choose month", id="no period"),
        pytest.param(("--quasi", "age", "--noise", "age=1"), "'age' is named for two treatments", id="two treatments"),
        pytest.param(("--quasi", "age", "--k", "1"), "k is 1: it must be a whole number, at least 2", id="k of one"),
        pytest.param(("--quasi", "age", "--k", "601"), "k = 601 cannot be reached: the table has 600", id="a huge k"),
        pytest.param(("--quasi", "age", "--suppress", "1.5"), "must be from 0 to 1", id="more rows than all"),
        pytest.param(("--persons", "name"), "name these columns, too", id="persons of nothing"),
        pytest.param(("--pseudonym", "iban"), "'iban' is secret", id="a secret that would stay"),
        pytest.param(("--pseudonym", "=x"), "is not a column", id="a domain alone"),
        pytest.param(("--pseudonym", "age", "--pseudonym", "age=x"), "named for two pseudonyms", id="two domains"),
        pytest.param(("--group", "name"), "name the --target, too", id="a group without a target"),
        pytest.param(("--target", "iban"), "'iban' is needed to compare models", id="a target that is left out"),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_is_refused_and_nothing_is_written(desk, tmp_path, called, words, complaint):
    code, _, err = called(main, *line(desk, tmp_path / "out.csv", *words))
    assert (code, complaint in err, "Traceback" in err) == (ExitCode.USAGE, True, False), err
    assert not (tmp_path / "out.csv").exists()


def test_a_name_of_no_format_is_refused(desk, tmp_path, called):
    code, _, err = called(main, *line(desk, tmp_path / "out.xlsx"))
    assert (code, "name a file that ends in .csv, .parquet, .jsonl" in err) == (ExitCode.USAGE, True)


def test_without_a_key_there_are_no_pseudonyms(desk, tmp_path, called):
    words = (
        "data",
        "anonymise",
        desk / "customers.csv",
        "--out",
        tmp_path / "o.csv",
        "--workspace",
        desk / "workspace",
    )
    code, _, err = called(main, *words)
    assert (code, "A key is needed for 'customer_id', 'name'" in err) == (ExitCode.USAGE, True), err
    assert called(main, *words, "--drop", "name", "--drop", "customer_id")[0] == 0


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        pytest.param("short", 0o600, "has 5 characters; a key of pseudonyms has at least 16", id="short"),
        pytest.param(KEY, 0o644, r"other accounts may read it. Close it with chmod 600", id="open"),
        pytest.param("", 0o600, "is empty or not set", id="empty"),
    ],
)
def test_a_bad_key_is_refused_and_never_shown(desk, tmp_path, called, text, mode, complaint):
    (tmp_path / "key").write_text(text)
    os.chmod(tmp_path / "key", mode)
    words = ("data", "anonymise", desk / "customers.csv", "--out", tmp_path / "o.csv", "--key-file", tmp_path / "key")
    code, _, err = called(main, *words, "--workspace", desk / "workspace")
    assert (code, complaint in err, KEY in err) == (ExitCode.USAGE, True, False), err


def test_the_settings_may_say_where_the_key_is(desk, tmp_path, called, monkeypatch):
    monkeypatch.setenv("PSEUDONYMS", KEY)
    workspace = Workspace.create(tmp_path / "w", settings_text="protection: {personal: [name], key_env: PSEUDONYMS}\n")
    request = AnonymisingRequest(pseudonyms={"customer_id": "customer_id"})
    anonymise_file(workspace, desk / "customers.csv", tmp_path / "own.csv", request)
    assert called(main, *line(desk, tmp_path / "line.csv"))[0] == 0
    own, typed = pd.read_csv(tmp_path / "own.csv"), pd.read_csv(tmp_path / "line.csv")
    assert own["name"].tolist() == typed["name"].tolist()


def test_a_cell_that_cannot_be_read_is_not_quoted_if_its_column_is_secret(tmp_path, called):
    workspace = Workspace.create(tmp_path / "w", settings_text="protection: {secret: [born]}\n")
    cells = ["2024-01-01"] * 60 + ["quux"]
    (tmp_path / "t.csv").write_text("born,size\n" + "".join(f"{each},{n}\n" for n, each in enumerate(cells)))
    code, shown, err = called(
        main, "data", "anonymise", tmp_path / "t.csv", "--out", tmp_path / "o.csv", "--workspace", workspace.root
    )
    assert "quux" not in shown + err
    assert code in (0, ExitCode.USAGE)


def test_a_table_of_which_nothing_is_left_is_still_written(tmp_path, desk, called):
    (tmp_path / "ids.csv").write_text("id\n" + "".join(f"{n}\n" for n in range(9)))
    words = ("data", "anonymise", tmp_path / "ids.csv", "--out", tmp_path / "o.csv", "--quasi", "id", "--k", "9")
    code, shown, err = called(main, *words, "--workspace", desk / "workspace")
    assert code == 0, err
    assert "the smallest of 1 classes has 9 rows (9 asked, 1 before)" in shown
    assert (tmp_path / "o.csv").read_text().split() == ['"id"'] or pd.read_csv(tmp_path / "o.csv").isna().all(axis=None)


def test_a_request_that_contradicts_itself_is_refused_in_python(desk, tmp_path):
    with pytest.raises(AnonymisingError, match="at least 2"):
        AnonymisingRequest(quasi=("age",), k=0)
    with pytest.raises(CoreError):
        anonymise(
            desk / "customers.csv",
            tmp_path / "o.csv",
            k="many",
            config=MLOpsConfig.from_yaml(workspace=desk / "workspace"),
        )


def test_the_classes_are_those_that_the_file_shows(desk, tmp_path, called):
    out = tmp_path / "out.csv"
    code, shown, _ = called(main, *line(desk, out, *QUASI, "--k", "7", "--suppress", "0", "--json"))
    assert code == 0
    found = json.loads(shown)["anonymity"]
    after = pd.read_csv(out, dtype=str).fillna("")
    counted = Counter(zip(after["age"], after["town"], after["born"], strict=True))
    assert (min(counted.values()), len(counted)) == (found["k_reached"], found["n_classes"])
    assert found["n_suppressed"] == 600 - len(after) == 0
    assert found["k_reached"] >= 7 > found["k_before"]
