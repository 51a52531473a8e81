"""Names, labels, paths, errors and log lines never reach a terminal or a log as anything but text."""

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from console.cli.escaped_text import json_text, terminal_cells
from console.cli.progress_line import CommandProgress
from core.actor import Actor, Origin
from core.errors import ExitCode, UsageError
from core.escape import escaped, is_shown_as_is, spelled_out
from core.log_lines import JsonLines, LogLines, text_of
from core.settings import load_settings
from core.settings.errors import SettingsError
from core.state import UnstorableValueError
from core.tracking import Runs, track
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PERSON = Actor("ana", "desk", Origin.COMMAND_LINE)
HOSTILE = {
    "colour": "\x1b[31m",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "C1": "\x9b2J",
    "DEL": "\x7f",
    "backspace": "\x08",
    "carriage return": "\r",
    "next line": "\x85",
    "line separator": "\u2028",
    "bidi": "\u202e",
    "isolate": "\u2066",
    "zero width": "\u200b",
    "joiner": "\u2060",
    "byte order mark": "\ufeff",
    "blank letter": "\u3164",
    "NUL": "\x00",
}
EACH = pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)


@EACH
def test_the_one_escape_lets_nothing_pass_that_a_terminal_obeys_or_hides(hostile):
    assert is_shown_as_is(escaped(f"a{hostile}b"))
    assert is_shown_as_is(spelled_out(f"a{hostile}b"))
    assert not is_shown_as_is(hostile)


def test_half_characters_are_escaped_too():
    assert escaped("a\udce9b").encode() == "a\N{REPLACEMENT CHARACTER}b".encode()


@EACH
def test_json_keeps_the_value_and_shows_none_of_it(hostile):
    text = json_text({f"a{hostile}": [f"{hostile}b", "é😀"]}, indent=2)
    assert is_shown_as_is(text, keep="\n")
    assert json.loads(text) == {f"a{hostile}": [f"{hostile}b", "é😀"]}


def bondx(*words, **environment):
    script = "import sys; from console.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        env=os.environ | environment,
    )


def put_into(workspace, run_id, **fields):
    """Give a stored run names that an older release took."""
    file = workspace.state_file("runs")
    tables = json.loads(file.read_bytes())
    next(run for run in tables["runs"].values() if run["run_id"] == run_id).update(fields)
    file.write_bytes(orjson.dumps(tables))


def test_names_stored_long_ago_are_readable_and_harmless_on_every_command(workspace):
    with track(workspace, "run", actor=PERSON) as run:
        pass
    evil = "".join(HOSTILE.values()) + "end"
    put_into(workspace, run.run_id, name=evil, tags={evil: evil}, parameters={evil: {evil: 1}}, started_by=evil)
    place = ("--workspace", str(workspace.root))
    for words in (("runs", "list"), ("runs", "show", run.run_id), ("status",), ("doctor",), ("audit", "log")):
        for form in ((), ("--json",)):
            done = bondx(*place, *words, *form)
            shown = (done.stdout + done.stderr).decode()
            assert is_shown_as_is(shown, keep="\n"), (words, form)
            if words[0] == "runs":
                assert done.returncode == 0, shown
                assert "end" in shown
    stored = json.loads(bondx(*place, "runs", "show", run.run_id, "--json").stdout)
    assert (stored["name"], stored["tags"]) == (evil, {evil: evil})
    Runs(workspace).set_tags(run.run_id, {"desk": "emea"}, actor=PERSON)  # and the run can still be changed


@EACH
def test_the_command_line_refuses_such_words_at_the_door(workspace, hostile):
    if hostile == "\x00":
        return  # no process can be given one
    done = bondx("--workspace", str(workspace.root), "session", "start", "--name", f"a{hostile}b", "--epochs", "1")
    assert done.returncode == ExitCode.USAGE
    assert is_shown_as_is(done.stderr.decode(), keep="\n")
    assert b"no terminal shows" in done.stderr


def test_bytes_that_are_no_text_are_refused_too(workspace):
    done = bondx("--workspace", str(workspace.root), "runs", "show", b"caf\xe9")
    assert done.returncode == ExitCode.USAGE
    assert is_shown_as_is(done.stderr.decode(), keep="\n")


@EACH
def test_programs_are_refused_such_names(workspace, hostile):
    runs = Runs(workspace)
    with pytest.raises(UsageError):
        runs.start(name=f"a{hostile}", actor=PERSON)
    run = runs.start(name="a", actor=PERSON)
    for tags in ({f"a{hostile}": "b"}, {"a": f"b{hostile}"}):
        with pytest.raises(UnstorableValueError, match="no terminal shows"):
            runs.set_tags(run.run_id, tags, actor=PERSON)
    with pytest.raises(UnstorableValueError, match="no terminal shows"):
        runs.log_parameters(run.run_id, {"model": {f"a{hostile}": 1}}, actor=PERSON)


@EACH
def test_settings_are_refused_with_such_texts(tmp_path, hostile):
    file = tmp_path / "bondx.yaml"
    file.write_text(f"random_seed: 1\ndomain: {json.dumps('a' + hostile)}\n")
    with pytest.raises(SettingsError, match="line 2") as refusal:
        load_settings(file)
    assert is_shown_as_is(str(refusal.value))


@EACH
def test_a_log_line_is_one_line_whatever_is_logged(hostile):
    formatter = LogLines()
    record = logging.LogRecord("core", logging.WARNING, __file__, 1, "path %s", (f"/a{hostile}\n2026 forged",), None)
    assert is_shown_as_is(formatter.format(record))
    try:
        raise ValueError(f"a{hostile}")
    except ValueError:
        record = logging.LogRecord("core", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    assert is_shown_as_is(formatter.format(record), keep="\n")


@EACH
def test_a_json_log_line_is_one_printable_line(hostile):
    record = logging.LogRecord("core", logging.WARNING, __file__, 1, "path %s", (f"/a{hostile}\nb",), None)
    record.extra = hostile
    line = JsonLines().format(record)
    assert is_shown_as_is(line)
    assert json.loads(line)["message"] == f"path /a{hostile}\nb"
    assert is_shown_as_is(text_of(line.encode()))


@EACH
def test_a_progress_line_is_escaped(monkeypatch, hostile):
    monkeypatch.setattr("os.get_terminal_size", lambda _descriptor: os.terminal_size((80, 24)))
    line = CommandProgress("bondx")
    line.show(f"reading a{hostile}\n.csv")
    assert is_shown_as_is(line._text())
    line.show("社債" * 60)
    assert terminal_cells(line._text()) <= 79


def calls(tree):
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def test_no_print_and_no_log_goes_around_the_escape():
    """Streams and log handlers are made where they escape, and nowhere else."""
    found = set()
    for file in (path for tree in ("core", "console", "bondx") for path in (ROOT / tree).rglob("*.py")):
        tree, name = ast.parse(file.read_text()), file.relative_to(ROOT).as_posix()
        for call in calls(tree):
            writes = call == "os.write" and name.startswith("console/")  # the engine writes to files and pipes
            if writes or call.endswith(("StreamHandler", "FileHandler", "basicConfig")):
                found.add((name, call))
        if any(ast.unparse(node).startswith("sys.__std") for node in ast.walk(tree) if isinstance(node, ast.Attribute)):
            found.add((name, "sys.__std…"))
    assert found == {
        ("console/cli/streams.py", "sys.__std…"),  # made to escape there
        ("console/cli/unread_output.py", "os.write"),  # of texts that `write` has escaped
        ("console/cli/progress_line.py", "os.write"),  # of a line that is escaped there
        ("console/cli/process_log.py", "logging.StreamHandler"),  # with LogLines
        ("console/commands/serve.py", "logging.StreamHandler"),  # with LogLines or JsonLines
        ("core/training/child_output.py", "logging.StreamHandler"),  # with JsonLines, into a pipe of the trainer
        ("core/alerts/delivery/channels/apprise_url.py", "logging.StreamHandler"),  # into a text, escaped in an error
        ("console/runtime/hangup.py", "sys.__std…"),  # a constant
        ("console/runtime/hangup.py", "os.write"),  # the same
        ("console/runtime/attaching.py", "os.write"),  # keys, and what a console that escapes has drawn
    }
