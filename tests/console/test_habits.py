"""What people type out of habit is taken, or refused with the usage of the verb that they typed."""

import functools
import json

import pytest

from console.cli.main import main
from console.mlops.cli import main as mlops
from core.registry import Registry, Stage


@pytest.fixture
def answer(called, workspace, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    return functools.partial(called, main)


@pytest.mark.parametrize(
    ("program", "words", "usage"),
    [
        (main, ("registry", "verify", "spread", "1.3.0"), "usage: bondx registry verify "),
        (main, ("status", "--jason"), "usage: bondx status "),
        (
            mlops,
            ("promote", "--model", "m", "--version", "1", "--stage", "production", "now"),
            "usage: bondx-mlops promote ",
        ),
    ],
    ids=["noun and verb", "command", "bondx-mlops"],
)
def test_an_unknown_word_is_refused_with_the_usage_of_its_verb(called, workspace, program, words, usage):
    code, _, err = called(program, "--workspace", workspace.root, *words)
    assert code == 2
    assert err.startswith(usage)
    assert f"unrecognized arguments: {words[-1]}" in err


def test_the_ways_back_accept_yes(answer, workspace):
    assert answer("registry", "rollback", "spread", "--yes")[0] == 0
    assert Registry(workspace).get("spread", "1.2.0").stage is not Stage.PRODUCTION
    code, _, err = answer("rollout", "abort", "ro-9999", "--yes")
    assert (code, "ro-9999" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "is_sound"), [("max_epochs: 3\n", True), ("max_epoch: 3\n", False)], ids=["sound", "not"]
)
def test_the_file_of_config_is_listed_with_its_verdict(answer, tmp_path, text, is_sound):
    (tmp_path / "mine.yaml").write_text(text)
    code, out, _ = answer("config", "validate", "--config", tmp_path / "mine.yaml", "--json")
    verdicts = {found["file"]: found["ok"] for found in json.loads(out)}
    assert verdicts[str(tmp_path / "mine.yaml")] is is_sound
    assert code == (0 if is_sound else 1)


def test_a_registration_names_its_user(called, workspace, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.txt").write_text("tree\n")
    words = ("register", "--model", "mine", "--path", folder, "--user", "cleo")
    assert called(mlops, "--workspace", workspace.root, *words)[0] == 0
    assert "cleo" in Registry(workspace).get("mine", "1.0.0").created_by
