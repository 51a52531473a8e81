"""The logs live: in the console with `l`, in a shell with `bondx logs`."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.cli.main import main
from core.log_lines import LogLines
from tests.waiting import until
from widgets.log_pane import MAX_LINES, LogPane


def stamped(second: int, level: str, text: str) -> str:
    return f"2026-03-02 03:04:{second:02d},000 {level:<7} core.test: {text}\n"


@pytest.fixture
def engine_log(workspace):
    """Return a function that writes a line to the log of the engine; the logs of the demo are removed."""
    for file in workspace.logs_dir.glob("*.log*"):
        file.unlink()
    file = workspace.logs_dir / "engine.log"

    def write(text: str, level: str = "INFO") -> None:
        with file.open("a") as stream:
            stream.write(stamped(5, level, text))

    return write


async def open_logs(console):
    await console.press("l")
    await console.until(lambda: console.app.screen.query(LogPane), "the logs")
    await console.until(lambda: "following" in console.text(), "the newest lines")


async def more(console, text: str):
    console.app.screen.read_more()
    await console.until(lambda: text in console.text(), text)


async def test_the_logs_are_followed_until_one_scrolls_up_and_again_at_the_end(open_console, engine_log):
    for number in range(60):
        engine_log(f"line {number}")
    async with open_console((80, 24)) as console:
        await open_logs(console)
        await console.until(lambda: "line 59" in console.text(), "the newest line")
        assert "─ Logs ─" in console.text().splitlines()[1]
        engine_log("fresh one")
        await more(console, "fresh one")
        await console.press("k", "k")
        assert "paused; G follows" in console.text()
        assert "fresh one" not in console.text()
        before = console.text().splitlines()[1:-4]
        engine_log("fresh two")
        await more(console, "paused, 1 new line below; G follows")
        assert console.text().splitlines()[1:-4] == before
        await console.press("G")
        assert "following" in console.text()
        assert "fresh two" in console.text()
        await console.press("g")
        assert re.search(r"line 0\b", console.text())
        await console.press(*["pagedown"] * 5)
        assert "following" in console.text()
        await console.press("escape")
        assert console.app.screen is console.screen


async def test_the_logs_are_searched_and_filtered_by_severity_and_wrapped(open_console, engine_log):
    for number in range(40):
        engine_log(f"line {number}", "WARNING" if number == 7 else "INFO")
    engine_log("the end " + "x" * 100 + " really")
    async with open_console((80, 24)) as console:
        await open_logs(console)
        await console.until(lambda: "the end" in console.text(), "the newest line")
        assert "really" not in console.text()
        await console.press("w")
        assert "really" in console.text()
        await console.press("slash", *"LINE 1", "enter")
        assert "/LINE 1: 11 lines" in console.text()
        assert "paused" in console.text()
        assert "line 19" in console.text()
        await console.press("N", "N")
        assert "line 17" in console.text()
        await console.press("n", "n", "n")
        assert "No further line below" in console.text()
        await console.press("s", "s")
        await console.until(lambda: "warnings and worse" in console.text(), "only warnings")
        assert "line 7" in console.text()
        assert "line 8" not in console.text()
        await console.press("slash", "escape")
        assert console.app.screen is not console.screen  # Esc left the search alone
        await console.press("escape")
        assert console.app.screen is console.screen


async def test_no_line_of_a_log_reaches_the_terminal_unescaped(open_console, engine_log):
    engine_log("x \x1b]52;c;eA==\x07 \x1b[2J name")
    async with open_console((80, 24)) as console:
        await open_logs(console)
        await console.until(lambda: "name" in console.text(), "the line")
        assert "\x1b" not in console.text()
        assert "\x07" not in console.text()


def test_a_pane_keeps_only_its_newest_lines():
    from widgets.log_pane import Entry

    pane = LogPane()
    pane.add(Entry(str(number)) for number in range(MAX_LINES + 5))
    assert pane.n_shown == MAX_LINES
    assert pane.text.startswith("5\n")


def test_a_shell_prints_the_newest_wanted_lines(workspace, engine_log, called):
    for number in range(5):
        engine_log(f"line {number}", "ERROR" if number % 2 else "INFO")
    command = ["--workspace", workspace.root, "logs"]
    assert called(main, *command, "-n", "2")[1].splitlines() == [
        "engine: " + stamped(5, "ERROR", "line 3").rstrip(),
        "engine: " + stamped(5, "INFO", "line 4").rstrip(),
    ]
    code, out, _ = called(main, *command, "--level", "error", "--grep", "LINE 1", "--json")
    assert (code, json.loads(out)["level"]) == (0, "error")
    assert called(main, *command, "--grep", "nothing")[:2] == (0, "no log line matches\n")
    assert called(main, *command, "--level", "loud")[0] == 2


def test_a_log_that_this_account_may_not_read_is_not_called_empty(workspace, engine_log, called, monkeypatch):
    engine_log("hello", "INFO")
    may = os.access
    monkeypatch.setattr("os.access", lambda path, mode: "engine.log" not in str(path) and may(path, mode))
    code, out, err = called(main, "--workspace", workspace.root, "logs")
    assert (code, out) == (2, "")
    assert err == f"bondx: {workspace.logs_dir / 'engine.log'} cannot be used: Permission denied.\n"


def test_a_shell_follows_the_logs_until_interrupted(workspace, engine_log, tmp_path):
    engine_log("note before")
    out = tmp_path / "out.txt"
    with out.open("w") as stream:
        command = [
            sys.executable,
            "-m",
            "console.cli.main",
            "--workspace",
            workspace.root,
            "logs",
            "-f",
            "--grep",
            "note",
        ]
        process = subprocess.Popen(command, stdout=stream, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        until(lambda: "before" in out.read_text(), "the line before")
        engine_log("skip a")
        engine_log("note fresh")
        until(lambda: "fresh" in out.read_text(), "the fresh line")
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert "skip a" not in out.read_text()


async def test_logs_of_a_past_moment_end_there_and_say_so(open_console, workspace, engine_log):
    engine_log("at the moment")
    with (workspace.logs_dir / "engine.log").open("a") as stream:
        stream.write(stamped(6, "INFO", "a second later"))
    async with open_console((80, 24)) as console:
        console.app.show_past(replace(console.app.snapshot, taken_at=datetime(2026, 3, 2, 3, 4, 5, tzinfo=UTC)))
        await console.press("l")
        await console.until(lambda: "at the moment" in console.text(), "the lines")
        engine_log("written now")
        await more(console, "at the moment")
        await console.settled()
        assert "─ Logs until 2026-03-02 03:04:05 UTC ─" in console.text()
        assert "a second later" not in console.text()
        assert "written now" not in console.text()
        assert "following" not in console.text()


def test_a_log_line_carries_utc_in_any_time_zone(monkeypatch):
    record = logging.makeLogRecord({"created": 1_772_420_645.0, "msecs": 123.0, "levelname": "INFO", "msg": "x"})
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        try:
            assert LogLines().format(record).startswith("2026-03-02 03:04:05,123 INFO")
        finally:
            patch.undo()
            time.tzset()
