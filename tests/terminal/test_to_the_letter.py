"""What users of other systems type and bring along, with their very spellings, from a shell in a fresh workspace."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.log_folder import MAX_BYTES, N_FILES, PARTS
from tests.waiting import PATIENCE_SECONDS, until

BIN = Path(sys.executable).parent
BROUGHT = Path(__file__).parents[1] / "core" / "settings" / "brought_along"
LOGS = (
    "training.log",
    "mlops_cli.log",
    "drift_detection.log",
    "model_registry.log",
    "engine.log",
    "server.log",
    "console.log",
)
LONG = (
    "max_epochs: 100000\npatience: 100000\ndataset_size: 60\nquality_gates: {esg_missing_max: 100, coverage_min: 0}\n"
)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Type a line into a shell in a fresh folder, with a fresh workspace; return exit code, output and errors."""
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    monkeypatch.setenv("BONDX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("BONDX_ENV", "BONDX_CONFIG", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for file in BROUGHT.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    shutil.copy(BROUGHT / "policy.yaml", tmp_path / "production_policy.yaml")

    def typed(line: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        return done.returncode, done.stdout, done.stderr

    assert typed("bondx init")[0] == 0
    return typed


@pytest.fixture
def two_versions(shell, tmp_path):
    """Two versions of spread, made elsewhere: 1.0.0 in Production by the way of the shell, 1.0.1 in Development."""
    (tmp_path / "rows.csv").write_text(
        "a,b,y\n" + "".join(f"{n % 7},{n % 5},{n % 7 + 2 * (n % 5)}\n" for n in range(400))
    )
    loose = "promotion: {min_accuracy: 0.0, require_quality_gates: false}"
    (tmp_path / "loose.yaml").write_text(f"{loose}\n")
    train = "bondx-mlops train --model spread --data rows.csv --target y --config loose.yaml --json"
    code, out, err = shell(f"{train} && {train}")
    assert code == 0, err
    return re.findall(r'"version": "(\d\.\d\.\d)"', out)


@pytest.mark.parametrize("file", sorted(path.name for path in BROUGHT.glob("*.yaml")))
def test_every_settings_file_is_taken_by_both_programs(shell, file):
    assert shell(f"bondx config validate {file}")[0] == 0
    assert shell(f"bondx-mlops --config {file} list --models")[0] == 0
    code, _, err = shell(f"bondx session start --config {file}")
    if "xgboost" in (BROUGHT / file).read_text() and code:
        assert "bondx-console[xgboost]" in err  # the extra is named when the session is asked for
    else:
        assert code == 0, err


def test_conditions_of_alerts_are_taken_as_a_file_of_rules(shell, tmp_path):
    brought = BROUGHT.parents[1] / "alerts" / "rule_files" / "brought_along" / "alert_rules.yaml"
    shutil.copy(brought, tmp_path)
    assert shell("bondx alerts check alert_rules.yaml")[0] == 0
    (tmp_path / "with_rules.yaml").write_text(f"alerts: {{rules: [{tmp_path / 'alert_rules.yaml'}]}}\n")
    _, out, _ = shell("bondx alerts rules --config with_rules.yaml --json")
    listed = {rule["rule"]: rule["severity"] for rule in json.loads(out)}
    assert (listed["high_drift"], listed["performance_drop"]) == ("warning", "critical")


def test_the_commands_of_a_deployment_in_their_very_spellings(shell, two_versions):
    first, second = two_versions
    go = f"bondx-mlops --config loose.yaml promote --model spread --version {first} --stage production --user admin"
    code, _, err = shell(go)
    assert (code, "--yes" in err) == (2, True), "without a terminal, Production is confirmed by --yes"
    assert shell(f"{go} --yes")[0] == 0
    assert shell(f"bondx-mlops --config loose.yaml promote --model spread --version {second} --stage staging")[0] == 0
    code, out, err = shell(f"bondx-mlops deploy --model spread --version {second} --user admin --traffic 0.1")
    assert code == 0, err
    assert "10%" in out
    code, out, _ = shell("bondx-mlops list --deployments --json")
    assert (code, "admin" in json.loads(out)[0]["created_by"]) == (0, True)
    code, out, _ = shell("bondx-mlops --config production_policy.yaml list --models")
    assert (code, "spread" in out) == (0, True)
    code, _, err = shell("python -m bondx.mlops.cli --config production_policy.yaml list --models")
    assert (code, err) == (0, "")


def test_the_level_of_the_logs_by_environment_and_option(shell, tmp_path):
    code, _, err = shell("LOG_LEVEL=LOUD bondx status")
    assert code == 2
    assert "debug, info, warning, error, critical" in err
    assert shell("LOG_LEVEL=DEBUG bondx-mlops list --models")[0] == 0
    assert "list --models: exit code 0" in (tmp_path / "home" / "logs" / "mlops_cli.log").read_text()
    assert "list --models" in shell("bondx-mlops --verbose list --models")[2]


def test_the_environment_selects_the_policy(shell, tmp_path):
    code, _, err = shell("BONDX_ENV=production bondx registry policy")
    assert code == 2
    assert "production_policy.yaml: no such file, but BONDX_ENV is 'production'" in err
    shutil.copy(tmp_path / "production_policy.yaml", tmp_path / "home")
    code, out, _ = shell("BONDX_ENV=production bondx registry policy --json")
    assert (code, json.loads(out)["policy"]["canary"]["max_share"]) == (0, 0.2)
    assert json.loads(shell("BONDX_ENV=production bondx status --json")[1])["environment"] == "production"


def test_what_does_not_exist_is_refused_when_the_session_is_asked_for(shell, tmp_path):
    for text, says in (
        ("quality_gates: {custom_gates: [nothing]}", "nothing"),
        ("models: {nothing: {}}", "spread"),
        ("models: {spread: {algorithm: nothing}}", "lightgbm"),
        ("advanced: {tuning_method: guess}", "'guess': expected one of grid_search, random_search, bayesian"),
    ):
        (tmp_path / "wrong.yaml").write_text(text)
        code, _, err = shell("bondx session start --config wrong.yaml")
        assert code == 2, err
        assert says in err
    assert json.loads(shell("bondx session list --json")[1]) == []


@pytest.mark.journey
def test_a_headless_session_tells_its_criteria_on_request(shell, tmp_path):
    (tmp_path / "long.yaml").write_text(LONG)
    with subprocess.Popen(
        [BIN / "bondx", "run", "--headless", "--config", "long.yaml"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as headless:  # fmt: skip
        assert headless.stdout is not None
        try:
            lines = iter(headless.stdout)
            next(line for line in lines if line.startswith("epoch 2/"))
            headless.send_signal(signal.SIGUSR1)
            told = {}
            while set(told) != {"improvement", "patience", "quality", "plateau"}:
                if (found := re.match(r"until (\w+): (met|open), (.+)", next(lines))) is not None:
                    told[found[1]] = found[3]
            assert "earliest epoch" in told["patience"]
            assert "of 200000 epochs without improvement" in told["plateau"]
            headless.send_signal(signal.SIGINT)
            assert headless.wait(PATIENCE_SECONDS) == 0
        finally:
            headless.kill()
    logs = tmp_path / "home" / "logs"
    until((logs / "training.log").exists, "the log of the training")
    assert {path.name for path in logs.iterdir()} <= {*LOGS, "bondx.log"}


def test_seven_logs_are_rotated_at_100_mb_and_five_are_kept():
    assert {f"{name}.log" for name in (*PARTS.values(), "engine", "console", "mlops_cli")} == set(LOGS)
    assert (MAX_BYTES, N_FILES) == (100_000_000, 5)
