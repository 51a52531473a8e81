"""Columns of `explanation.denied_columns` leave the program without a share, a value or a slice, whoever asks."""

import json

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.actor import Actor, Origin
from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.explain.later_denied import without_denied
from core.explain.stored import read_explanation
from core.monitoring.verdicts import WITHOUT_FIGURES
from core.quality import custom, judge, register_gate
from core.registry import Registry
from core.settings import PolicySource, settings_in_force
from core.state import Workspace
from core.tracking import Runs
from core.training.own_data import TrainRequest, train_on_file
from core.training.own_data.drift import check_version
from core.training.own_data.explanation import ExplainRequest, explain_one
from core.training.own_data.profile import version_profile
from core.training.own_data.training import gates_of_file

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
DENY = "explanation:\n  denied_columns: ['*_secret']\nmodels:\n  price: {algorithm: linear}\n"


def rows(seed: int, moved: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=400), "tax_secret": rng.normal(40 + moved, 3, 400)})
    frame["zip_secret"] = rng.choice(["zebedee", "quux"], 400, p=[0.7, 0.3] if moved else [0.3, 0.7])
    frame["price"] = frame["size"] + frame["tax_secret"] + 4 * (frame["zip_secret"] == "quux") + rng.normal(size=400)
    return frame.round(4)


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    path = tmp_path_factory.mktemp("moved") / "moved.csv"
    rows(3, 5.0).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A workspace with two versions that read denied columns."""
    folder = tmp_path_factory.mktemp("shop")
    workspace = Workspace.create(folder / "workspace", settings_text=DENY)
    for seed in (1, 2):
        rows(seed).to_csv(folder / "prices.csv", index=False)
        request = TrainRequest(model="price", data=folder / "prices.csv", target="price")
        train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA)
    return workspace


def test_a_training_tells_the_share_of_denied_columns_together(shop, called):
    line = ("train", "--workspace", shop.root, "--model", "told", "--target", "price")
    line = (*line, "--data", shop.root.parent / "prices.csv")
    code, shown, _ = called(mlops, *line)
    assert code == 0
    (told,) = [each for each in shown.splitlines() if each.startswith("relies on")]
    assert DENIED in told
    assert "size" in told
    assert "secret" not in told
    code, shown, _ = called(mlops, *line, "--json")
    assert code == 0
    found = json.loads(shown)["feature_importance"]
    assert set(found) == {DENIED, "size"}
    assert sum(found.values()) == pytest.approx(1.0)


def test_a_gate_says_that_a_denied_column_gives_the_target_away_and_does_not_name_it(shop, called, tmp_path):
    frame = rows(4)
    frame["told_secret"] = frame["price"] * 2 + 1
    frame.to_csv(tmp_path / "told.csv", index=False)
    line = ("train", "--workspace", shop.root, "--model", "leaky", "--target", "price", "--data", tmp_path / "told.csv")
    _, shown, _ = called(mlops, *line)
    assert "a column of explanation.denied_columns alone predicts nearly all of the target" in shown
    (gate,) = [each for each in Registry(shop).get("leaky", "1.0.0").gates if each.name == "no_leak"]
    assert (gate.passed, "secret" in str(gate)) == (False, False)


def test_a_training_tells_no_note_on_a_denied_column(shop, called, tmp_path):
    frame = rows(5).astype({"size": object, "tax_secret": object})
    frame.loc[:3, ["size", "tax_secret"]] = "unknown"
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    line = ("train", "--workspace", shop.root, "--model", "gaps", "--target", "price", "--data", tmp_path / "gaps.csv")
    code, shown, _ = called(mlops, *line)
    assert code == 0
    tag = Runs(shop).get(Registry(shop).get("gaps", "1.0.0").run_id).tags["notes"]
    for told in (shown, tag):
        assert "size: 4 cells are read as missing: 'unknown' (4)." in told
        assert "tax_secret: 4" not in told


def test_a_diff_of_versions_has_no_figure_of_a_denied_column(shop, called):
    found = Registry(shop).diff("price", "1.0.0", "1.1.0")
    told = {(row.section, row.name) for row in found.rows if "secret" in row.name}
    assert {section for section, _ in told} <= {"features", "signature"}
    assert {name.rpartition(".")[2] for section, name in told if section == "signature"} <= {"type", "allows_missing"}
    assert "zebedee" not in str(found)
    assert ("data", "size.mean") in {(row.section, row.name) for row in found.rows}
    assert "The figures of 2 of 4 columns are left out: explanation.denied_columns names them." in found.notes
    code, shown, _ = called(main, "--workspace", shop.root, "registry", "diff", "price", "1.0.0", "1.1.0", "--all")
    assert code == 0
    assert "tax_secret.mean" not in shown


def test_drift_names_a_denied_column_without_its_share_and_its_values(shop, moved):
    found = check_version(shop, "price", moved, PolicySource(shop.root).policy().drift)
    by_name = {each.found.feature: each for each in found.report.columns}
    assert by_name["tax_secret"].found.verdict == "alarm"
    for each in (by_name["tax_secret"], by_name["zip_secret"]):
        assert (each.importance, each.mean_reference, each.mean_current) == (None, None, None)
        assert each.found.wasserstein is None  # how far the mean moved, in the unit of the column
    assert by_name["size"].importance is not None
    assert by_name["size"].found.wasserstein is not None
    told = [each for each in found.report.alerts if each.column.endswith("_secret")]
    assert told
    assert not [each for each in told if each.importance is not None or "mean" in each.message]
    assert "zebedee" not in str(found)


def test_drift_tells_no_figure_of_a_target_that_is_denied_later(shop, moved):
    settings, policy = shop.root / "bondx.yaml", PolicySource(shop.root).policy().drift
    kept = settings.read_text()

    def looked_at():
        report = check_version(shop, "price", moved, policy).report
        (found,) = [each for each in report.columns if each.type == "target"]
        profiled = version_profile(shop, "price").target
        return found.mean_reference, found.found.wasserstein, profiled.mean, profiled.least

    try:
        assert None not in looked_at()
        settings.write_text(kept.replace("'*_secret'", "'*_secret', price"))
        assert looked_at() == (None,) * 4
    finally:
        settings.write_text(kept)


def test_no_drift_check_tells_where_the_trained_values_of_a_denied_column_end(shop, tmp_path):
    def checked(tenth, level):
        frame = rows(3)
        is_tenth = frame.index % 10 == 0
        frame.loc[is_tenth, "tax_secret"] = frame["tax_secret"].max() if tenth is None else tenth
        frame.loc[is_tenth, "zip_secret"] = level
        frame.to_csv(tmp_path / "now.csv", index=False)
        found = check_version(shop, "price", tmp_path / "now.csv", PolicySource(shop.root).policy().drift).report
        told = [each.message for each in found.alerts if each.column.endswith("secret")]
        return {each.found.feature: each.found for each in found.columns}, told

    within, _ = checked(None, "quux")
    beyond, told = checked(4_000.0, "never seen")
    assert beyond["tax_secret"] == within["tax_secret"]
    assert beyond["zip_secret"].unseen_share == 0.0
    assert {message.partition(": ")[2] for message in told} <= set(WITHOUT_FIGURES.values())
    for own in (beyond["tax_secret"], beyond["zip_secret"]):
        assert (own.psi, own.ks_statistic, own.total_variation, own.p_value, own.chi_square) == (None,) * 5


def as_text(form, column, cell):
    """Write a file of which one cell of a column is at fault."""
    frame = rows(3)
    if form == "csv":
        return frame.astype({column: object}).assign(**{column: [*frame[column][:-1], cell]}).to_csv(index=False)
    lines = frame.to_dict("records")
    lines[-1][column] = cell
    return "".join(f"{json.dumps(line)}\n" for line in lines)


@pytest.mark.parametrize(
    ("form", "column", "cell", "fault"),
    [
        ("csv", "tax_secret", "zebra77", "a value is not a number, while 399 of 400 cells are. Correct or clear"),
        ("csv", "tax_secret", "7.7e77", "a value is beyond 1e+30. Correct or clear the cell."),
        ("jsonl", "tax_secret", "zebra77", "a value is text, while 399 of 400 values are numbers. Write the number"),
        ("jsonl", "zip_secret", 7777, "a value is a number, while 399 of 400 values are text. Correct or clear"),
        ("jsonl", "tax_secret", ["zebra77"], "a value is a list, while 399 of 400 values are plain. Write a plain"),
    ],
)
def test_a_refused_cell_of_a_denied_column_is_named_by_its_place_alone(
    shop, called, tmp_path, form, column, cell, fault
):
    file = tmp_path / f"told.{form}"
    file.write_text(as_text(form, column, cell))
    line = ("train", "--workspace", shop.root, "--model", "told", "--target", "price", "--data", file)
    code, out, err = called(mlops, *line)
    assert (code, out) == (2, "")
    assert f"{'line 401' if form == 'csv' else 'line 400'}, column '{column}': {fault}" in err
    logged = "".join(path.read_text() for path in shop.root.rglob("*.log*"))
    assert not [word for word in ("zebra77", "7.7e77", "7.7e+77", "7777") if word in err + logged]
    line = ("evaluate", "--workspace", shop.root, "--model", "price", "--test-data", file)
    _, _, err = called(mlops, *line)
    assert not [word for word in ("zebra77", "7.7e77", "7.7e+77", "7777") if word in err]


@pytest.mark.parametrize(("form", "added"), [("csv", "1,zebra77,quux\n"), ("jsonl", '{"tax_secret": zebra77}\n')])
def test_a_refused_row_is_not_quoted_where_a_column_may_be_denied(shop, called, tmp_path, form, added):
    file = tmp_path / f"told.{form}"
    file.write_text(as_text(form, "tax_secret", 40.0) + added)
    line = ("train", "--workspace", shop.root, "--model", "told", "--target", "price", "--data", file)
    code, _, err = called(mlops, *line)
    assert (code, "line 40" in err, "zebra77" in err) == (2, True, False)


def test_the_cells_of_other_columns_are_quoted(shop, called, tmp_path):
    (tmp_path / "told.csv").write_text(as_text("csv", "size", "zebra77"))
    line = ("train", "--workspace", shop.root, "--model", "told", "--target", "price", "--data", tmp_path / "told.csv")
    assert "'zebra77' is not a number, while 399 of 400 cells are" in called(mlops, *line)[2]


def test_an_evaluation_does_not_tell_where_the_trained_values_of_denied_columns_end(shop, called, tmp_path):
    frame = rows(3).assign(size=900.0, tax_secret=4_000.0, zip_secret="never seen")
    frame.loc[0, "tax_secret"] = np.nan
    frame.to_csv(tmp_path / "strange.csv", index=False)
    line = ("evaluate", "--workspace", shop.root, "--model", "price", "--test-data", tmp_path / "strange.csv")
    code, told, err = called(mlops, *line)
    assert (code, err) == (0, "")
    assert "400 values of size outside the range of the training data" in told
    assert not [line for line in told.splitlines() if "secret" in line and "empty" not in line]
    _, told, _ = called(mlops, *line, "--json")
    assert set(json.loads(told)["notes"]["out_of_range"]) == {"size"}


@pytest.mark.parametrize(("denied", "code"), [("price", 2), ("'*'", 0)])
def test_a_target_that_the_settings_name_is_not_trained_on(called, tmp_path, denied, code):
    workspace = Workspace.create(tmp_path / "ws", settings_text=DENY.replace("'*_secret'", denied))
    rows(1).to_csv(tmp_path / "prices.csv", index=False)
    line = ("--workspace", workspace.root, "--model", "price", "--data", tmp_path / "prices.csv", "--target", "price")
    found, _, err = called(mlops, "train", *line)
    assert found == code
    told = (
        "explanation.denied_columns names 'price', the target: what a model answers are values of it, and the names of "
        "its classes. Take it off the list, or train on another target."
    )
    assert (told in err) is (code == 2)


def test_a_profile_names_a_denied_column_without_its_values(shop):
    found = version_profile(shop, "price")
    by_name = {each.name: each for each in found.features}
    assert (by_name["tax_secret"].mean, by_name["tax_secret"].least, by_name["tax_secret"].most) == (None, None, None)
    assert by_name["zip_secret"].levels == {}
    assert by_name["size"].mean is not None
    assert not [name for name in found.slices if "secret" in name]


def test_the_gates_of_a_file_know_the_denied_columns(shop, monkeypatch):
    monkeypatch.setattr(custom, "_registered", {})
    register_gate("secrets")(lambda frame: judge("secrets", frame["tax_secret"].max(), "<=", 1.0, reason="tax_secret"))
    settings = settings_in_force(shop.root)
    settings = replace(settings, quality_gates=replace(settings.quality_gates, custom_gates=("secrets",)))
    request = TrainRequest(model="price", data=shop.root.parent / "prices.csv", target="price")
    (gate,) = [each for each in gates_of_file(request, settings) if each.name == "secrets"]
    assert (gate.value, gate.blocks) == (None, True)
    assert "secret" not in gate.sentence


def test_the_nearest_rows_tell_no_outcome_of_a_denied_target(shop):
    request = ExplainRequest(model="price", row=0)
    assert all(near.actual is not None for near in explain_one(shop, request).report.nearest)
    text = shop.settings_file.read_text()
    try:
        shop.settings_file.write_text(text.replace("'*_secret'", "'*_secret', price"))
        nearest = explain_one(shop, request).report.nearest
    finally:
        shop.settings_file.write_text(text)
    assert [near.actual for near in nearest] == [None] * 3


def test_a_version_whose_target_is_denied_later_is_explained_without_its_name(shop, called, tmp_path, monkeypatch):
    version = Registry(shop).get("price", "1.0.0")
    stored = read_explanation(shop.artifacts_dir / version.path)
    config = tmp_path / "denied.yaml"
    for denied, scale in (("*", "price"), ("price", "the model's answer")):
        config.write_text(f"explanation: {{denied_columns: ['{denied}']}}\n")
        monkeypatch.setenv("BONDX_CONFIG", str(config))
        code, shown, _ = called(main, "--workspace", shop.root, "explain", "price", "--json")
        assert (code, json.loads(shown)["report"]["scale"]) == (0, scale)
        found = explain_one(shop, ExplainRequest(model="price", row=3))
        assert found.report.scale == scale
        assert all(near.actual is None for near in found.report.nearest)
        assert without_denied(stored, DenyList([denied])).scale == scale
