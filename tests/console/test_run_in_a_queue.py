"""What `bondx run --headless` says of the other sessions of the queue; no engine of these tests trains."""

from types import SimpleNamespace

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.settings import TrainingSettings
from core.state import Workspace
from core.training.session import DesiredSession
from core.training.sessions import Sessions

MIRA = Actor("mira", "desk-4", Origin.CONSOLE)


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A workspace whose sessions wait, and whose engine ends a session as soon as it starts."""
    engine = SimpleNamespace(start=lambda: None, stop=lambda: None, loss=None)
    monkeypatch.setattr("core.engine.Engine", lambda *_, **__: engine)
    monkeypatch.setattr("console.commands.run._tell_events", lambda *_: lambda: True)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")
    return Sessions(workspace), workspace


def said_at_the_end_of_a_run(workspace, capsys, *flags):
    assert main(["--workspace", str(workspace.root), "run", "--headless", *flags]) == 0
    return capsys.readouterr().err.splitlines()


def test_a_session_names_those_it_waits_behind_and_those_that_still_wait(queue, capsys):
    sessions, workspace = queue
    for name in ("first", "paused", "third"):
        sessions.start(TrainingSettings(), name=name, actor=MIRA)
    sessions.request("s-0002", DesiredSession.PAUSED, actor=MIRA)
    said = said_at_the_end_of_a_run(workspace, capsys, "--text", "prose")
    assert "s-0004 waits behind s-0001, s-0003" in said
    assert said[-1] == (
        "2 other sessions wait: bondx run --headless --no-session trains all that wait, until it is interrupted"
    )


def test_a_long_queue_is_counted(queue, capsys):
    sessions, workspace = queue
    for number in range(7):
        sessions.start(TrainingSettings(), name=f"of {number}", actor=MIRA)
    said = said_at_the_end_of_a_run(workspace, capsys, "--text", "prose")
    assert "s-0008 waits behind s-0001, s-0002, s-0003, s-0004, s-0005 and 2 more" in said


def test_a_session_that_is_alone_waits_behind_none(queue, capsys):
    _, workspace = queue
    said = said_at_the_end_of_a_run(workspace, capsys, "--text", "prose")
    assert not any("wait" in line for line in said)


def test_the_first_of_a_queue_is_resumed_and_tells_of_the_others_at_its_end(queue, capsys):
    sessions, workspace = queue
    for name in ("first", "second"):
        sessions.start(TrainingSettings(), name=name, actor=MIRA)
    said = said_at_the_end_of_a_run(workspace, capsys)
    assert said[0].startswith("resuming s-0001")
    assert not any("waits behind" in line for line in said)
    assert said[-1].startswith("1 other session waits: ")
