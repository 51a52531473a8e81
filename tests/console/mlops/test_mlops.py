"""`bondx-mlops` as a person or a script meets it: flags, exit codes, one JSON object, one clear error."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main as start
from console.mlops.cli import main
from core.actor import Actor, Origin
from core.governance import AuditLog
from core.registry import Registry
from core.state import Workspace
from core.tracking import Runs

HEAVY = ("textual", "rich", "numpy", "pandas", "scipy", "sklearn", "lightgbm", "pyarrow")


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, seed, n in (("learn", 1, 400), ("more", 2, 500), ("test", 3, 300)):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"size": rng.normal(size=n), "grade": rng.choice(["A", "B"], n)})
        frame["desk"] = rng.integers(0, 40, n)
        frame["price"] = 3 * frame["size"] + (frame["grade"] == "A") + rng.normal(0, 0.5, n)
        frame["late"] = np.where(frame["price"] + rng.normal(0, 0.5, n) > 1, "yes", "no")
        frame.to_csv(folder / f"{name}.csv", index=False)
    frame.to_parquet(folder / "test.parquet", index=False)
    frame.assign(size=frame["size"] + 3).to_csv(folder / "moved.csv", index=False)
    (folder / "linear.yaml").write_text(
        "models:\n  price: {algorithm: linear}\n  late: {algorithm: linear}\nrandom_seed: 7\n"
        "policy:\n  promotion: {min_accuracy: 0.5, accuracy_metric: auto}\n"
    )
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default workspace, which is created on first use."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("BONDX_HOME", "BONDX_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "bondx"


@pytest.fixture
def answer(home, called):
    """Run a command line, and return its exit code, stdout and stderr."""
    return lambda line, *rest: called(main, *line.split(), *rest)


@pytest.fixture
def train(answer, files):
    """Train a linear model of prices on a file."""

    def run(file: str = "learn.csv", model: str = "price") -> None:
        code, _, err = answer(
            f"train --model {model} --target {model} --config", files / "linear.yaml", "--data", files / file
        )
        assert (code, err) == (0, "")

    return run


@pytest.fixture
def live(train, answer):
    """Have 1.0.0 in Production and 1.1.0 in Staging."""
    train()
    train("more.csv")
    for stage, version in (("staging", "1.0.0"), ("production", "1.0.0"), ("staging", "1.1.0")):
        code, _, err = answer(f"promote --model price --version {version} --stage {stage} --user ana --yes")
        assert (code, err) == (0, "")


class TestConfig:
    """`--config` means something to every command, and BONDX_ENV the same."""

    @pytest.fixture
    def strict(self, tmp_path) -> Path:
        file = tmp_path / "strict.yaml"
        file.write_text("promotion: {min_accuracy: 0.9999, required_approvals: 1}\n")
        return file

    def test_evaluate_says_what_the_policy_will_say(self, train, answer, files, home, strict, monkeypatch):
        train()
        line = ("evaluate --model price --test-data", files / "test.csv")
        out = answer(*line, "--config", strict)[1]
        assert "on the way to Production:" in out
        assert "fail  min_accuracy" in out
        gates = json.loads(answer(*line, "--json", "--config", strict)[1])["promotion_gates"]
        assert {gate["name"]: gate["verdict"] for gate in gates} == {
            "min_accuracy": "fail",
            "quality_gates": "pass",
            "approvals": "fail",
        }
        by_the_workspace = json.loads(answer(*line, "--json")[1])["promotion_gates"]
        assert all(gate["verdict"] == "pass" for gate in by_the_workspace)
        (home / "strict_policy.yaml").write_text(strict.read_text())
        monkeypatch.setenv("BONDX_ENV", "strict")
        assert json.loads(answer(*line, "--json")[1])["promotion_gates"] == gates

    def test_register_says_what_the_policy_will_say(self, answer, files, strict):
        line = ("register --model other --path", files / "linear.yaml")
        code, out, _ = answer(*line, "--config", strict)
        assert (code, "fail  approvals: no persons (at least 1): nobody has approved 1.0.0" in out) == (0, True)
        assert {gate["name"] for gate in json.loads(answer(*line, "--json")[1])["promotion_gates"]} >= {"min_accuracy"}

    def test_list_shows_what_the_policy_refuses_and_which_rollouts_it_started(self, live, answer, files, strict):
        out = answer("list --models --stage staging --config", strict)[1]
        assert "refuses: min_accuracy, approvals" in out
        (version,) = json.loads(answer("list --models --stage staging --json --config", strict)[1])
        assert version["refusing_gates"] == ["min_accuracy", "approvals"]
        assert "refuses" not in answer("list --models")[1]
        deployed = answer("deploy --model price --version 1.1.0 --config", files / "linear.yaml")
        assert deployed[0] == 0
        for policy, is_same in ((files / "linear.yaml", True), (strict, False)):
            (rollout,) = json.loads(answer("list --deployments --json --config", policy)[1])
            assert rollout["is_of_this_policy"] is is_same
        assert "another" in answer("list --deployments --config", strict)[1]

    @pytest.mark.parametrize(
        "line",
        [
            "evaluate --model price --test-data {files}/test.csv",
            "register --model price --path {files}/linear.yaml",
            "list --models",
            "list --deployments",
        ],
    )
    def test_a_wrong_policy_is_refused_before_any_work(self, train, answer, files, home, tmp_path, line):
        train()
        (tmp_path / "wrong.yaml").write_text("promotion: {min_acuracy: 0.9}\n")
        code, out, err = answer(line.format(files=files), "--config", tmp_path / "wrong.yaml")
        assert (code, out) == (2, "")
        assert "did you mean min_accuracy?" in err
        assert len(Registry(Workspace.open(home)).versions()) == 1


def test_a_name_given_with_user_is_not_a_second_approver(train, answer, home, files, tmp_path):
    train()
    (tmp_path / "strict.yaml").write_text(
        "promotion: {min_accuracy: 0.5, required_approvals: 1, require_quality_gates: false}\n"
    )
    workspace = Workspace.open(home)
    Registry(workspace).approve("price", "1.0.0", actor=Actor.current(Origin.COMMAND_LINE))
    promote = (
        f"promote --model price --version 1.0.0 --stage production --config {tmp_path / 'strict.yaml'} --user ben --yes"
    )
    code, _, err = answer(promote)
    assert code == 3
    assert "cannot approve their own promotion" in err
    Registry(workspace).approve("price", "1.0.0", actor=Actor("cleo", "desk", Origin.CONSOLE))
    assert answer(promote)[0] == 0
    assert AuditLog(workspace).tail(2)[0].actor.endswith(f"via {Actor.current(Origin.COMMAND_LINE).name}")


def test_training_creates_its_workspace_and_reports_the_shipped_model_with_intervals(answer, files, home):
    code, out, err = answer("train --model price --target price --group desk --data", files / "learn.csv")

    assert (code, err) == (0, "")
    for words in ("price 1.0.0, in Development", "r-0001", "whole groups", "METRIC", "mae", "LOW", "HIGH", "relies on"):
        assert words in out
    workspace = Workspace.open(home)
    assert [version.key for version in Registry(workspace).versions()] == ["price/1.0.0"]
    run = Runs(workspace).get("r-0001")
    assert run.metrics["r2"] > 0.8
    assert run.tags["experiment_name"] == "price", "the model's name, by default"
    assert AuditLog(workspace).verify().ok


def test_training_prints_one_json_object(answer, files, home):
    line = "train --model late --target late --json --experiment desk --data"
    code, out, err = answer(line, files / "learn.csv")

    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["model"], found["version"], found["task"]) == ("late", "1.0.0", "classification")
    assert {"auc", "auc_low", "auc_high", "log_loss", "accuracy"} <= found["metrics"].keys()
    runs = Runs(Workspace.open(home))
    assert [(each.name, each.model_types, each.best_run_id) for each in runs.experiments()] == [
        ("desk", (found["ships"],), "r-0001")
    ]


def test_anomalies_need_no_target(answer, files):
    code, out, _ = answer("train --model odd-rows --task anomaly --data", files / "learn.csv")

    assert code == 0
    assert "isolation_forest" in out


def test_a_model_that_knows_nothing_is_registered_with_a_failing_gate(answer, tmp_path):
    rng = np.random.default_rng(1)
    pd.DataFrame({"x": rng.normal(size=300), "y": rng.normal(size=300)}).to_csv(tmp_path / "noise.csv", index=False)

    code, out, _ = answer("train --model noise --data", tmp_path / "noise.csv")

    assert code == 1
    assert "beats_constant" in out


@pytest.mark.parametrize(
    ("target", "metrics"),
    [
        pytest.param("price", {"mae", "rmse", "r2"}, id="a number"),
        pytest.param("late", {"auc", "log_loss", "accuracy"}, id="classes"),
    ],
)
@pytest.mark.parametrize("form", ["test.csv", "test.parquet"])
def test_an_evaluation_is_one_json_object_with_the_metrics_at_the_top_too(target, metrics, form, train, answer, files):
    train(model=target)

    code, out, err = answer(f"evaluate --model {target} --json --test-data", files / form)

    found = json.loads(out)
    assert (code, err) == (0, "")
    assert metrics <= found["metrics"].keys()
    assert all(found[name] == found["metrics"][name] for name in metrics)
    assert (found["version"], found["n_rows"], found["was_trained_on"]) == ("1.0.0", 300, False)


def test_an_evaluation_says_when_its_figures_flatter_the_model(train, answer, files):
    train()

    _, other, _ = answer("evaluate --model price --version 1.0.0 --test-data", files / "moved.csv")
    _, same, _ = answer("evaluate --model price --stage development --test-data", files / "learn.csv")

    assert "outside the range" in other
    assert "flatter" in same


def test_a_promotion_records_who_promoted(live, answer, home):
    workspace = Workspace.open(home)

    assert Registry(workspace).production("price").version == "1.0.0"
    went_live = Registry(workspace).went_live("price")
    assert went_live.by.startswith("ana@")
    code, out, _ = answer("list --models --stage production --json")
    assert code == 0
    assert [(found["model"], found["version"], found["stage"]) for found in json.loads(out)] == [
        ("price", "1.0.0", "Production")
    ]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(train, answer):
    train()

    code, out, _ = answer("promote --model price --version 1.0.0 --stage Staging --dry-run")

    assert code == 0
    assert "min_accuracy" in out
    assert json.loads(answer("list --models --json")[1])[0]["stage"] == "Development"


@pytest.mark.parametrize(
    ("least", "code"), [pytest.param(0.1, 0, id="it would go live"), pytest.param(0.999, 3, id="it would not")]
)
def test_a_dry_run_to_production_judges_both_steps(least, code, train, answer, tmp_path):
    train()
    (tmp_path / "policy.yaml").write_text(f"policy:\n  promotion: {{min_accuracy: {least}}}\n")

    dry = answer(
        "promote --model price --version 1.0.0 --stage production --dry-run --config", tmp_path / "policy.yaml"
    )
    real = answer("promote --model price --version 1.0.0 --stage production --yes --config", tmp_path / "policy.yaml")

    assert (dry[0], real[0]) == (code, code)
    assert "Development -> Staging" in dry[1]
    assert "Staging -> Production" in dry[1]


def test_a_dry_run_that_is_refused_says_why(live, answer):
    code, out, _ = answer("promote --model price --version 1.0.0 --stage production --dry-run")

    assert code == 3
    assert "refused: price 1.0.0 is live already." in out


def test_a_dry_run_of_a_deployment_that_is_refused_says_why(train, answer):
    train()

    dry = answer("deploy --model price --version 1.0.0 --dry-run")

    assert dry == answer("deploy --model price --version 1.0.0")
    assert (dry[0], dry[1]) == (3, "")
    assert "No version of price is in Production" in dry[2]


def test_the_config_file_may_stand_before_the_command_or_behind_it(live, answer, tmp_path):
    (tmp_path / "strict.yaml").write_text("promotion: {min_accuracy: 0.999}\n")
    listing = "list --models --stage staging --json"

    before = answer(f"--config {tmp_path / 'strict.yaml'} {listing}")

    assert before == answer(listing, "--config", tmp_path / "strict.yaml")
    assert before != answer(listing)


def test_the_policy_of_a_config_file_decides_what_may_go_live(live, answer, tmp_path):
    (tmp_path / "strict.yaml").write_text("policy:\n  promotion: {min_accuracy: 0.999}\n")

    promote = "promote --model price --version 1.1.0 --stage production --config"
    code, _, err = answer(promote, tmp_path / "strict.yaml")

    assert code == 3
    assert "min_accuracy" in err


def test_the_way_to_production_leads_through_staging_and_its_gates(train, answer, home):
    train()

    code, out, err = answer("promote --model price --version 1.0.0 --stage production --yes")

    assert (code, err) == (0, "")
    assert "price 1.0.0 is now in Production" in out
    moves = Registry(Workspace.open(home)).history("price")
    assert [str(move.to_stage) for move in moves] == ["Production", "Staging"]
    assert answer("promote --model price --version 1.0.0 --stage production --yes")[0] == 3


def test_a_version_that_may_not_serve_stays_where_it_is(train, answer, tmp_path, home):
    train()
    (tmp_path / "strict.yaml").write_text("policy:\n  promotion: {min_accuracy: 0.999}\n")

    promote = "promote --model price --version 1.0.0 --stage production --yes --config"
    code, _, err = answer(promote, tmp_path / "strict.yaml")

    assert code == 3
    assert "min_accuracy" in err
    assert "1.0.0 stays in Development" in err
    assert str(Registry(Workspace.open(home)).get("price", "1.0.0").stage) == "Development"
    assert Registry(Workspace.open(home)).history("price") == []


@pytest.mark.parametrize(("stage", "code"), [("staging", 0), ("production", 2)])
def test_production_takes_a_yes_where_nobody_can_be_asked(stage, code, train, answer, home):
    train()

    got, _, err = answer(f"promote --model price --version 1.0.0 --stage {stage}")

    assert got == code
    assert ("confirm it with --yes" in err) == (code == 2)
    assert (str(Registry(Workspace.open(home)).get("price", "1.0.0").stage) == "Development") == (code == 2)


@pytest.mark.parametrize("strategy", ["canary", "blue-green", "ab", "shadow"])
def test_every_strategy_deploys_in_the_name_of_a_user(strategy, live, answer):
    code, _, err = answer(f"deploy --model price --version 1.1.0 --user admin --strategy {strategy}")

    assert (code, err) == (0, "")
    (listed,) = json.loads(answer("list --deployments --json")[1])
    assert listed["plan"]["strategy"] == strategy.replace("-", "_")
    assert listed["created_by"].startswith("admin@")


def test_an_unknown_strategy_is_named_with_the_strategies_there_are(live, answer):
    code, _, err = answer("deploy --model price --version 1.1.0 --strategy rainbow")

    assert code == 2
    assert "'rainbow' is not a strategy: choose from canary, blue_green, ab, shadow" in err


def test_a_canary_is_started_once_and_listed(live, answer):
    code, out, _ = answer("deploy --model price --version 1.1.0 --traffic 0.1")
    again, _, err = answer("deploy --model price --version 1.1.0 --traffic 0.1")
    listed = json.loads(answer("list --deployments --json")[1])

    assert code == 0
    assert "price 1.1.0 against 1.0.0" in out
    assert again in (3, 4)
    assert "ro-0001" in err
    assert [(found["model"], found["candidate"]) for found in listed] == [("price", "1.1.0")]
    assert listed[0]["plan"]["steps"][0]["share"] == 0.1
    assert "ro-0001" in answer("list --deployments")[1]


def test_a_canary_needs_a_live_version(train, answer):
    train()

    code, _, err = answer("deploy --model price --version 1.0.0 --traffic 0.1")

    assert code == 3
    assert "Production" in err


def test_whole_numbers_that_come_with_decimals_now_are_compared_all_the_same(answer, tmp_path):
    whole, now = tmp_path / "whole.csv", tmp_path / "now.csv"
    whole.write_text("days,x\n" + "".join(f"{row % 60},{row}\n" for row in range(600)))
    now.write_text("days,x\n" + "".join(f"{row % 60 + 0.5},{row}\n" for row in range(600)))

    code, out, err = answer("drift-check --baseline", whole, "--current", now)

    assert (code, err) == (0, "")
    assert "600 rows against 600" in out


def test_drift_is_an_exit_code(answer, files):
    same, calm, _ = answer("drift-check --baseline", files / "learn.csv", "--current", files / "more.csv")
    moved, out, _ = answer("drift-check --json --baseline", files / "learn.csv", "--current", files / "moved.csv")

    found = json.loads(out)
    assert same == 0
    assert "stable" in calm
    assert moved == 1
    assert (found["verdict"], found["features"][0]["verdict"]) == ("alarm", "alarm")
    assert {feature["feature"] for feature in found["features"] if feature["verdict"] == "alarm"} >= {"size"}


def test_a_column_that_cannot_be_read_is_an_alarm_and_all_others_are_judged(answer, tmp_path):
    reference, current = tmp_path / "reference.csv", tmp_path / "current.csv"
    reference.write_text("size,rate,day\n" + "".join(f"{row % 97},{row % 89},2026-01-01\n" for row in range(600)))
    current.write_text(
        "size,rate,day\n" + "".join(f"much,{'inf' if row == 7 else row % 89},soon\n" for row in range(600))
    )

    code, out, err = answer("drift-check --json --baseline", reference, "--current", current)
    text = answer("drift-check --baseline", reference, "--current", current)[1]

    found = {feature["feature"]: feature for feature in json.loads(out)["features"]}
    assert (code, err) == (1, "")
    assert {name: feature["verdict"] for name, feature in found.items()} == {
        "size": "alarm",
        "day": "alarm",
        "rate": "alarm",
    }
    assert found["size"]["unreadable_share_current"] == 1.0
    assert found["rate"]["unreadable_share_current"] == pytest.approx(1 / 600)
    assert "unreadable: 100.00% of the cells hold no" in text


def test_rows_that_follow_each_other_are_noted_and_compared_by_block_or_group(answer, tmp_path):
    for seed, name in enumerate(("reference.csv", "current.csv")):
        steps = np.random.default_rng(seed).normal(size=60)
        rows = (f"d{row // 10},{steps[row // 10] + row % 7 / 100}\n" for row in range(600))
        (tmp_path / name).write_text("desk,size\n" + "".join(rows))
    files = "drift-check --baseline", tmp_path / "reference.csv", "--current", tmp_path / "current.csv"

    plain = answer(*files)[1]
    code, out, _ = answer(*files, "--group", "desk", "--json")
    refused, _, error = answer(*files, "--group", "issuer")

    assert "note: rows that follow each other are alike in " in plain
    assert code == 0
    assert [feature["feature"] for feature in json.loads(out)["features"]] == ["size"]
    assert json.loads(out)["features"][0]["design_effect"] > 5
    assert json.loads(out)["notes"] == []
    assert "note:" not in answer(*files, "--block", "10")[1]
    assert (refused, "no column 'issuer' to group by" in error) == (2, True)


def test_drift_is_reported_under_the_names_of_the_field(answer, files):
    out = answer("drift-check --json --baseline", files / "learn.csv", "--current", files / "more.csv")[1]

    report = json.loads(out)
    wanted = {"psi", "ks_statistic", "p_value", "adjusted_p_value", "n_reference", "n_current", "rows_needed"}
    assert {"n_reference", "n_current", "level"} <= set(report)
    assert all(wanted <= set(feature) for feature in report["features"])
    assert "baseline" not in out


def test_files_made_elsewhere_are_registered_with_metadata(answer, tmp_path):
    (tmp_path / "model.json").write_text("{}")

    code, out, _ = answer(
        "register --model theirs --metadata owner=ana --metadata ticket=42 --json --path", tmp_path / "model.json"
    )

    assert code == 0
    assert json.loads(out)["lineage"]["metadata"] == {"owner": "ana", "ticket": "42"}
    _, out, _ = answer("register --model foreign --path", tmp_path / "model.json")
    assert "\nNot checked: its model.json was written by another program, so this program cannot serve it.\n" in out
    code, _, err = answer("register --model theirs --version 7.0.0 --path", tmp_path / "model.json")
    assert code == 3
    assert "2.0.0" in err


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        pytest.param("train --model price --data nowhere.csv", 2, "nowhere.csv", id="no file"),
        pytest.param("train --model Price! --data {files}/learn.csv", 2, "Price!", id="a name that is none"),
        pytest.param("train --model price --data {files}/learn.csv", 2, "--target", id="no target"),
        pytest.param("train --model p --target prize --data {files}/learn.csv", 2, "'price'", id="a misspelt target"),
        pytest.param("train --model p --data {files}/learn.csv --task guess", 2, "guess", id="a task that is none"),
        pytest.param("train --data {files}/learn.csv", 2, "--model", id="no model"),
        pytest.param("evaluate --model none --test-data {files}/test.csv", 2, "none", id="an unknown model"),
        pytest.param("promote --model m --version 1.0.0 --stage moon", 2, "moon", id="a stage that is none"),
        pytest.param("deploy --model m --version 1.0.0 --traffic 10", 2, "0.1", id="a share that is none"),
        pytest.param("register --model m --path {files} --metadata owner", 2, "KEY=VALUE", id="half of metadata"),
        pytest.param("register --model m --path nowhere", 2, "nowhere", id="nothing to register"),
        pytest.param("drift-check --baseline nowhere.csv --current {files}/test.csv", 2, "nowhere.csv", id="no base"),
        pytest.param("list", 2, "--models", id="nothing to list"),
        pytest.param("train --model p --data {files}/learn.csv --config no.yaml", 2, "no.yaml", id="no config"),
    ],
)  # fmt: skip
def test_an_error_goes_to_stderr_and_registers_nothing(line, code, words, answer, files, home, capsys):
    assert start(["--workspace", str(home), "init"]) == 0
    capsys.readouterr()

    found, out, err = answer(line.format(files=files))

    assert (found, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert "internal error" not in err
    assert Registry(Workspace.open(home)).models() == []
    assert Runs(Workspace.open(home)).all() == []


@pytest.mark.parametrize("line", ["evaluate --model m --test-data f", "list --models", "list --deployments"])
def test_a_command_that_makes_no_version_needs_a_workspace(line, answer):
    code, _, err = answer(line)

    assert code == 2
    assert "bondx init" in err


@pytest.mark.parametrize(
    "line",
    ["", "train", "evaluate", "register", "promote", "deploy", "drift-check", "list"],
    ids=lambda line: line or "all",
)
def test_each_command_has_help(line, answer):
    code, out, _ = answer(f"{line} --help".strip())

    assert code == 0
    assert "usage: bondx-mlops" in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys, console.mlops.cli as c; c.build_parser(); "
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "loaded:"


@pytest.fixture
def command() -> str:
    found = shutil.which("bondx-mlops", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("the distribution is not installed in this environment")
    return found


def test_the_installed_command_trains_and_evaluates(command, files, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    config = ["--config", str(files / "linear.yaml")]
    line = [command, "train", "--model", "price", "--target", "price", "--data", str(files / "learn.csv"), *config]
    trained = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert (trained.returncode, trained.stderr) == (0, "")

    line = [command, "evaluate", "--model", "price", "--test-data", str(files / "test.csv"), "--json"]
    evaluated = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert json.loads(evaluated.stdout)["r2"] > 0.8


def test_the_installed_command_exits_with_its_code_and_one_line(command, tmp_path):
    (tmp_path / "bad.csv").write_text("a,b\n1\n")
    environment = {"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path)}
    line = [command, "train", "--model", "m", "--data", str(tmp_path / "bad.csv")]

    ran = subprocess.run(line, env=environment, capture_output=True, text=True)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert "line 2" in ran.stderr


def test_the_installed_command_refuses_a_path_that_no_terminal_shows(command, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(tmp_path)}
    line = [command, "train", "--model", "m", "--data", str(tmp_path / "bad\x1b[2J.csv")]

    ran = subprocess.run(line, env=environment, capture_output=True, text=True)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert "\x1b" not in ran.stderr
    assert "holds characters that no terminal shows" in ran.stderr


class TestFilesOfPeople:
    """What is said of a file on the command line, and what the command line says of it."""

    @pytest.fixture
    def odd(self, tmp_path) -> Path:
        rng = np.random.default_rng(5)
        size = rng.normal(size=300).round(3)
        lines = [
            f"{k + 1},{'nix' if k % 10 == 3 else size[k]},{1 + k % 9},{'' if k == 7 else round(2 * size[k], 3)}"
            for k in range(300)
        ]
        (tmp_path / "odd.csv").write_text("\n".join(['Id,"size\x1b[2J (1"")",day,price', *lines]) + "\n")
        return tmp_path / "odd.csv"

    def test_options_settle_what_the_file_leaves_open(self, answer, odd):
        line = ("train --model price --target price --data", odd)
        for options, offered in ((), "--na nix"), (("--na", "nix"), "--drop-missing-target"):
            code, _, err = answer(*line, *options)
            assert (code, offered in err) == (2, True)
            assert "\x1b" not in err

        code, out, err = answer(*line, "--drop-missing-target", "--na", "nix", "--keep", "Id", "--read", "day=category")
        assert (code, err) == (0, "")
        assert "note: 1 of 300 rows are left out: they have no price." in out
        assert "30 cells are read as missing: 'nix' (30)" in out
        assert "\x1b" not in out

        code, out, err = answer(*line, "--drop-missing-target", "--na", "nix", "--json")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert "numbers the rows" in found["left_out"]["Id"]
        assert any("Id is not used" in note for note in found["notes"])

        code, out, err = answer("evaluate --model price --test-data", odd, "--drop-missing-target")
        assert (code, err) == (0, "")
        assert "note: 1 more rows have no target" in out
        assert "\x1b" not in out

    @pytest.mark.parametrize(
        ("options", "word"),
        [
            (("--read", "size=sideways"), "decimal-comma"),
            (("--read", "number"), "COLUMN=number"),
            (("--read", "nobody=number"), "'nobody'"),
            (("--keep", "nobody"), "'nobody'"),
        ],
    )
    def test_an_option_that_fits_nothing_is_a_usage_error(self, options, word, answer, files):
        code, _, err = answer("train --model price --target price --data", files / "learn.csv", *options)

        assert code == 2
        assert word in err

    def test_a_comparison_reads_both_files_alike(self, answer, tmp_path):
        for name, seed in (("a", 1), ("b", 2)):
            values = np.random.default_rng(seed).normal(3000, 500, 400)
            cells = [f'"{value:,.2f}"' if k % 9 else "nix" for k, value in enumerate(values)]
            (tmp_path / f"{name}.csv").write_text("x\n" + "\n".join(cells) + "\n")

        code, out, err = answer(
            "drift-check --json --na nix --baseline", tmp_path / "a.csv", "--current", tmp_path / "b.csv"
        )

        assert (code, err) == (0, "")
        assert json.loads(out)["features"][0]["kind"] == "number"
