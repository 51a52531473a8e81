"""Members of registered ensembles as versions: their answers, their origin, and an A/B against the ensemble."""

import http.client
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from core.api import MLOpsConfig, ModelRegistry
from core.clock import utc_now
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create, load_model
from core.domains.table.models import TableModel, choice
from core.errors import NotFoundError, UsageError
from core.explain.conformal import CONFORMAL_NAME
from core.explain.stored import EXPLANATION_NAME
from core.models.ensembles.improvement import Improvement
from core.models.learners.algorithms import fit_once
from core.models.learners.samples import JudgingFold
from core.monitoring.data_profile import PROFILE_NAME
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.quality.gate import GateVerdict
from core.registry import Registry, Stage
from core.registry.contents import REPORT_NAME, read_object
from core.rollout import Rollouts, RolloutWorker, Strategy
from core.serving.access import Role, Tokens
from core.settings import Settings, settings_in_force
from core.settings.explanation import ExplanationSettings
from core.state import Workspace
from core.tables import Task, TaskRequest, describe, read_table
from core.tables.signature import SIGNATURE_NAME
from core.training import panels
from core.training.member_versions import NOT_MEASURED, register_member
from core.training.own_data import TrainRequest, evaluate_on_file, train_on_file
from core.training.reproduction import reproduce_data
from core.training.version_profile import profile_of_version
from tests.core.serving.in_process import serving
from tests.end_to_end import market
from tests.session_trained import ANA, put_live, recipe
from tests.waiting import PATIENCE_SECONDS

MEMBERS = {"members": "linear, lightgbm"}
FEW = ExplanationSettings(rows=20, background_rows=10)
BRIEF = msgspec.structs.replace(Settings(), explanation=FEW)
SESSION = recipe("bonds", "spread", "stacking", explanation=FEW)


@pytest.fixture
def settings_text() -> str:
    return """
policy: {promotion: {min_accuracy: 0.2, max_attainment_drop: 1.0}}
explanation: {rows: 20, background_rows: 10}
models:
  rents: {algorithm: blending, parameters: {members: "linear, lightgbm"}}
"""


@pytest.fixture
def stack(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The number of a live stack of spreads, trained by a session."""
    monkeypatch.setattr(panels, "VALIDATION_ROWS", 400)
    monkeypatch.setattr(panels, "TEST_ROWS", 600)
    models = {"spread": msgspec.structs.replace(SESSION.models["spread"], parameters=MEMBERS)}
    settings = msgspec.structs.replace(SESSION, models=models, max_epochs=1)
    return put_live(workspace, Registry(workspace), settings).version


@pytest.fixture
def blend(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The number of a blend of rents, trained on a file."""

    def shown(single, ensemble, group, **_):
        return Improvement(0.1, 0.05, 0.2, float(single.mean()), len(single), len(np.unique(group)))

    monkeypatch.setattr(choice, "improvement", shown)
    file = market.write_csv(tmp_path / "rents.csv", market.flats(200, seed=1))
    request = TrainRequest("rents", file, target="rent")
    return train_on_file(workspace, request, settings_in_force(workspace.root), actor=ANA).version.version


def test_a_member_of_a_session_is_measured_on_the_panels_of_its_session(workspace: Workspace, stack: str) -> None:
    registry = Registry(workspace)

    found = register_member(workspace, "spread", stack, "linear", BRIEF, actor=ANA, reason="to compare")

    made, ensemble = found.version, registry.get("spread", stack)
    assert (made.model, made.stage) == ("spread", Stage.DEVELOPMENT)
    assert made.lineage["parents"] == [ensemble.key]
    assert made.lineage["member"]["of"] == ensemble.key
    assert made.lineage["member"]["member"] == made.lineage["chosen"] == "linear"
    assert made.lineage["data"] == ensemble.lineage["data"]
    assert (made.run_id, made.session_id) == (ensemble.run_id, ensemble.session_id)
    assert f"test panels of {ensemble.session_id}" in found.measured
    assert 0.0 < made.metrics["attainment"] <= 1.0
    assert made.metrics["attainment"] != ensemble.metrics["attainment"]
    assert set(made.metrics) == {name for name in ensemble.metrics if not name.startswith("validation.")}
    assert [gate.name for gate in made.gates] == [gate.name for gate in ensemble.gates]
    assert made.gates[-1].name == "no_leak"
    bonds = panels.SessionPanels(SESSION).test("test").panel.frame
    with registry.opened("spread", stack) as whole, registry.opened("spread", made.version) as own:
        inside, taken = load_model(whole), load_model(own)
        (learner,) = inside.learners.values()
        scores = learner.member_scores(inside.matrices(bonds))
        np.testing.assert_array_equal(taken.score(bonds), scores[:, list(learner.members).index("linear")])
        held = HeldOutRows.read(own, made.key)
        assert {path.name for path in own.iterdir()} >= {PROFILE_NAME, HELD_OUT_NAME, CONFORMAL_NAME, EXPLANATION_NAME}
        report = read_object(own / REPORT_NAME)
        assert report["member"] == made.lineage["member"]
        assert "ensemble" not in report
        assert report["slices"] != read_object(whole / REPORT_NAME)["slices"]
    np.testing.assert_array_equal(np.isin(held.answer, taken.predict(bonds)), np.ones(len(held), dtype=bool))
    profile = profile_of_version(registry, "spread", made.version)
    assert profile.rows == profile_of_version(registry, "spread", stack).rows
    assert profile.held_out == len(bonds)


def test_draws_of_its_session_measure_no_member_and_new_bonds_do(
    workspace: Workspace, stack: str, tmp_path: Path
) -> None:
    registry = Registry(workspace)
    ensemble = registry.get("spread", stack)
    drawn = reproduce_data(ensemble.session_id, tmp_path, epochs=[1], panels=["validation"], workspace=workspace)

    for found in drawn:
        frame = pd.read_parquet(found.folder / "data.parquet")
        renamed = tmp_path / "renamed.csv"
        frame.assign(issuer_id=frame["issuer_id"] + "x").sample(frac=0.5, random_state=1).to_csv(renamed, index=False)
        with pytest.raises(UsageError, match=r"rows are rows that spread/\S+ and its members learned from, the first"):
            register_member(workspace, "spread", stack, "linear", BRIEF, actor=ANA, data=renamed)

    new = tmp_path / "new.csv"
    generate(PanelSettings(n_rows=400, seed=99)).frame.to_csv(new, index=False)
    made = register_member(workspace, "spread", stack, "linear", BRIEF, actor=ANA, data=new)

    assert f"none of them equals a row that {ensemble.key} learned from" in made.measured
    assert set(made.version.lineage["data"]) == {"draws", "validation", "test"}
    assert made.version.metrics["skill"] > made.version.metrics["skill_low"] > 0
    assert {gate.name: gate.verdict for gate in made.version.gates}["beats_constant"] is GateVerdict.PASS


def test_a_member_and_its_ensemble_share_the_traffic_of_an_experiment(workspace: Workspace, stack: str) -> None:
    registry = Registry(workspace)
    made = register_member(workspace, "spread", stack, "linear", BRIEF, actor=ANA).version.version
    registry.apply(registry.plan_promotion("spread", made), actor=ANA)
    rollouts = Rollouts(workspace)
    proposal = rollouts.plan("spread", made, Strategy.AB, share=0.5)
    assert proposal.allowed, proposal.refusal
    rollouts.start(proposal, actor=ANA)
    RolloutWorker(workspace).tick(utc_now())
    bonds = panels.SessionPanels(SESSION).test("test").panel.frame
    with registry.opened("spread", stack) as whole, registry.opened("spread", made) as own:
        models = {stack: load_model(whole), made: load_model(own)}
    names = [name.name for name in models[stack].row_scorer().fields]
    table = bonds[bonds["maturity_years"].between(0.1, 60)].head(40)
    asked = msgspec.json.decode(table[names].to_json(orient="records", double_precision=15, date_format="iso"))
    expected = {version: model.predict(table) for version, model in models.items()}

    answered = set()
    with serving(workspace) as (_, ask, _until):
        for place, row in enumerate(asked):
            status, found = ask({k: str(v)[:10] if k.endswith("_date") else v for k, v in row.items()}, f"desk-{place}")
            assert status == 200, found
            (answer,) = [entry for name, entry in found.items() if name in ("prediction", "predictions")]
            value = answer[0] if isinstance(answer, list) else answer
            assert float(value) == pytest.approx(expected[found["version"]][place], rel=1e-6)
            answered.add(found["version"])

    assert answered == {stack, made}


def test_a_member_of_an_ensemble_of_a_file_has_figures_only_of_rows_that_it_has_not_learned_from(
    workspace: Workspace, blend: str, tmp_path: Path
) -> None:
    registry, settings = Registry(workspace), settings_in_force(workspace.root)
    ensemble = registry.get("rents", blend)

    bare = register_member(workspace, "rents", blend, "linear", settings, actor=ANA)

    assert (bare.measured, bare.version.metrics) == (NOT_MEASURED, {})
    assert [gate.name for gate in bare.version.gates] == [
        gate.name for gate in ensemble.gates if gate.name not in ("no_leak", "beats_constant")
    ]
    with registry.opened("rents", bare.version.version) as own:
        assert (own / SIGNATURE_NAME).exists()
        assert not (own / HELD_OUT_NAME).exists()
        assert not (own / CONFORMAL_NAME).exists()
    assert profile_of_version(registry, "rents", bare.version.version).prediction is None
    again = register_member(workspace, "rents", blend, "linear", settings, actor=ANA)
    assert (again.version, bare.is_new, again.is_new) == (bare.version, True, False)
    assert again.told().startswith(f"rents {bare.version.version} is this member already, registered on ")
    staging = registry.plan_promotion("rents", bare.version.version)
    assert staging.allowed
    assert "was registered without" in next(g for g in staging.gates if g.name == "min_accuracy").sentence

    new = market.write_csv(tmp_path / "new.csv", market.flats(200, seed=2))
    measured = register_member(workspace, "rents", blend, "linear", settings, actor=ANA, data=new)

    assert "200 rows of a file" in measured.measured
    assert f"none of them equals a row that rents/{blend} learned from" in measured.measured
    made = measured.version
    assert made.metrics == evaluate_on_file(workspace, "rents", new, version=made.version).metrics
    assert [gate.name for gate in made.gates] == [gate.name for gate in ensemble.gates]
    assert made.lineage["data"]["test"]["n_rows"] == 200
    # The gate compares both on these rows: those that measured the ensemble were others.
    of_ensemble = evaluate_on_file(workspace, "rents", new, version=blend).metrics
    assert made.lineage["member"]["whole_metrics"] == of_ensemble
    with registry.opened("rents", blend) as whole, registry.opened("rents", made.version) as own:
        inside, taken = load_model(whole), load_model(own)
        held = HeldOutRows.read(own, made.key)
        frame = held.rows
        scores = inside.learner.member_scores(inside.matrix(frame))
        np.testing.assert_array_equal(taken.predict(frame), inside.scale[0] + inside.scale[1] * scores[:, 0])
        np.testing.assert_array_equal(taken.predict(frame), held.answer)
    assert (
        "of the panel test"
        in next(g for g in registry.plan_promotion("rents", made.version).gates if g.name == "min_accuracy").window
    )

    shuffled = tmp_path / "shuffled.csv"
    header, *lines = (tmp_path / "rents.csv").read_text().splitlines()
    shuffled.write_text("\n".join([header, *reversed(lines)]) + "\n")
    with pytest.raises(UsageError, match=r"all figures of its columns are those of the rows that .* learned from"):
        register_member(workspace, "rents", blend, "linear", settings, actor=ANA, data=shuffled)
    part = tmp_path / "part.csv"
    part.write_text("\n".join([*new.read_text().splitlines(), *reversed(lines[50:120])]) + "\n")
    with pytest.raises(
        UsageError, match=r"70 of its 270 rows are rows that .* learned from, the first of them line 202"
    ):
        register_member(workspace, "rents", blend, "linear", settings, actor=ANA, data=part)
    with pytest.raises(UsageError, match="its members learned from this file"):
        register_member(workspace, "rents", blend, "linear", settings, actor=ANA, data=tmp_path / "rents.csv")
    with pytest.raises(NotFoundError, match=rf"rents {blend} has no member 'xgboost' .* Members: linear, lightgbm"):
        register_member(workspace, "rents", blend, "xgboost", settings, actor=ANA)
    assert registry.numbers("rents") == [blend, bare.version.version, made.version]


@pytest.mark.parametrize("classes", [0, 2])
def test_members_that_no_table_is_trained_with_alone_are_taken_out_like_others(tmp_path: Path, classes: int) -> None:
    flats = [flat if not classes else flat._replace(rent=float(flat.rent > 900)) for flat in market.flats(80, seed=1)]
    table = read_table(market.write_csv(tmp_path / "rents.csv", flats))
    signature = describe(table, TaskRequest(target="rent", task=Task.CLASSIFICATION if classes else None))
    members = "linear, random_forest, hist_gradient_boosting"
    whole = TableModel.described(signature, algorithm="voting", parameters={"members": members, "folds": 2})
    learner, frame = whole.learner_of(fit_once("voting")), table.frame
    rows = whole._rows(frame, whole.target_of(frame))
    learner.tune(rows, [JudgingFold(np.arange(0, 80, 2), np.arange(1, 80, 2))], seed=1)
    whole.adopt(learner, len(frame), account={}, importance={})

    for member, inside in learner.members.items():
        whole.member(member).save(tmp_path / member)
        taken = load_model(tmp_path / member)
        expected = inside.answer(whole.matrix(frame))
        expected = expected[:, 1] if classes else whole.scale[0] + whole.scale[1] * expected
        np.testing.assert_array_equal(taken.predict(frame), expected)
        assert taken.report()["ships"] == member
        assert sum(taken.feature_importance().values()) == pytest.approx(1.0)


@pytest.fixture
def bare(workspace: Workspace, tmp_path: Path) -> str:
    """The number of an ensemble that was registered from a folder, of which nothing else is known."""
    model = create("spread", algorithm="voting", settings=MEMBERS)
    model.update(generate(PanelSettings(n_rows=150, seed=1)), seed=1)
    model.save(tmp_path / "voting")
    found = Registry(workspace).register("spread", tmp_path / "voting", metrics={}, lineage={}, gates=(), actor=ANA)
    return found.version


def test_python_and_http_register_a_member(workspace: Workspace, bare: str) -> None:
    models = ModelRegistry(MLOpsConfig.from_yaml(workspace=workspace.root))

    by_python = models.register_member("spread", bare, "linear")

    assert by_python.lineage["member"]["of"] == f"spread/{bare}"
    assert by_python.metrics == {}
    token = Tokens(workspace).create("desk", Role.OPERATOR, actor=ANA)[1]
    with serving(workspace) as (server, _, _until):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        told = []
        for member in ("lightgbm", "xgboost"):
            wish = msgspec.json.encode({"member": member, "reason": "to compare"})
            headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
            connection.request("POST", f"/api/v1/models/spread/versions/{bare}/members", wish, headers)
            answer = connection.getresponse()
            told.append((answer.status, msgspec.json.decode(answer.read())))
        connection.close()
    (status, made), (refused, problem) = told
    assert (status, made["lineage"]["member"]["member"]) == (201, "lightgbm")
    assert refused == 404
    assert "Members: linear, lightgbm." in str(problem)


def test_the_command_says_on_which_rows_a_member_was_measured(workspace: Workspace, bare: str, called) -> None:
    command = ("--workspace", workspace.root, "registry", "member", "spread", bare)

    code, told, _ = called(main, *command, "linear", "--reason", "to compare")

    assert code == 0
    assert f"It is linear, a member of spread/{bare}, and answers as it does there. {NOT_MEASURED}" in told
    code, _, problem = called(main, *command, "forest")
    assert (code, "Members: linear, lightgbm." in problem) == (2, True)
