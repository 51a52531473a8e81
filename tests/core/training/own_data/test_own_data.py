"""From a file to a version: clean splits, reproducible bytes, and nothing written for a bad file."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.actor import Actor, Origin
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import load_model
from core.domains.table.models import TableModel
from core.errors import RefusedError
from core.models.errors import UnknownAlgorithmError
from core.quality import custom, judge, register_gate
from core.quality.custom import UnknownGateError
from core.registry import Registry, Stage
from core.registry.card import CARD_NAME, RegistrationCard
from core.settings import ModelSettings, PolicySource, QualityGates, Settings
from core.settings.attainment import AttainmentSettings
from core.settings.training import EnsembleSettings
from core.state import Workspace
from core.tables import TableError, TableSignature, Task
from core.tracking import Runs, RunStatus
from core.training.errors import GatesFailedError
from core.training.own_data import TrainRequest, evaluate_on_file, register_path, train_on_file
from core.training.own_data.preparation import prepare

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
FAST = Settings(models={name: ModelSettings(algorithm="linear") for name in ("price", "late", "spread", "downgrade")})


@pytest.fixture(scope="session")
def own(tmp_path_factory) -> Path:
    """Two draws of one world: learn.csv and test.csv."""
    folder = tmp_path_factory.mktemp("own")
    for name, seed, n in (("learn", 1, 600), ("test", 2, 400)):
        rng = np.random.default_rng(seed)
        desk = rng.integers(0, 50, n)
        frame = pd.DataFrame({"size": rng.normal(size=n), "grade": rng.choice(["A", "B"], n), "desk": desk})
        frame["desk"] = frame["desk"].map("d{:02d}".format)
        frame["day"] = rng.integers(0, 100, n)
        score = 2 * frame["size"] + (frame["grade"] == "A") + rng.normal(size=n)
        frame["price"], frame["late"] = score, np.where(score > 1, "yes", "no")
        frame.round(4).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def bonds(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bonds")
    for name, seed, n in (("learn", 3, 500), ("test", 4, 300)):
        generate(PanelSettings(n_rows=n, seed=seed)).bonds.to_csv(folder / f"{name}.csv", index=False)
    return folder


def folder_hashes(workspace: Workspace, path: str) -> dict[str, str]:
    folder = workspace.artifacts_dir / path
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_a_file_becomes_a_tracked_run_and_a_version_with_its_evidence(workspace, own):
    request = TrainRequest("price", own / "learn.csv", target="price", group="desk")
    trained = train_on_file(workspace, request, FAST, actor=ANA)

    version, folder = trained.version, workspace.artifacts_dir / trained.version.path
    sha256 = hashlib.sha256((own / "learn.csv").read_bytes()).hexdigest()
    assert (version.model, version.version, version.stage) == ("price", "1.0.0", Stage.DEVELOPMENT)
    assert version.lineage["data"]["file"]["sha256"] == sha256
    assert version.metrics["r2_low"] < version.metrics["r2"] < version.metrics["r2_high"]
    assert {gate.name for gate in version.gates} == {"coverage", "no_leak", "beats_constant"}
    run = Runs(workspace).get(version.run_id)
    assert (run.status, run.data_hashes) == (RunStatus.FINISHED, {"learn.csv": sha256})
    assert run.metrics["mae"] == pytest.approx(version.metrics["mae"])
    assert len(run.artifacts) == 2
    report = json.loads((folder / "report.json").read_text())
    assert (report["split"]["n_trained"], report["split"]["n_tested"]) == (480, 600)  # each predicted without it
    assert "attainment" not in report
    assert "estimated_attainment" not in version.metrics
    assert set(report["slices"]) == {"grade=A", "grade=B", "late=no", "late=yes"}
    signature = TableSignature.read(folder)
    assert signature is not None
    assert signature.names == ("size", "grade", "day", "late")
    assert load_model(Registry(workspace).load_path("price", "1.0.0")).predict(pd.read_csv(own / "test.csv")).shape == (
        400,
    )


@pytest.mark.parametrize(("target", "combined"), [("price", True), ("speed", False)], ids=["number", "three classes"])
def test_the_settings_switch_on_an_ensemble_of_a_file_where_its_task_allows_it(target, combined, workspace, tmp_path):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"size": rng.normal(size=120), "price": rng.normal(size=120)})
    frame["speed"] = np.array(["slow", "mid", "fast"])[np.digitize(frame["size"], [-0.5, 0.5])]
    frame["price"] += 3 * frame["size"]
    frame.to_csv(tmp_path / "data.csv", index=False)
    members = EnsembleSettings(enable_blending=True, base_models=("linear", "lightgbm"))

    request = TrainRequest(target, tmp_path / "data.csv", target=target)
    trained = train_on_file(workspace, request, Settings(ensemble=members), actor=ANA)

    assert ("ensemble" in trained.report) is combined
    assert any("trained singly" in note for note in trained.notes) is not combined
    if combined:
        assert [entry["member"] for entry in trained.report["ensemble"]["members"]] == ["linear", "lightgbm"]


@pytest.mark.journey
def test_the_same_file_and_seed_give_the_same_bytes_under_another_name(workspace, own, tmp_path):
    (tmp_path / "copy.csv").write_bytes((own / "learn.csv").read_bytes())
    settings = Settings(random_seed=7)
    first, again = (
        train_on_file(workspace, TrainRequest("late", file, target="late"), settings, actor=ANA).version
        for file in (own / "learn.csv", tmp_path / "copy.csv")
    )

    assert (first.version, again.version) == ("1.0.0", "1.0.1")
    assert first.manifest_sha256 == again.manifest_sha256
    assert folder_hashes(workspace, first.path) == folder_hashes(workspace, again.path)


@pytest.mark.parametrize(
    ("model", "target", "estimated"), [("price", "price", True), ("odd", None, False)], ids=["number", "anomalies"]
)
def test_the_settings_ask_for_the_attainment_of_a_file(model, target, estimated, workspace, own):
    request = TrainRequest(model, own / "learn.csv", target=target, task=None if target else Task.ANOMALY, group="desk")
    settings = msgspec.structs.replace(FAST, attainment=AttainmentSettings(tables=2))
    trained = train_on_file(workspace, request, settings, actor=ANA)
    metrics = trained.version.metrics

    assert ("estimated_attainment" in metrics) is estimated
    assert "attainment" in trained.seconds
    if estimated:
        low, value, high = (metrics[f"estimated_attainment{end}"] for end in ("_low", "", "_high"))
        assert low < value < high
        assert Runs(workspace).get(trained.version.run_id).metrics["estimated_attainment"] == value
        assert trained.report["attainment"]["n_learned"] == 480
    else:
        assert trained.report["attainment"] == {"why_not": "detection without labels has no loss"}


def test_no_group_is_in_both_training_and_test_rows(own):
    from core.tables import read_table

    request = TrainRequest("price", own / "learn.csv", target="price", group="desk", time="day")
    for seed in range(5):
        prepared = prepare(read_table(own / "learn.csv"), request, ModelSettings(), random_seed=seed)
        learned, tested = prepared.frame[prepared.split.learn], prepared.frame[prepared.split.held]
        assert not set(learned["desk"]) & set(tested["desk"])
        assert learned["day"].max() < tested["day"].min()
        assert "desk" not in prepared.signature.names


@pytest.mark.parametrize(("group", "time"), [(None, None), ("desk", None), (None, "day"), ("desk", "day")])
def test_what_ships_has_learned_from_all_rows_and_was_tested_before(group, time, workspace, own):
    request = TrainRequest("price", own / "learn.csv", target="price", group=group, time=time)
    trained = train_on_file(workspace, request, FAST, actor=ANA)
    report, split = trained.report, trained.report["split"]

    assert report["n_rows"] == split["n_shipped"] == 600
    assert "then learned from all rows, " in report["notice"]
    assert f"Intervals are 95 %, over {'groups' if group else 'instants' if time else 'rows'}." in report["notice"]
    if time is None:
        assert (split["n_trained"], split["n_tested"], split["n_unused"]) == (480, 600, 0)
        assert "each was predicted by models that did not learn from it" in report["notice"]
    else:
        assert split["n_trained"] + split["n_tested"] + split["n_unused"] == 600
        assert "the test rows included" in report["notice"]


@pytest.mark.parametrize(("group", "time"), [(None, None), ("desk", None), (None, "day"), ("desk", "day")])
def test_the_verdict_on_a_small_table_does_not_depend_on_the_seed(group, time, workspace, own):
    request = TrainRequest("price", own / "learn.csv", target="price", group=group, time=time)
    versions = [
        train_on_file(workspace, request, Settings(random_seed=seed, models=FAST.models), actor=ANA).version
        for seed in (1, 2)
    ]

    assert versions[0].metrics == versions[1].metrics
    assert versions[0].gates == versions[1].gates


def test_rows_of_one_day_are_one_piece_of_evidence(workspace, tmp_path):
    dice = np.random.default_rng(5)
    day = np.repeat(np.arange(60), 10)
    frame = pd.DataFrame({"t": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, "D"), "x": dice.normal(size=600)})
    frame["y"] = dice.normal(size=60)[day] + 0.1 * dice.normal(size=600)
    frame.to_csv(tmp_path / "shocks.csv", index=False)
    request = TrainRequest("shocks", tmp_path / "shocks.csv", target="y", time="t")
    trained = train_on_file(workspace, request, FAST, actor=ANA)
    low, high = (trained.report["metrics"][f"mae_{edge}"] for edge in ("low", "high"))
    of_rows = 1.96 * np.std(np.abs(frame["y"])) / np.sqrt(trained.report["split"]["n_tested"])
    assert (high - low) / 2 > 2 * of_rows  # ten rows a day: √10 times as wide


def test_an_evaluation_says_which_rows_were_learned_and_does_without_rows_that_cannot_be_read(workspace, own, tmp_path):
    trained = train_on_file(workspace, TrainRequest("price", own / "learn.csv", target="price"), FAST, actor=ANA)
    pd.read_csv(own / "learn.csv").head(100).to_csv(tmp_path / "part.csv", index=False)
    assert evaluate_on_file(workspace, "price", tmp_path / "part.csv").n_learned == 100

    shutil.copytree(workspace.artifacts_dir / trained.version.path, tmp_path / "again")
    for name in ("MANIFEST.json", "registration.json"):
        (tmp_path / "again" / name).unlink()
    (tmp_path / "again" / "held_out.parquet").chmod(0o600)
    (tmp_path / "again" / "held_out.parquet").write_text("the rows of another program")
    lineage = {"data": None}
    Registry(workspace).register("again", tmp_path / "again", metrics={}, lineage=lineage, gates=(), actor=ANA)
    found = evaluate_on_file(workspace, "again", tmp_path / "part.csv")
    assert (found.n_learned, found.n_rows) == (0, 100)


def test_what_ships_knows_the_newest_level(workspace, tmp_path):
    rng = np.random.default_rng(1)
    day = np.arange(500)
    frame = pd.DataFrame({"day": day, "week": day // 7, "price": np.where(day < 400, 0.0, 10.0) + rng.normal(size=500)})
    frame["noise"] = rng.normal(size=500)
    frame.to_csv(tmp_path / "data.csv", index=False)
    request = TrainRequest("price", tmp_path / "data.csv", target="price", time="day")
    settings = Settings(models={"price": ModelSettings(algorithm="linear")})
    trained = train_on_file(workspace, request, settings, actor=ANA)
    model = load_model(workspace.artifacts_dir / trained.version.path)

    assert trained.report["ships"] == "constant"  # the days of training all had one level
    assert model.predict(frame[-1:])[0] == pytest.approx(frame["price"].mean())


def test_a_model_that_only_memorises_groups_is_exposed(workspace, tmp_path):
    """Memorised desks do not help with a new desk, and the test metrics show it."""
    rng = np.random.default_rng(1)
    desk = rng.integers(0, 50, 600)
    effect = rng.normal(size=50)
    frame = pd.DataFrame(
        {"desk": desk, "mark": effect[desk] * 1e-3 + desk, "price": effect[desk] + rng.normal(0, 0.1, 600)}
    )
    frame.to_csv(tmp_path / "data.csv", index=False)
    settings = Settings(models={"price": ModelSettings(algorithm="lightgbm")})

    leaky = train_on_file(workspace, TrainRequest("price", tmp_path / "data.csv", target="price"), settings, actor=ANA)
    honest = train_on_file(
        workspace, TrainRequest("price", tmp_path / "data.csv", target="price", group="desk"), settings, actor=ANA
    )

    assert leaky.version.metrics["r2"] > 0.7
    assert honest.version.metrics["r2"] < 0.3
    assert next(gate for gate in honest.version.gates if gate.name == "beats_constant").blocks


@pytest.mark.parametrize(
    ("target", "copies"),
    [
        pytest.param("price", {"settled": lambda rows: rows["price"] * 100 + 3}, id="a number"),
        pytest.param(
            "price",
            {"in_euro": lambda rows: rows["price"] * 0.9, "settled": lambda rows: rows["price"] * 100 + 3},
            id="a repeated number",
        ),
        pytest.param(
            "late",
            {"closed": lambda rows: rows["late"].map({"yes": "c", "no": "o"}), "fined": lambda rows: rows["late"]},
            id="a repeated class",
        ),
    ],
)
def test_a_column_that_alone_predicts_the_target_is_reported(target, copies, workspace, own, tmp_path):
    other = {"price": "late", "late": "price"}[target]  # one tells the other
    frame = pd.read_csv(own / "learn.csv").assign(**copies).drop(columns=other)
    frame.to_csv(tmp_path / "data.csv", index=False)

    trained = train_on_file(workspace, TrainRequest(target, tmp_path / "data.csv", target=target), FAST, actor=ANA)

    gate = next(gate for gate in trained.version.gates if gate.name == "no_leak")
    assert not gate.passed
    assert set(gate.offending) <= set(copies)


def test_the_run_of_a_killed_training_is_lost_and_does_not_stay_running(workspace, own, monkeypatch):
    begun = []
    monkeypatch.setattr(TableModel, "fit", lambda *_, **__: begun.extend(Runs(workspace).all()) or sys.exit())

    with pytest.raises(SystemExit):
        train_on_file(workspace, TrainRequest("price", own / "learn.csv", target="price"), FAST, actor=ANA)

    assert begun[0].lost_after_seconds == PolicySource(workspace.root).policy().tracking.lost_after_seconds
    assert Runs(workspace).get(begun[0].run_id).status is RunStatus.STOPPED


def test_columns_that_predict_the_target_only_together_are_not_a_leak(workspace, own, tmp_path):
    pd.read_csv(own / "learn.csv").drop(columns="late").to_csv(tmp_path / "data.csv", index=False)

    trained = train_on_file(workspace, TrainRequest("price", tmp_path / "data.csv", target="price"), FAST, actor=ANA)

    assert next(gate for gate in trained.version.gates if gate.name == "no_leak").passed
    assert trained.report["single_feature_leak"]["column"] == "size"
    assert trained.report["single_feature_leak"]["share"] < 0.9


def test_the_version_number_reflects_the_change(workspace, own, tmp_path):
    frame = pd.read_csv(own / "learn.csv")
    frame.iloc[:500].to_csv(tmp_path / "fewer.csv", index=False)
    frame.drop(columns="day").to_csv(tmp_path / "narrower.csv", index=False)
    files = (own / "learn.csv", own / "learn.csv", tmp_path / "fewer.csv", tmp_path / "narrower.csv")

    versions = [
        train_on_file(workspace, TrainRequest("price", file, target="price"), FAST, actor=ANA).version.version
        for file in files
    ]

    assert versions == ["1.0.0", "1.0.1", "1.1.0", "2.0.0"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"price": np.nan}, id="an empty target"),
        pytest.param({"price": 1.0}, id="a constant target"),
        pytest.param({"size": np.inf}, id="an infinite feature"),
        pytest.param(dict.fromkeys(("size", "grade", "desk", "day", "late"), np.nan), id="empty features"),
    ],
)
def test_a_bad_file_leaves_no_run_and_no_version(change, workspace, own, tmp_path):
    pd.read_csv(own / "learn.csv").assign(**change).to_csv(tmp_path / "bad.csv", index=False)

    with pytest.raises(TableError, match=r"bad\.csv"):
        train_on_file(workspace, TrainRequest("price", tmp_path / "bad.csv", target="price"), FAST, actor=ANA)

    assert Registry(workspace).models() == []
    assert Runs(workspace).all() == []


def test_no_model_is_trained_on_data_that_fails_a_blocking_gate(workspace, own, tmp_path):
    frame = pd.read_csv(own / "learn.csv")
    frame.loc[::2, "size"] = np.nan
    frame.to_csv(tmp_path / "gaps.csv", index=False)
    strict = Settings(quality_gates=QualityGates(coverage_min=95))

    with pytest.raises(GatesFailedError, match="size 50% empty") as caught:
        train_on_file(workspace, TrainRequest("price", tmp_path / "gaps.csv", target="price"), strict, actor=ANA)

    assert caught.value.exit_code == 1
    assert Runs(workspace).all() == []


@pytest.fixture
def house_gate(monkeypatch):
    """Register a custom gate that counts rows and corrupts its frame."""
    monkeypatch.setattr(custom, "_registered", {})

    @register_gate("house_rows")
    def house_rows(frame, settings):
        assert "price" in frame
        frame["price"] = 0.0
        return judge("house_rows", len(frame), ">=", 500, unit="rows", n_samples=len(frame))

    return Settings(quality_gates=QualityGates(custom_gates=("house_rows",)), models=FAST.models)


def test_a_custom_gate_checks_a_users_table_and_cannot_change_it(workspace, own, house_gate):
    request = TrainRequest("price", own / "learn.csv", target="price")
    plain, judged = (train_on_file(workspace, request, settings, actor=ANA).version for settings in (FAST, house_gate))

    assert {gate.name for gate in plain.gates} == {"coverage", "no_leak", "beats_constant"}
    assert [gate.name for gate in judged.gates if not (gate.n_samples and gate.window)] == []
    promotion = Registry(workspace).plan_promotion("price", judged.version, Stage.STAGING)
    rested_on = next(gate for gate in promotion.gates if gate.name == "quality_gates")
    assert rested_on.basis == "on 600 rows of the training data"  # not its 1,800 cells
    gate = next(gate for gate in judged.gates if gate.name == "house_rows")
    assert (gate.passed, gate.value, gate.n_samples) == (True, 600, 600)
    card = RegistrationCard.read(workspace.artifacts_dir / judged.path)
    assert gate in card.gates
    before, after = (folder_hashes(workspace, version.path) for version in (plain, judged))
    assert {name for name in before if before[name] != after[name]} == {CARD_NAME, "MANIFEST.json"}


def test_a_failing_custom_gate_blocks_training_on_a_users_table(workspace, own, house_gate):
    request = TrainRequest("price", own / "test.csv", target="price")
    with pytest.raises(GatesFailedError, match=r"house_rows: 400 rows \(at least 500\)"):
        train_on_file(workspace, request, house_gate, actor=ANA)
    assert Runs(workspace).all() == []


@pytest.mark.parametrize("model", ["price", "spread"])
def test_an_unknown_gate_is_refused_before_the_file_is_read(workspace, house_gate, model):
    settings = Settings(quality_gates=QualityGates(custom_gates=("house_rows", "huose_rows")))
    request = TrainRequest(model, Path("there-is-no-such-file.csv"), target="price")
    with pytest.raises(UnknownGateError, match=r"'huose_rows'. Known custom gates: house_rows"):
        train_on_file(workspace, request, settings, actor=ANA)
    assert Runs(workspace).all() == []


def test_a_failed_training_ends_its_run_as_failed(workspace, own, monkeypatch):
    from core.domains.table.models import TableModel

    def fail(*_, **__):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(TableModel, "fit", fail)
    with pytest.raises(RuntimeError):
        train_on_file(workspace, TrainRequest("price", own / "learn.csv", target="price"), FAST, actor=ANA)

    assert [run.status for run in Runs(workspace).all()] == [RunStatus.FAILED]
    assert Registry(workspace).models() == []


@pytest.mark.parametrize(
    ("model", "metrics"),
    [
        pytest.param("spread", {"mae", "rmse", "r2", "skill"}, id="spread"),
        pytest.param("downgrade", {"auc", "log_loss", "accuracy", "skill"}, id="downgrade"),
        pytest.param("liquidity_shock", {"auc", "log_loss", "accuracy"}, id="liquidity shock"),
        pytest.param("anomaly", {"auc", "average_precision", "flagged_share"}, id="anomaly"),
    ],
)
def test_a_bond_model_learns_from_a_users_own_bonds(model, metrics, workspace, bonds):
    trained = train_on_file(workspace, TrainRequest(model, bonds / "learn.csv"), FAST, actor=ANA)
    found = evaluate_on_file(workspace, model, bonds / "test.csv")

    assert load_model(workspace.artifacts_dir / trained.version.path).name == model
    assert metrics <= trained.version.metrics.keys()
    assert metrics - {"skill"} <= found.metrics.keys()
    assert "attainment" not in trained.version.metrics  # the truth about real bonds is unknown
    assert trained.report["split"]["method"] == "whole groups"


def test_the_models_of_a_users_own_bonds_are_stacked_where_the_settings_name_it(workspace, bonds, tmp_path):
    named = ModelSettings(algorithm="model_stacking", parameters={"member_algorithm": "linear", "folds": 2})
    settings = Settings(models={"spread": named})

    trained = train_on_file(workspace, TrainRequest("spread", bonds / "learn.csv"), settings, actor=ANA)

    members = [entry["member"] for entry in trained.report["ensemble"]["members"]]
    assert members == ["spread", "downgrade", "liquidity_shock"]
    assert "mae" in evaluate_on_file(workspace, "spread", bonds / "test.csv").metrics
    assert "market_implied_gap" not in trained.report["features"]
    pd.read_csv(bonds / "learn.csv").drop(columns="liquidity_shock_1m").to_csv(tmp_path / "some.csv", index=False)
    with pytest.raises(UnknownAlgorithmError, match="model_stacking"):
        train_on_file(workspace, TrainRequest("spread", tmp_path / "some.csv"), settings, actor=ANA)


def test_models_as_members_are_left_out_of_a_file_which_the_notes_say(workspace, tmp_path):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"size": rng.normal(size=120)})
    frame.assign(price=3 * frame["size"] + rng.normal(size=120)).to_csv(tmp_path / "data.csv", index=False)
    settings = Settings(ensemble=EnsembleSettings(enable_stacking=True, base_models=("spread", "downgrade")))

    request = TrainRequest("price", tmp_path / "data.csv", target="price")
    trained = train_on_file(workspace, request, settings, actor=ANA)

    assert "ensemble" not in trained.report
    assert any("spread, downgrade cannot be combined on a file" in note for note in trained.notes)


def test_a_bond_models_name_on_other_columns_makes_a_table_model_with_a_note(workspace, bonds, tmp_path):
    frame = pd.read_csv(bonds / "learn.csv").drop(columns=["credit_cycle", "vix"])
    frame.to_csv(tmp_path / "some.csv", index=False)

    trained = train_on_file(workspace, TrainRequest("spread", tmp_path / "some.csv"), FAST, actor=ANA)

    assert load_model(workspace.artifacts_dir / trained.version.path).name == "table"
    assert trained.report["target"] == "spread_bps"
    assert "credit_cycle" in trained.notes[0]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        pytest.param("rating", "Aa1", "'Aa1' is not a known rating", id="another agency's scale"),
        pytest.param("as_of_date", "soon", "not a date", id="an invalid date"),
        pytest.param("leverage_x", "high", "'leverage_x'", id="a word for a number"),
    ],
)
def test_bonds_that_contradict_the_column_dictionary_are_refused_with_column_and_value(
    column, value, words, workspace, bonds, tmp_path
):
    frame = pd.read_csv(bonds / "learn.csv").astype({column: object})
    frame[column] = value
    frame.to_csv(tmp_path / "odd.csv", index=False)

    with pytest.raises(TableError, match=words):
        train_on_file(workspace, TrainRequest("spread", tmp_path / "odd.csv"), FAST, actor=ANA)


def test_an_evaluation_reports_unseen_values_and_reused_training_data(workspace, own, tmp_path):
    train_on_file(workspace, TrainRequest("late", own / "learn.csv", target="late"), FAST, actor=ANA)
    frame = pd.read_csv(own / "test.csv")
    frame.loc[0, "grade"], frame.loc[1, "size"] = "Z", 99.0
    frame.to_csv(tmp_path / "strange.csv", index=False)

    other = evaluate_on_file(workspace, "late", tmp_path / "strange.csv")
    same = evaluate_on_file(workspace, "late", own / "learn.csv", version="1.0.0")

    assert {"auc", "log_loss", "accuracy"} <= other.metrics.keys()
    assert (other.notes.unseen_levels["grade"], other.notes.out_of_range["size"]) == (1, 1)
    assert not other.was_trained_on
    assert same.was_trained_on


def test_a_target_of_whole_numbers_may_later_have_decimals(workspace, own, tmp_path):
    pd.read_csv(own / "learn.csv").round({"price": 0}).to_csv(tmp_path / "whole.csv", index=False)
    train_on_file(workspace, TrainRequest("price", tmp_path / "whole.csv", target="price"), FAST, actor=ANA)

    assert evaluate_on_file(workspace, "price", own / "test.csv").metrics["r2"] > 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda f: f.drop(columns="size"), "'size': it is missing", id="a feature is missing"),
        pytest.param(
            lambda f: f[["size"]].rename(columns={"size": "x"}),
            r"it is missing\. The model reads",
            id="all are missing",
        ),
        pytest.param(lambda f: f.drop(columns="late"), "no column 'late'", id="the target is missing"),
        pytest.param(lambda f: f.assign(late="perhaps"), "'perhaps' is not a class", id="a class never learned"),
        pytest.param(lambda f: f.assign(size="big"), "'big' is not a number", id="words for numbers"),
    ],
)
def test_test_data_that_violate_the_signature_are_refused_with_the_place(change, words, workspace, own, tmp_path):
    train_on_file(workspace, TrainRequest("late", own / "learn.csv", target="late"), FAST, actor=ANA)
    change(pd.read_csv(own / "test.csv")).to_csv(tmp_path / "test.csv", index=False)

    with pytest.raises(TableError, match=words):
        evaluate_on_file(workspace, "late", tmp_path / "test.csv")


def test_files_made_elsewhere_are_registered_with_their_metadata_and_number(workspace, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.json").write_text("[1]")
    (tmp_path / "model" / "report.json").write_text('{"metrics": {"accuracy": 0.9, "name": "x"}}')
    registry = Registry(workspace)

    def take(path: Path, version: str | None = None):
        return register_path(registry, "theirs", path, metadata={"owner": "ana"}, version=version, actor=ANA)

    first = take(tmp_path / "model")
    assert (first.version, first.metrics, first.lineage["metadata"]) == ("1.0.0", {"accuracy": 0.9}, {"owner": "ana"})
    (tmp_path / "model" / "weights.json").write_text("[2]")
    assert take(tmp_path / "model", "2.0.0").version == "2.0.0"
    with pytest.raises(RefusedError, match=r"2\.0\.1 or 2\.1\.0 or 3\.0\.0"):
        take(tmp_path / "model", "9.0.0")
    assert take(tmp_path / "model" / "weights.json").n_files >= 1


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.CLASSIFICATION], ids=str)
def test_a_requested_task_is_kept(task, workspace, own, tmp_path):
    frame = pd.read_csv(own / "learn.csv")
    frame.assign(stars=np.digitize(frame["price"], [0, 1])).to_csv(tmp_path / "data.csv", index=False)

    request = TrainRequest("price", tmp_path / "data.csv", target="stars", task=task)
    trained = train_on_file(workspace, request, FAST, actor=ANA)

    assert trained.report["task"] == task


@pytest.mark.usefixtures("without_lightgbm")
def test_without_lightgbm_the_user_is_told_which_algorithm_replaces_it(workspace, own, bonds):
    for request in (
        TrainRequest("price", own / "learn.csv", target="price"),
        TrainRequest("spread", bonds / "learn.csv"),
    ):
        trained = train_on_file(workspace, request, Settings(), actor=ANA)
        (warning,) = [note for note in trained.notes if "LightGBM" in note]
        assert "hist_gradient_boosting trains in its place" in warning
        assert trained.run.tags == {
            "kind": "own data",
            "warning": warning,
            "experiment_name": request.model,
            "model_type": trained.report.get("ships", "hist_gradient_boosting"),
        }
        assert trained.report["warnings"] == [warning]
