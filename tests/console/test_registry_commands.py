"""`bondx registry` and `bondx runs` from the shell: what goes in, what is found, what is kept and what goes."""

import functools
import json
from pathlib import Path

import pytest

import sample_configs
from bondx import AlertManager, CoreError, MLOpsConfig, ModelRegistry
from console.cli.main import main
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.governance import AuditLog
from core.quality.gate import judge
from core.registry import Registry
from core.state import Workspace
from core.tracking import track

BEN = Actor("ben", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BONDX_ENV", raising=False)
    assert main(["init"]) == 0
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace.open(home)


@pytest.fixture
def answer(home: Path, called):
    """Run a command and return its exit code, stdout and stderr."""
    return functools.partial(called, main)


@pytest.fixture
def register(answer, tmp_path: Path):
    def one_more(content: str, *more: str) -> dict:
        folder = tmp_path / "trained"
        folder.mkdir(exist_ok=True)
        (folder / "model.txt").write_text(content)
        code, out, err = answer(
            "registry", "register", "spread", "--path", folder, "--metric", "attainment=0.95", "--json", *more
        )
        assert code == 0, err
        return json.loads(out)

    return one_more


def test_a_folder_is_registered_with_its_metadata(register, answer) -> None:
    first = register("a", "--data", "train=ab12", "--tag", "owner=ana", "--description", "trees")
    second = register("b", "--data", "train=cd34", "--parent", "1.0.0")
    assert (first["version"], first["tags"], first["metrics"]) == ("1.0.0", {"owner": "ana"}, {"attainment": 0.95})
    assert (second["version"], second["bump"]) == ("1.1.0", "minor: the data changed since 1.0.0")
    code, out, _ = answer("registry", "lineage", "spread", "1.1.0")
    assert code == 0
    header, *drawn = out.splitlines()
    assert header.split() == ["VERSION", "STAGE", "ALIASES", "CHANGED", "CREATED", "METRIC", "DATA", "RUN"]
    assert [line.split()[:3] for line in drawn] == [["●", "1.1.0", "Development"], ["●", "1.0.0", "Development"]]
    assert "train cd34" in drawn[0]
    assert json.loads(answer("registry", "lineage", "spread", "--json")[1])["nodes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("--metric", "mae=low"), "'low' must be a finite number", id="metric"),
        pytest.param(("--tag", "owner"), "'owner' is not NAME=VALUE", id="tag"),
        pytest.param(("--run", "r-0404"), "There is no run 'r-0404'", id="run"),
        pytest.param(("--parent", "7.0.0"), "No model spread is registered", id="parent"),
    ],
)
def test_a_failed_registration_says_why(answer, tmp_path, arguments, says) -> None:
    (tmp_path / "model.txt").write_text("a")
    code, _, err = answer("registry", "register", "spread", "--path", tmp_path / "model.txt", *arguments)
    assert code == 2
    assert says in err


def test_an_alias_is_set_used_and_removed(register, answer) -> None:
    register("a")
    assert answer("registry", "alias", "spread", "@champion", "1.0.0")[0] == 0
    assert json.loads(answer("registry", "alias", "spread", "--json")[1]) == {"champion": "1.0.0"}
    assert "@champion" in answer("registry", "show", "spread", "@champion")[1]
    assert answer("registry", "promote", "spread", "@champion")[0] == 0
    assert answer("registry", "alias", "spread", "@champion", "--remove")[1] == "spread has no aliases\n"
    assert answer("registry", "alias", "spread", "@champion")[0] == 2


def test_a_policy_that_asks_for_four_eyes_gets_them(register, answer, workspace) -> None:
    policy = sample_configs.FOLDER / "production_policy.yaml"
    (workspace.root / "production_policy.yaml").write_text(
        policy.read_text()
        .replace("required_approvals: 2", "required_approvals: 1")
        .replace("explainability: true", "explainability: false")
    )
    register("a")
    promote = ("registry", "promote", "spread", "1.0.0", "--yes", "--config", workspace.root / "production_policy.yaml")
    assert answer(*promote)[0] == 0
    code, _, err = answer(*promote)
    assert code == 3
    assert "bondx registry approve spread 1.0.0" in err
    assert answer("registry", "approve", "spread", "1.0.0", "--reason", "looked at it")[0] == 0
    code, _, err = answer(*promote)  # it was I who approved
    assert code == 3
    assert f"{Actor.current(Origin.COMMAND_LINE).name} cannot approve their own promotion" in err
    Registry(workspace).approve("spread", "1.0.0", actor=BEN)
    code, _, err = answer(*promote)
    assert code == 3  # no quality gates were recorded with it
    assert "approvals" not in err


def test_a_policy_named_for_one_command_asks_for_no_fewer_approvals(register, answer, workspace, tmp_path) -> None:
    (workspace.root / "policy.yaml").write_text("promotion: {required_approvals: 1, require_quality_gates: false}\n")
    (tmp_path / "lax.yaml").write_text("promotion: {required_approvals: 0, require_quality_gates: false}\n")
    register("a")
    promote = ("registry", "promote", "spread", "1.0.0", "--yes", "--config", tmp_path / "lax.yaml")
    assert answer(*promote)[0] == 0
    code, _, err = answer(*promote)
    assert code == 3
    assert "nobody has approved 1.0.0" in err


def test_the_environment_selects_the_policy(answer, workspace, monkeypatch) -> None:
    (workspace.root / "production_policy.yaml").write_text("promotion: {min_accuracy: 0.99}\n")
    monkeypatch.setenv("BONDX_ENV", "production")
    found = json.loads(answer("registry", "policy", "spread", "--json")[1])
    assert found["policy"]["promotion"]["min_accuracy"] == 0.99
    assert found["files"][-1].endswith("production_policy.yaml")
    monkeypatch.setenv("BONDX_ENV", "staging")
    code, _, err = answer("registry", "policy")
    assert code == 2
    assert "staging_policy.yaml" in err


def test_a_prune_is_a_dry_run_without_yes(register, answer, workspace) -> None:
    for content in "abc":
        register(content)
    code, out, _ = answer("registry", "prune", "--keep", "1")
    assert code == 0
    assert "2 versions would go" in out
    assert len(Registry(workspace).versions()) == 3
    assert "2 versions removed" in answer("registry", "prune", "spread", "--keep", "1", "--yes")[1]
    assert len(Registry(workspace).versions()) == 1


def test_runs_are_found_tagged_and_pruned(answer, workspace) -> None:
    for mae in (0.1, 0.3):
        with track(workspace, f"mae {mae}", parameters={"model": "spread"}) as run:
            run.log_metric("mae", mae)
    code, out, _ = answer("runs", "list", "--filter", "metrics.mae < 0.2 and params.model = 'spread'", "--json")
    assert code == 0
    assert [run["run_id"] for run in json.loads(out)] == ["r-0001"]
    assert len(json.loads(answer("runs", "list", "--limit", "1", "--json")[1])) == 1
    code, _, err = answer("runs", "list", "--filter", "metrics.mae <")
    assert code == 2
    assert "expected a number instead of the end, at character 14" in err
    assert json.loads(answer("runs", "tag", "r-0002", "good=yes", "--json")[1]) == {"good": "yes"}
    assert "nothing was removed" in answer("runs", "prune", "--keep", "1")[1]
    assert json.loads(answer("runs", "prune", "--keep", "1", "--yes", "--json")[1])["runs"] == ["r-0001"]
    assert [run["run_id"] for run in json.loads(answer("runs", "list", "--json")[1])] == ["r-0002"]


def test_a_missing_mlflow_is_one_sentence(answer) -> None:
    try:
        import mlflow  # noqa: F401
    except ImportError:
        code, _, err = answer("runs", "import-mlflow", "abc", "--store", "sqlite:///x.db")
        assert (code, err) == (2, "bondx: MLflow is not installed: pip install 'bondx-console[mlflow]'.\n")


def test_several_alerts_are_resolved_together_or_not_at_all(answer, workspace):
    alerts = Alerts(workspace)
    fired = [
        alerts.fire("gate_failed", labels={"session": "s-0001", "gate": gate}, summary=f"{gate} failed", now=utc_now())
        for gate in ("coverage", "outliers")
    ]
    first, second = (alert.fingerprint for alert in fired)
    assert answer("alerts", "resolve", first, "--reason", "seen")[0] == 0
    code, out, err = answer("alerts", "resolve", first, second, "--reason", "handled")
    assert code == 3
    assert out == ""
    assert "This alert is resolved already: coverage failed." in err
    assert {alert.fingerprint: alert.resolved_by is not None for alert in alerts.all()} == {first: True, second: False}
    code, out, _ = answer("alerts", "resolve", second, "--reason", "handled")
    assert (code, f"{second} resolved: outliers failed" in out) == (0, True)
    records = [record for record in AuditLog(workspace).tail(9) if record.verb == "alert.resolve"]
    assert [record.reason for record in records] == ["seen", "handled"]
    assert main(["alerts", "list"]) == 0


def test_a_program_resolves_an_alert_in_its_own_name(workspace):
    fired = Alerts(workspace).fire(
        "hash_mismatch", labels={"model": "spread", "version": "1.0.0"}, summary="x", now=utc_now()
    )
    manager = AlertManager(MLOpsConfig.from_yaml())
    (listed,) = manager.list_alerts()
    assert str(listed.suspect) == "spread 1.0.0 is not registered any more; no version of spread is live."
    assert manager.resolve_alert(fired.fingerprint, reason="no such model").resolved_by
    assert manager.list_alerts() == []


@pytest.fixture
def live(workspace, tmp_path) -> Registry:
    """Put the only version of a model into Production."""
    (tmp_path / "model.txt").write_text("tree")
    registry = Registry(workspace)
    gates = (judge("coverage", 99.0, ">=", 90.0),)
    registry.register(
        "spread", tmp_path / "model.txt", metrics={"attainment": 0.95}, lineage={}, gates=gates, actor=BEN
    )
    for _ in range(2):
        registry.apply(registry.plan_promotion("spread", "1.0.0"), actor=BEN)
    return registry


def test_the_live_version_is_archived_only_if_it_is_named_on_the_command_line(answer, live):
    code, _, err = answer("registry", "archive", "spread", "1.0.0")
    assert code == 3
    assert "Confirm it by naming 1.0.0; no version was named." in err
    assert answer("registry", "archive", "spread", "1.0.0", "--dry-run")[0] == 0
    assert live.get("spread", "1.0.0").stage == "Production"
    assert answer("registry", "archive", "spread", "1.0.0", "--confirm", "1.0.0")[0] == 0
    assert live.get("spread", "1.0.0").stage == "Archived"


def test_the_live_version_is_archived_only_if_it_is_named_in_python(live):
    from bondx.mlops import ModelRegistry as OwnTables

    models = ModelRegistry(MLOpsConfig.from_yaml())
    with pytest.raises(CoreError, match=r"naming 1\.0\.0; no version was named"):
        models.archive_model("spread", "1.0.0")
    with pytest.raises(CoreError, match=r"naming 1\.0\.0; you named 2"):
        OwnTables(MLOpsConfig.from_yaml()).archive_model("spread", "1.0.0", confirm="2.0.0")
    assert models.archive_model("spread", "1.0.0", confirm="1.0.0").stage == "Archived"


def test_an_undo_that_leaves_no_live_version_must_name_it_on_the_command_line_and_in_python(answer, live):
    code, out, err = answer("registry", "undo", "spread")
    assert code == 3
    assert "Confirm it by naming 1.0.0; no version was named." in err
    assert "Undoes: promote by " in out
    models = ModelRegistry(MLOpsConfig.from_yaml())
    with pytest.raises(CoreError, match=r"naming 1\.0\.0; you named 2"):
        models.undo_model("spread", confirm="2.0.0")
    assert answer("registry", "undo", "spread", "--confirm", "1.0.0")[0] == 0
    assert models.undo_model("spread").stage == "Development"
