"""Values of personal columns are shown as pseudonyms, and no request that is kept holds them."""

import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.actor import Actor, Origin
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.monitoring.estimation.held_out import hidden_among
from core.protection import Masking
from core.protection.masking import PERSONAL
from core.protection.pseudonyms import Pseudonyms
from core.quality import custom
from core.quality.cells import Cells
from core.quality.check_set import CheckSet
from core.quality.checks.validity import column_kinds, known_levels
from core.quality.gate import judge
from core.quality.report import assess
from core.settings import settings_in_force
from core.settings.protection import ProtectionSettings
from core.settings.quality import QualityGates
from core.state import Workspace
from core.tables import InputError, TableError
from core.training.own_data import TrainRequest, train_on_file
from core.training.own_data.evaluation import evaluate_on_file

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
KEY = "a key of the workspace"
CLASSES = "protection: {personal: ['cust_*'], secret: [iban], KEY}\nmodels:\n  price: {algorithm: linear}\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with a version that reads a personal and a secret column."""
    folder = tmp_path_factory.mktemp("shop")
    text = CLASSES.replace("KEY", "key_env: SHOP_KEY")
    workspace = Workspace.create(folder / "workspace", settings_text=text)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"size": rng.normal(size=300), "cust_town": rng.choice(["Quuxhausen", "Zebedorf"], 300)})
    frame["cust_age"], frame["iban"] = rng.integers(20, 70, 300) + 0.125, rng.choice(["Plughbank", "Xyzzybank"], 300)
    frame["price"] = frame["size"] + 2 * (frame["cust_town"] == "Quuxhausen") + frame["cust_age"] / 10
    frame["price"] += 3 * (frame["iban"] == "Plughbank") + rng.normal(0, 0.2, 300)
    frame.to_csv(folder / "prices.csv", index=False)
    request = TrainRequest(model="price", data=folder / "prices.csv", target="price")
    train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)
    return workspace


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("SHOP_KEY", KEY)


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without a key"])
def test_an_explained_row_shows_no_value_of_a_person(shop, called, key):
    text = CLASSES.replace("KEY", "key_env: SHOP_KEY" if key else "key_env: ''")
    (shop.root / "bondx.yaml").write_text(text)
    row = pd.read_csv(shop.root.parent / "prices.csv").iloc[4]
    line = ("explain", "price", "--data", shop.root.parent / "prices.csv", "--row", "4", "--turn", ">=100")
    code, shown, err = called(main, *line, "--workspace", shop.root, "--json")
    assert code == 0, err
    found = {each["feature"]: each for each in json.loads(shown)["report"]["contributions"]}
    names = Pseudonyms(KEY.encode())
    assert found["cust_town"]["value"] == (names.of(row["cust_town"], "cust_town") if key else PERSONAL)
    assert found["cust_age"]["value"] == (names.of(row["cust_age"], "cust_age") if key else PERSONAL)
    assert found["size"]["value"] == pytest.approx(row["size"], rel=1e-3)
    assert {"iban"} & set(found) == set()
    assert DENIED in found
    for word in ("Quuxhausen", "Zebedorf", "Plughbank", "Xyzzybank", str(row["cust_age"]), KEY):
        assert word not in shown + err


def test_a_smallest_change_shows_no_value_of_a_person(shop, called):
    line = (
        "explain",
        "price",
        "--data",
        shop.root.parent / "prices.csv",
        "--row",
        "4",
        "--turn",
        "<6",
        "--fix",
        "size",
    )
    code, shown, err = called(main, *line, "--workspace", shop.root)
    assert code == 0, err
    assert "Quuxhausen" not in shown
    assert "Zebedorf" not in shown


def test_a_row_that_a_version_keeps_is_explained_by_all_its_columns_and_shown_without_a_value_of_a_person(shop, called):
    code, shown, err = called(main, "explain", "price", "--row", "4", "--workspace", shop.root, "--json")
    assert code == 0, err
    found = {each["feature"]: each for each in json.loads(shown)["report"]["contributions"]}
    assert min(abs(found[name]["contribution"]) for name in ("cust_town", "cust_age", DENIED)) > 0
    assert "Quuxhausen" not in shown
    assert "Zebedorf" not in shown


def test_the_settings_leave_columns_out_of_kept_rows_by_pattern():
    assert hidden_among(("cust_age", "cust_town", "size"), ("cust_*",)) == {"cust_age", "cust_town"}


def test_sampled_requests_hold_no_personal_and_no_secret_column(shop):
    log = settings_in_force(shop.root).serving.log_features
    assert [log.masks(name) for name in ("cust_town", "iban", "size")] == [True, True, False]


def test_a_refusal_quotes_no_cell_of_a_person(shop, tmp_path):
    rows = pd.read_csv(shop.root.parent / "prices.csv").head(60).astype({"cust_age": object})
    rows.loc[3, "cust_age"] = "quux12"
    rows.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(TableError, match="column 'cust_age'") as refused:
        evaluate_on_file(shop, "price", tmp_path / "new.csv")
    assert "quux12" not in str(refused.value)


def test_an_empty_cell_is_shown_as_empty(tmp_path):
    masking = Masking(ProtectionSettings(personal=("a",)), tmp_path)
    assert masking.shown("a", float("nan")) is None
    assert masking.shown("a", "Ana") == PERSONAL
    assert [masking.hides(name) for name in "ab"] == [True, False]


QUOTED = {
    "iban": "DE1000",
    "customer_email": "quux",
    "customer_born": "1971-",
    "customer_bank": "plugh",
    "customer_id": "76543",
    "customer_score": "#DIV/0!",
}


@pytest.mark.parametrize("name", QUOTED)
def test_a_training_quotes_no_cell_of_a_person_on_any_face_and_in_no_record(tmp_path, called, name):
    """Of columns that no model can learn from, and of words that are read as missing."""
    workspace = Workspace.create(
        tmp_path / "w",
        settings_text="protection: {secret: [iban], personal: ['customer_*']}\nmodels: {price: {algorithm: linear}}\n",
    )
    rng, n = np.random.default_rng(2), np.arange(300)
    cells = {
        "iban": [f"DE1000{each:07d}" for each in n],
        "customer_email": [f"quux{each}@example.org" for each in n],
        "customer_born": (pd.Timestamp("1971-01-01") + pd.to_timedelta(n % 365, unit="D")).strftime("%Y-%m-%d"),
        "customer_bank": ["plugh"] * 300,
        "customer_id": rng.permutation(n) + 7_654_300,
        "customer_score": np.where(n % 9, rng.normal(size=300).round(2).astype(str), "#DIV/0!"),
    }
    frame = pd.DataFrame({name: cells[name], "size": rng.normal(size=300)})
    frame["price"] = frame["size"] + rng.normal(size=300)
    frame.to_csv(tmp_path / "prices.csv", index=False)
    at = ("--workspace", workspace.root)
    train = ("train", "--model", "price", "--data", tmp_path / "prices.csv", "--target", "price")
    outputs = [called(mlops, *train, *at), called(mlops, *train, "--json", *at)]
    assert [code for code, _, _ in outputs] == [0, 0], outputs
    run = json.loads(outputs[1][1])["run_id"]
    faces = (
        ("runs", "list"),
        ("runs", "show", run),
        ("runs", "compare", run, run),
        ("show", "runs"),
        ("audit", "list"),
    )
    for face in faces:
        for words in ((), ("--json",)):
            outputs.append(called(main, *face, *words, *at))
            assert outputs[-1][0] == 0, outputs[-1]
    outputs.append(called(mlops, "evaluate", "--model", "price", "--data", tmp_path / "prices.csv", "--json", *at))
    to = ("--out", tmp_path / "o.csv", "--drop", name, "--json")
    outputs.append(called(main, "data", "anonymise", tmp_path / "prices.csv", *to, *at))
    assert QUOTED[name] not in "".join(out + err for _, out, err in outputs)
    # Words that are read as missing are in the form of a column.
    kept = {"customer_bank": {"profile.json"}, "customer_score": {"signature.json"}}
    keeping = {"held_out.parquet"} | kept.get(name, set())
    files = [file for file in workspace.root.rglob("*") if file.is_file() and file.name not in keeping]
    assert len(files) > 10
    assert not [file for file in files if QUOTED[name].encode() in file.read_bytes()]
    left_out = json.loads(outputs[1][1])["left_out"]
    assert name == "customer_score" or left_out[name].startswith(("identifies", "is ", "numbers"))


def test_what_an_error_says_quotes_no_cell_of_a_personal_column(tmp_path):
    cells = DenyList(["name"])
    own = TableError(tmp_path, "is not a number", "Correct it.", column="name", cell="'quux'")
    other = TableError(tmp_path, "is not a number", "Correct it.", column="size", cell="'quux'")
    answered = InputError("'quux' is not a number", "Send a number.", column="name", row=3)
    assert ["quux" in cells.told(each) for each in (own, other, answered)] == [False, True, False]
    assert cells.told(answered) == "column 'name': a value of it cannot be used."


def test_a_gate_quotes_no_cell_of_a_personal_column(tmp_path):
    frame = pd.DataFrame({"rating": ["quux"] * 5, "size": ["plugh"] * 5, "name": list("abcde")})
    cells = Cells(frame, row_names=("name",), unquoted=("rating", "size", "name"))
    assert known_levels({"rating": ["AA"]})(cells).reason == "unknown levels: rating"
    assert "plugh" not in column_kinds(["size"], [])(cells).reason
    assert cells.identify(np.ones(5, dtype=bool))[0] == "row 0"


def test_a_custom_gate_that_names_a_personal_column_tells_its_verdict_alone(monkeypatch):
    told = judge("own", 3.0, "<=", 1.0, reason="quux is twice in rating")
    monkeypatch.setattr(custom, "apply", lambda *args, **rest: told)
    settings = QualityGates(custom_gates=("own",))
    report = assess(pd.DataFrame({"rating": ["quux"]}), CheckSet(()), settings, unquoted=("rating",))
    assert report.gates[-1].sentence == "outside the limit (<= 1): protection.personal names its column"
