"""Values of personal columns are shown as pseudonyms, and no request that is kept holds them."""

import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.explain.documents import DENIED
from core.monitoring.estimation.held_out import hidden_among
from core.protection import Masking
from core.protection.masking import PERSONAL
from core.protection.pseudonyms import Pseudonyms
from core.settings import settings_in_force
from core.settings.protection import ProtectionSettings
from core.state import Workspace
from core.tables import TableError
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


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without a key"])
def test_an_explained_row_shows_no_value_of_a_person(shop, called, monkeypatch, key):
    text = CLASSES.replace("KEY", "key_env: SHOP_KEY" if key else "key_env: ''")
    (shop.root / "bondx.yaml").write_text(text)
    monkeypatch.setenv("SHOP_KEY", KEY)
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
