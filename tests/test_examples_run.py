"""Every script in `examples/` runs in a process of its own, in a workspace that others have used before."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bondx.mlops import ExperimentTracker, MLOpsConfig
from core.actor import Actor, Origin
from core.registry import Registry
from core.state import Workspace
from tests.packages import installed
from tests.prices import prices
from tests.waiting import PATIENCE_SECONDS

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(
    {*FOLDER.glob("*.py"), *FOLDER.glob("*/*.py")}
    - {FOLDER / "client.py"}  # tests/core/client runs it, with a server
    - {FOLDER / "own_package" / "bond_duration.py"}  # own_model.py trains with it
)
POLICY = "promotion: {min_accuracy: 0.0}  # ours\n"
SAYS = {
    "desk_views": ["rates-desk:", "spread-desk:"],
    "stress_testing": [
        "3 instruments of 21.4 USD m",
        "worst: thin_market, by factor: rates -",
        "a loss of 10 % takes 0.",
    ],
    "ensemble_training": ["s-0001 finished: epoch limit", "joint_stress 1.0.0: the ", "| joint_stress | blending | +"],
    "tracking": ["depth of the trees: 3 runs, best r-0003 with depth 6", "below 1: r-0003"],
    "registry_and_canary": ["ro-0001 pending: 10 % of the requests", "live: 1.0.0"],
    "own_model": ["finished", "duration/1.0.0", "R2 0.", "enough_issuers: pass"],
    "train_from_python": [
        "finished after 2 epochs: epoch limit",
        "registered spread/1.0.0",
        "spread 1.0.0 in Development",
        "other 1.0.0 in Development, attainment unknown",
    ],
}


@pytest.fixture(scope="module")
def own_package(tmp_path_factory):
    """Install `examples/own_package` as pip would."""
    folder = tmp_path_factory.mktemp("site")
    source = FOLDER / "own_package"
    declared = tomllib.loads((source / "pyproject.toml").read_text())["project"]["entry-points"]
    (folder / "bond_duration.py").write_text((source / "bond_duration.py").read_text())
    with installed(folder, "bond_duration", declared):
        yield folder


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_runs_and_prints_what_it_found(own_package, tmp_path, script):
    environ = {key: value for key, value in os.environ.items() if key != "BONDX_ENV"}
    environ |= {"BONDX_HOME": str(tmp_path / "home")}
    _use_before(tmp_path)

    ran = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    assert ran.returncode == 0, ran.stderr
    for sentence in SAYS[script.stem]:
        assert sentence in ran.stdout
    if script.stem == "registry_and_canary":
        again = subprocess.run(ran.args, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert (again.returncode, "live: 1.0.2" in again.stdout) == (0, True), again.stderr
    assert (tmp_path / "home" / "policy.yaml").read_text() == POLICY, "the policy of the workspace is its owner's"


def run_gate(folder, *words):
    environ = {key: value for key, value in os.environ.items() if key != "BONDX_ENV"}
    environ |= {"BONDX_HOME": str(folder / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", FOLDER / "ci_gate" / "gate.sh", *words]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_the_gate_of_a_pipeline_promotes_what_passes_and_stops_by_exit_code(tmp_path):
    workspace = Workspace.create(tmp_path / "home", settings_text="")
    for name, drawn in (("prices", prices(1, 150)), ("new", prices(2, 150)), ("moved", prices(3, 150, shift=3.0))):
        drawn.drop(columns="sold").to_csv(tmp_path / f"{name}.csv", index=False)

    passed = run_gate(tmp_path, "pricing", "price", "prices.csv", "new.csv", "0.8")
    assert passed.returncode == 0, passed.stderr
    assert "gate: pricing 1.0.0 is in Production" in passed.stdout
    assert Registry(workspace).production("pricing").version == "1.0.0"

    (workspace.root / "policy.yaml").write_text("promotion: {required_approvals: 1}\n")
    for code, reason, words in (
        (1, "gate: drift ended with exit code 1", ("pricing", "price", "prices.csv", "moved.csv")),
        (1, "is not good enough on new.csv: skill_low is 0.", ("pricing", "price", "prices.csv", "new.csv", "0.9999")),
        (2, "missing.csv: there is no such file", ("pricing", "price", "missing.csv", "new.csv")),
        (2, "usage: ", ("pricing",)),
        (3, "another person must run: bondx registry approve", ("pricing", "price", "prices.csv", "new.csv")),
    ):
        stopped = run_gate(tmp_path, *words)
        assert (stopped.returncode, reason in stopped.stderr) == (code, True), stopped.stderr
        assert Registry(workspace).production("pricing").version == "1.0.0"


def test_the_gate_of_a_pipeline_shows_its_usage_alone(tmp_path):
    stopped = run_gate(tmp_path, "pricing")
    usage = "usage: examples/ci_gate/gate.sh MODEL TARGET TRAINING_FILE TEST_FILE [LEAST_SKILL]\n"
    assert (stopped.returncode, stopped.stderr) == (2, usage)


def test_the_gate_of_a_pipeline_names_a_program_that_is_missing(tmp_path):
    environ = {**os.environ, "PATH": str(tmp_path)}
    (tmp_path / "jq").symlink_to("/bin/true")
    for program in ("bondx-mlops", "jq"):
        command = ["/bin/bash", FOLDER / "ci_gate" / "gate.sh", "pricing", "price", "prices.csv", "new.csv"]
        stopped = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert (stopped.returncode, stopped.stderr) == (2, f"gate: {program} is not on the PATH: {tmp_path}\n")
        (tmp_path / "jq").unlink(missing_ok=True)


def test_the_workflow_calls_the_gate_as_it_is_called_here():
    workflow = yaml.safe_load((FOLDER / "ci_gate" / "workflow.yaml").read_text())
    script = workflow["jobs"]["gate"]["steps"][1]["run"]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert (
        re.findall(r"gate\.sh (\S+ \S+ \S+ \S+ [\d.]+)", script)
        == ["pricing price data/prices.csv data/yesterday.csv 0.8"] * 2
    )


def test_an_own_model_of_a_session_is_explained_by_the_rows_that_it_kept(own_package, tmp_path):
    environ = {key: value for key, value in os.environ.items() if key != "BONDX_ENV"}
    environ |= {"BONDX_HOME": str(tmp_path / "home")}
    commands = (
        [FOLDER / "own_model.py"],
        ["-m", "console.cli.main", "explain", "duration", "--row", "0", "--json"],
    )
    for words in commands:
        ran = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)["report"]
    parts = {part["feature"]: part["contribution"] for part in report["contributions"]}
    assert report["sum_error"] < 1e-6
    assert max(parts, key=lambda name: abs(parts[name])) == "maturity_years"
    assert "mod_duration" not in parts


def _use_before(folder):
    """Leave what another example leaves: a model without an attainment, and a run of another experiment."""
    (folder / "other").mkdir()
    (folder / "other" / "weights.txt").write_text("tree\n")
    workspace = Workspace.create(folder / "home", settings_text="")
    (workspace.root / "policy.yaml").write_text(POLICY)
    actor = Actor("ana", "desk", Origin.API)
    Registry(workspace).register("other", folder / "other", metrics={}, lineage={}, gates=(), actor=actor)
    tracker = ExperimentTracker(MLOpsConfig.from_yaml(workspace=workspace.root))
    tracker.end_run(tracker.start_run(experiment_name="other"))


def test_every_script_has_its_expectation():
    assert {script.stem for script in SCRIPTS} == set(SAYS)
