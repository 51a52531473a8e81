"""How a console ends, in a real terminal: by q, by SIGTERM, by a dropped line, by a bug."""

import contextlib
import os
import re
import signal
import sys
import termios
import threading

import pexpect
import pytest

from console.runtime import hangup
from console.runtime.hangup import HangupWatch
from core.actor import Actor, Origin
from core.settings import ModelSettings, TrainingSettings
from core.state import Lease, read_lease
from core.training.session import DesiredSession
from core.training.sessions import Sessions
from tests.waiting import PATIENCE_SECONDS, until
from tools.demo import OPERATOR

RUN = (
    "import sys; from pathlib import Path; from console.app.start import run_console; "
    f"from console.runtime import hangup; hangup.SAVE_SECONDS = hangup.RESTORE_SECONDS = {PATIENCE_SECONDS}; "
)
SOUND = RUN + "sys.exit(run_console(Path(sys.argv[1]), read_only={read_only}))"
BROKEN = (
    RUN + "from console.screens.overview import OverviewScreen\n"
    "def show(self, snapshot): raise ZeroDivisionError('a bug [/] in a screen')\n"
    "OverviewScreen.show = show\n"
    "sys.exit(run_console(Path(sys.argv[1]), read_only=True))"
)
ONE_MODEL = {"spread": ModelSettings(algorithm="linear")}


def start(workspace, code: str = SOUND, *, read_only: bool = True) -> pexpect.spawn:
    environ = os.environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"}
    environ.pop("NO_COLOR", None)
    arguments = ["-c", code.format(read_only=read_only) if code is SOUND else code, str(workspace.root)]
    return pexpect.spawn(sys.executable, arguments, dimensions=(24, 80), env=environ, timeout=PATIENCE_SECONDS)


def finish(child: pexpect.spawn) -> tuple[int, bytes]:
    """Read to the end and return exit code and output."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before or b""


def has_left_at(child: pexpect.spawn, key: str) -> bool:
    """Press a key, which a dialog is deaf to at first, and tell whether that was the end."""
    with contextlib.suppress(OSError):  # it has left, and reads no more
        child.send(key)
    return child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=0.2) == 1


def assert_restored(output: bytes) -> None:
    assert b"\x1b[?1049l" in output, "the alternate screen is left"
    assert b"\x1b[?25h" in output, "the cursor is back"
    assert b"\x1b[?1016l" in output, "mouse reports in pixels are off"


def test_q_exits_with_0_and_restores_the_terminal(workspace):
    child = start(workspace)
    child.expect(b"liquidity_shock")
    child.send("q")
    code, output = finish(child)
    assert code == 0
    assert_restored(output)


def test_sigterm_restores_the_terminal_and_exits_143(workspace):
    child = start(workspace)
    child.expect(b"liquidity_shock")
    child.kill(signal.SIGTERM)
    code, output = finish(child)
    assert code == 143
    assert_restored(output)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_a_living_terminal_as_it_was(workspace, number, code):
    child = start(workspace)
    child.expect(b"liquidity_shock")
    started = child.before + child.after
    child.kill(number)
    child.expect(pexpect.EOF)
    output, local_modes = started + child.before, termios.tcgetattr(child.child_fd)[3]
    child.close()
    on = set(re.findall(rb"\x1b\[\?(\d+)h", output)) - {b"7", b"25"}
    last = {mode: output.rfind(b"\x1b[?%sh" % mode) < output.rfind(b"\x1b[?%sl" % mode) for mode in on}

    assert child.exitstatus == code
    assert {b"1049", b"1000", b"2004"} <= on
    assert [mode for mode, is_off in last.items() if not is_off] == []
    assert output.rfind(b"\x1b[?25l") < output.rfind(b"\x1b[?25h"), "the cursor is back"
    assert output.rfind(b"\x1b[<u") > output.rfind(b"\x1b[>1u"), "kitty's keys are off"
    assert local_modes & termios.ECHO
    assert local_modes & termios.ICANON


def test_a_terminal_that_takes_nothing_does_not_keep_the_process(monkeypatch):
    left = []
    monkeypatch.setattr(hangup, "SAVE_SECONDS", 0.01)
    monkeypatch.setattr(hangup, "RESTORE_SECONDS", 0.01)
    watch = HangupWatch(threading.Event().wait, leave=left.append)
    monkeypatch.setattr(watch, "_restore", threading.Event().wait)
    watch.hang_up()

    assert left == [129]


@pytest.mark.parametrize("how", ["line", "signal"])
def test_a_dropped_line_ends_the_process_with_129(workspace, how):
    child = start(workspace)
    child.expect(b"liquidity_shock")
    if how == "signal":
        child.kill(signal.SIGHUP)
    else:
        child.ptyproc.delayafterclose = PATIENCE_SECONDS
        child.ptyproc.fileobj.close()
    _, status = os.waitpid(child.pid, 0)
    # The kernel sends SIGHUP along with the dropped line; either way the console answers with its own exit.
    assert os.waitstatus_to_exitcode(status) == 129
    child.ptyproc.fileobj.close()
    child.closed = child.ptyproc.closed = True


def test_a_bug_is_a_sentence_on_the_screen_a_traceback_in_the_log_and_no_0(workspace):
    child = start(workspace, BROKEN)
    code, output = finish(child)
    assert code == 1
    assert_restored(output)
    assert b"stopped because of a bug" in output
    assert b"Traceback" not in output
    assert "ZeroDivisionError" in (workspace.logs_dir / "console.log").read_text(encoding="utf-8")


def test_an_engine_elsewhere_keeps_running(workspace):
    with Lease.acquire(workspace, Actor.current(Origin.COMMAND_LINE), "headless"):
        child = start(workspace, read_only=False)
        child.expect(b"headless")
        child.send("q")
        assert finish(child)[0] == 0
        assert read_lease(workspace).mode == "headless"


def test_leaving_an_embedded_engine_asks_first_and_stops_it_in_order(workspace):
    sessions = Sessions(workspace)
    sessions.request("s-0002", DesiredSession.STOPPED, actor=OPERATOR)
    small = TrainingSettings(max_epochs=5000, patience=5000, dataset_size=100, models=ONE_MODEL)
    session_id = sessions.start(small, name="small", actor=OPERATOR).session_id
    child = start(workspace, read_only=False)
    until(lambda: read_lease(workspace) is not None, "the engine")
    assert read_lease(workspace).mode == "embedded"
    until(lambda: sessions.get(session_id).observed.epoch >= 1, "an epoch")
    child.send("q")
    child.expect(b"Leave, and stop the engine")
    until(lambda: has_left_at(child, "Y"), "the end")
    child.close()
    assert child.exitstatus == 0
    assert read_lease(workspace) is None
    session = sessions.get(session_id)
    assert session.wants_work, "the next engine goes on with it"
    assert (workspace.root / session.observed.checkpoint).exists()
