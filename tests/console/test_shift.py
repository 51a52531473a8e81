"""The summary of a shift in the console, and what is said to who comes back."""

from datetime import timedelta

import pytest

from console.cli.main import main
from console.dialogs.text import TextDialog
from console.presentation.shift import shift_lines
from console.runtime.visits import EVERY, Visits, read_visits
from core.alerts import Alerts
from core.view.shift import ShiftPerson, ShiftSummary
from tests.clocks import HandClock
from tests.console.conftest import NOW
from tools.demo import OPERATOR


@pytest.fixture
def visits_at(tmp_path, workspace, monkeypatch):
    """A file of visits of a user who left some time ago."""
    file = tmp_path / "visits.json"
    monkeypatch.setattr("console.runtime.visits.visits_file", lambda: file)

    def left(ago: timedelta) -> None:
        Visits(workspace.root, lambda: NOW - ago).note()

    return left


def fire(workspace, at):
    labels = {"model": "spread", "version": "9.9.9"}
    return Alerts(workspace, clock=lambda: at).fire("hash_mismatch", labels=labels, summary="changed at night", now=at)


async def test_who_comes_back_is_told_that_something_happened_and_h_shows_it(open_console, workspace, visits_at):
    visits_at(timedelta(hours=2))
    fire(workspace, NOW - timedelta(minutes=2))
    async with open_console((80, 24)) as console:
        await console.until(lambda: "Since you left: " in console.sentence)
        assert "fired" in console.sentence
        assert "h shows" in console.sentence
        await console.press("h")
        await console.until(lambda: isinstance(console.app.screen, TextDialog) and "Decided about" in console.text())
        assert "changed at night" in console.text()
        assert "since you left" in console.text()


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_who_left_a_moment_ago_sees_the_last_eight_hours_and_why(size, open_console, workspace, visits_at):
    visits_at(timedelta(minutes=5))
    fire(workspace, NOW - timedelta(hours=3))
    async with open_console(size) as console:
        await console.until(lambda: console.app.left_at is not None, "the last visit")
        await console.press("h")
        await console.until(lambda: "Who was here" in console.text() or "changed at night" in console.text())
        assert "You left 5m ago: the summary covers the last 8h." in console.text()
        assert "changed at night" in console.text()
        assert "since you left" not in console.text()


async def test_who_missed_nothing_or_was_never_here_is_told_nothing(open_console, workspace, visits_at):
    async with open_console((80, 24)) as console:
        await console.settled()
        assert "Since you left" not in console.sentence
    visits_at(timedelta(seconds=10))
    fire(workspace, NOW - timedelta(seconds=5))
    async with open_console((80, 24)) as console:
        await console.settled()
        assert "Since you left" not in console.sentence


async def test_the_command_takes_a_length_or_a_time_and_says_what_is_wrong(open_console, workspace, visits_at):
    fire(workspace, NOW - timedelta(hours=10))
    async with open_console((120, 40)) as console:
        await console.press("colon", *"shift soon", "enter")
        assert "is not a time" in console.sentence
        await console.press("colon", *"shift 12h", "enter")
        await console.until(lambda: "changed at night" in console.text())


def test_a_visit_is_noted_once_a_minute_and_when_the_user_leaves(tmp_path):
    clock, file = HandClock(), tmp_path / "visits.json"
    visits = Visits(tmp_path, clock, file)
    first = clock()
    visits.note()
    clock.pass_by(EVERY.total_seconds() / 2)
    visits.note()
    assert visits.last() == first
    visits.note(leaves=True)
    assert visits.last() == clock()
    file.write_text("[]")
    assert read_visits(file) == {}


def test_the_command_line_prints_the_same(workspace, called):
    Alerts(workspace).fire("hash_mismatch", labels={"model": "a"}, summary="b\x1b[31m is red", now=NOW)
    root = str(workspace.root)
    code, out, _ = called(main, "--workspace", root, "shift", "--since", "1h")
    assert code == 0
    assert "Who was here" in out
    assert "\x1b" not in out
    code, out, _ = called(main, "--workspace", root, "shift", "--json")
    assert code == 0
    assert '"fired"' in out
    assert called(main, "--workspace", root, "shift", "--since", "later")[0] == 2
    assert OPERATOR.name not in out


def test_a_summary_says_just_now_and_until_when_an_engine_looked():
    person = ShiftPerson(who="ada", n_changes=1, first_at=NOW, last_at=NOW, through=("console",))
    summary = ShiftSummary(
        since=NOW - timedelta(hours=8),
        until=NOW,
        fired=(),
        still_firing=2,
        checked_until=NOW - timedelta(hours=1),
        decisions=(),
        changes=(),
        people=(person,),
        counts={"fired": 0, "decisions": 0, "changes": 0, "people": 1},
    )
    text = "\n".join(line.text for line in shift_lines(summary))
    assert "2 alerts firing as of 2026-03-02 02:04 UTC: no engine evaluates." in text
    assert "first just now" in text
    assert "now ago" not in text
