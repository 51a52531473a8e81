"""What commands log: the level by flag, environment and setting, on stderr and in the log of their program."""

import functools
import json
import logging

import pytest

import sample_configs
from console.cli import process_log
from console.cli.main import main
from console.mlops.cli import main as mlops

BASELINE = "a,b\n" + "".join(f"{number},{number % 7}\n" for number in range(60))


@pytest.fixture
def answer(called, workspace):
    return functools.partial(called, main, "--workspace", workspace.root)


@pytest.fixture
def drift_check(called, workspace, tmp_path):
    (tmp_path / "rows.csv").write_text(BASELINE)
    files = ("--baseline", tmp_path / "rows.csv", "--current", tmp_path / "rows.csv")
    return functools.partial(called, mlops, "--workspace", workspace.root, "drift-check", *files)


def logs(workspace) -> dict[str, str]:
    return {path.stem: path.read_text() for path in workspace.logs_dir.glob("*.log")}


def test_a_command_of_bondx_mlops_is_in_its_log_and_drift_in_its_own(drift_check, workspace, monkeypatch):
    monkeypatch.setattr("sys.argv", ["bondx-mlops", "drift-check", "--model", "two words"])
    code, _, err = drift_check()
    assert (code, err) == (0, "")
    found = logs(workspace)
    assert "bondx.cli" in found["mlops_cli"]
    assert "drift-check --model 'two words': exit code 0 after" in found["mlops_cli"]
    assert ": 60 rows against 60; moved: none" in found["drift_detection"]
    assert "DEBUG" not in found["drift_detection"]


@pytest.mark.parametrize("place", ["flag", "environment", "setting"])
def test_debug_by_flag_environment_or_setting(drift_check, workspace, monkeypatch, place):
    if place == "environment":
        monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    if place == "setting":
        workspace.settings_file.write_text("logging: {level: debug}\n")
    code, out, err = drift_check(*(["--verbose"] if place == "flag" else []))
    assert code == 0
    assert "DEBUG   core.monitoring.drift_check[" in logs(workspace)["drift_detection"]
    assert ("DEBUG" in err) == (place == "flag")
    assert "DEBUG" not in out


@pytest.mark.parametrize("words", [("status",), ("registry", "list"), ("alerts", "list")], ids=" ".join)
def test_a_command_of_bondx_says_at_debug_how_it_ended(answer, workspace, monkeypatch, words):
    monkeypatch.setattr("sys.argv", ["bondx", *words, "two words"])
    code, _, err = answer(*words)
    assert ("after" in err, "bondx" in logs(workspace)) == (False, False)
    ended = f"{words[0]}{' list' if len(words) > 1 else ''} 'two words': exit code {code} after "

    code, _, err = answer(*words, "--verbose")
    (line,) = [line for line in err.splitlines() if "bondx.cli" in line]
    assert "DEBUG" in line
    assert ended in line
    assert ended in logs(workspace)["bondx"]

    monkeypatch.setenv("LOG_LEVEL", "debug")
    code, _, err = answer(*words)
    assert (ended in err, logs(workspace)["bondx"].count(ended)) == (False, 2)


def test_verbose_leaves_json_on_stdout_alone_and_ends_with_the_command(answer):
    level = logging.getLogger("core").level
    code, out, _ = answer("status", "--json", "--verbose")
    json.loads(out)
    assert code in (0, 1)
    assert logging.getLogger("core").level == level
    assert not [each for each in logging.getLogger().handlers if type(each).__module__.startswith("core.")]


def test_a_bug_is_in_the_log_of_the_program_as_json_by_setting(called, workspace, monkeypatch, answer):
    workspace.settings_file.write_text("logging:\n  format: json\n")
    monkeypatch.setattr("console.commands.status.open_workspace", lambda _args: 1 / 0)
    code, _, err = answer("status")
    assert (code, len(err.splitlines())) == (70, 1)
    (line,) = logs(workspace)["bondx"].splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exc"]


def test_a_warning_of_a_command_is_on_stderr_without_a_time(answer, workspace, monkeypatch):
    def warn(_args) -> int:
        logging.getLogger("core.registry.artifacts").warning("not deleted: %s", "a")
        return 0

    monkeypatch.setattr("console.commands.status.status", warn)
    assert answer("status") == (0, "", "not deleted: a\n")
    assert "WARNING core.registry.artifacts" in logs(workspace)["model_registry"]


def test_settings_are_read_only_where_they_may_say_something_else_than_the_defaults(workspace):
    folder = workspace.root
    workspace.settings_file.write_text(sample_configs.template_text())
    assert process_log._settings_of(folder) is None
    for text in ("logging: {format: json}\n", "logging:\n  level: error\n", 'logging:\n  "level": error\n'):
        workspace.settings_file.write_text(text)
        assert process_log._settings_of(folder) is not None
    workspace.settings_file.write_text("logging:\n  level: loud\n")
    assert process_log._settings_of(folder) is None


def test_status_names_the_environment_of_the_policy(answer, workspace, monkeypatch):
    assert "BONDX_ENV" not in answer("status")[1]
    (workspace.root / "production_policy.yaml").write_text("promotion: {min_accuracy: 0.9}\n")
    monkeypatch.setenv("BONDX_ENV", "production")
    assert "policy      of the environment production (BONDX_ENV)\n" in answer("status")[1]
    assert json.loads(answer("status", "--json")[1])["environment"] == "production"
