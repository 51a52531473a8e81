"""`--config FILE` holds settings and policy together, for every command alike, before the verb or after it."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli.main import build_parser, main
from console.mlops.cli import build_parser as build_mlops_parser
from console.mlops.cli import main as mlops_main
from core.errors import ExitCode
from core.settings import PolicySource, settings_in_force
from core.settings.in_force import laid_over, named_config
from core.state import Workspace
from core.training.sessions import Sessions

BOTH = "max_epochs: 7\nserving: {listen: 127.0.0.1:8600}\ncanary: {max_canary_percentage: 0.3}\n"


@pytest.fixture
def workspace(tmp_path):
    return Workspace.create(tmp_path / "desk", settings_text="")


@pytest.fixture
def both(tmp_path):
    file = tmp_path / "both.yaml"
    file.write_text(BOTH)
    return file


@pytest.fixture
def broken(tmp_path):
    file = tmp_path / "production_policy.yaml"
    file.write_text("canary: {max_canary_percentage: 3}\n")
    return file


def leaves(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every command of a parser."""
    below = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below or words == ("serve",):
        yield words
    for choices in below:
        for name, each in choices.items():
            yield from leaves(each, (*words, name))


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("build", [build_parser, build_mlops_parser], ids=["bondx", "bondx-mlops"])
def test_every_command_takes_it(build, place):
    parser = build()
    for words in leaves(parser):
        line = [*words, *arguments_of(parser, words)]
        line = ["--config", "f.yaml", *line] if place == "before" else [*line, "--config", "f.yaml"]
        assert parser.parse_args(line).config == Path("f.yaml"), line


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (main, "status"),
        (main, "run --headless"),
        (main, "registry list"),
        (main, "config keys"),
        (main, "serve token list"),
        (mlops_main, "list --models"),
        (mlops_main, "list --deployments"),
    ],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_file_that_cannot_be_used_is_refused_by_every_command(called, workspace, broken, run, line, place):
    named = ["--config", broken]
    words = [*named, *line.split()] if place == "before" else [*line.split(), *named]

    code, out, err = called(run, "--workspace", workspace.root, *words)

    assert (code, out) == (ExitCode.USAGE, "")
    assert f"{broken}, line 1, column 10: policy.canary.max_share is 3" in err
    assert named_config() is None


def arguments_of(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> list[str]:
    """Return values for what a command requires."""
    for word in words:
        choices = next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = choices[word]
    typed: list[str] = []
    one_of = [group._group_actions[0] for group in parser._mutually_exclusive_groups if group.required]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or not (action.required or action in one_of):
            continue
        values = [example_of(action)] * (action.nargs if isinstance(action.nargs, int) else 1)
        typed += [*action.option_strings[:1], *values]
    return typed + (["--models"] if words == ("list",) else [])


def example_of(action: argparse.Action) -> str:
    if action.choices:
        return str(next(iter(action.choices)))
    for example in ("1", "a=b", "development"):
        try:
            if callable(action.type):
                action.type(example)
        except (argparse.ArgumentTypeError, TypeError, ValueError):
            continue
        return example
    raise AssertionError(f"no value fits {action.dest}")


@pytest.mark.parametrize("line", ["--config {file} config show --json", "config show --json --config {file}"])
def test_settings_and_policy_of_one_file_are_in_force(called, workspace, both, line):
    code, out, _ = called(main, "--workspace", workspace.root, *line.format(file=both).split())

    shown = {each["key"]: each for each in json.loads(out)}
    assert code == 0
    assert (shown["max_epochs"]["value"], shown["serving.listen"]["value"]) == (7, "127.0.0.1:8600")
    assert shown["policy.canary.max_share"]["value"] == 0.3
    assert shown["policy.canary.max_share"]["origin"].endswith("both.yaml:3 (--config)")


def test_a_file_of_the_environment_counts_for_every_process(called, workspace, both, monkeypatch):
    monkeypatch.setenv("BONDX_CONFIG", str(both))

    code, out, _ = called(main, "--workspace", workspace.root, "registry", "policy", "--json")

    assert code == 0
    assert json.loads(out)["policy"]["canary"]["max_share"] == 0.3
    assert settings_in_force(workspace.root).max_epochs == 7


def test_a_session_trains_by_it(called, workspace, both):
    code, out, _ = called(main, "--config", both, "--workspace", workspace.root, "session", "start")

    assert code == 0, out
    assert [session.training.max_epochs for session in Sessions(workspace).all()] == [7]


def test_the_approvals_of_the_workspace_stand_above_a_file_for_one_command(workspace, both):
    with laid_over(both):
        assert PolicySource(workspace.root).policy().canary.max_share == 0.3
        assert PolicySource.without_config(workspace.root).policy().canary.max_share != 0.3
    assert named_config() is None


@pytest.mark.parametrize("line", ["list --models", "list --deployments"])
def test_a_policy_of_the_workspace_that_cannot_be_read_fails_a_list(called, workspace, line):
    (workspace.root / "policy.yaml").write_text("canary: {max_share: 3}\n")

    code, out, err = called(mlops_main, "--workspace", workspace.root, *line.split(), "--json")

    assert (code, bool(json.loads(out))) == (ExitCode.FAILING, False)
    assert "policy.yaml, line 1, column 10: policy.canary.max_share is 3" in err


def test_a_policy_of_the_workspace_that_cannot_be_read_fails_the_status(called, workspace):
    (workspace.root / "policy.yaml").write_text("canary: {max_share: 3}\n")

    code, out, _ = called(main, "--workspace", workspace.root, "status")

    assert code == ExitCode.FAILING
    assert "policy.yaml, line 1, column 10: policy.canary.max_share is 3" in out
