"""`logs/model_registry.log` tells what the commands of an ordinary day have changed and checked."""

import logging

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.registry import Registry

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def lines(workspace, monkeypatch, called):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    log = workspace.logs_dir / "model_registry.log"

    def run(*words):
        n_before = len(log.read_text().splitlines()) if log.exists() else 0
        code, _, err = called(main, "registry", *words)
        assert (code, err) == (0, "")
        return [line.partition("]")[2].removeprefix(": ") for line in log.read_text().splitlines()[n_before:]]

    return run


def test_every_change_and_check_is_one_line(lines, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.txt").write_text("tree\n")
    (registered,) = [line for line in lines("register", "mine", "--path", str(folder)) if "version.register" in line]
    assert "version.register mine/1.0.0 by " in registered
    assert "stage Development" in registered
    assert "n_files 3, " in registered

    moved = lines("promote", "spread", "1.3.0", "--yes", "--reason", "it is better")
    (promoted,) = [line for line in moved if "version.promote" in line]
    assert "version.promote spread/1.3.0 by " in promoted
    assert "1.3.0 Staging -> Production" in promoted
    assert promoted.endswith(" (it is better)")

    checked = lines("verify", "mine")
    assert len(checked) == 1
    assert checked[0].endswith("mine 1.0.0: 3 files hashed, as registered")


def test_an_alias_that_moves_says_from_where(workspace, caplog):
    caplog.set_level(logging.INFO, "core.registry")
    registry = Registry(workspace)
    for version in ("1.0.0", "1.1.0"):
        registry.set_alias("spread", "@champion", version, actor=ANA)
    registry.remove_alias("spread", "@champion", actor=ANA)
    told = [line for line in caplog.messages if line.startswith("alias.")]
    assert [line.partition(": ")[2] for line in told] == [
        "version 1.0.0",
        "version 1.0.0 -> 1.1.0",
        "version 1.1.0 -> none",
    ]
    assert all("champion by ana" in line for line in told)
