"""The recorded past on the screens: one key back, one key forth, and nothing to be changed by accident."""

import contextlib
import functools
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from core.actor import Actor
from core.registry import Registry
from core.state import Workspace
from core.view.past.recorder import DocumentRecorder
from core.view.past.replay import RecordedPast
from tools.demo import OPERATOR

NOW = datetime(2026, 3, 2, 3, 4, tzinfo=UTC)
"""When the demo is."""
T0 = NOW + timedelta(minutes=1)
LATER = NOW + timedelta(minutes=14)


def record(workspace: Workspace, *acts) -> list[datetime]:
    """Look, and look again a minute later after each act."""
    at = [T0 + timedelta(minutes=n) for n in range(len(acts) + 1)]
    for when, act in zip(at, (None, *acts), strict=True):
        clock = lambda when=when: when  # noqa: E731
        if act:
            act(Registry(workspace, clock=clock))
        with contextlib.closing(DocumentRecorder(workspace, hours=24, clock=clock)) as recorder:
            recorder.look()
    return at


@pytest.fixture(name="open_console")
def _open_console(open_console):
    """A console that is opened a little later than the demo is."""
    return functools.partial(open_console, clock=lambda: LATER)


@pytest.fixture
def recorded(workspace):
    """Three moments: as the demo is, a promotion of anomaly, and its undoing."""

    def promote(registry):
        version = registry.versions("anomaly")[-1].version
        registry.apply(registry.plan_promotion("anomaly", version), actor=OPERATOR, reason="passed [review]")

    return record(workspace, promote, lambda registry: registry.apply(registry.plan_undo("anomaly"), actor=OPERATOR))


def stage_of_newest(console) -> str:
    return [version for version in console.app.snapshot.versions if version.model == "anomaly"][-1].stage


async def back(console, n=1):
    for _ in range(n):
        before = console.app.playback.at
        await console.press("less_than_sign")
        await console.until(lambda before=before: console.app.playback.at not in (before, None), "the moment before")


async def test_keys_go_back_change_by_change_and_forward_to_now(open_console, recorded):
    async with open_console((80, 24)) as console:
        await console.press("3")
        live = stage_of_newest(console)
        await back(console)
        assert console.app.playback.at == recorded[1]
        assert stage_of_newest(console) != live
        assert "03:06:00 UTC  mira version.promote anomaly" in console.sentence
        assert "passed [review]" in console.sentence
        assert "[past 03:06:00 UTC]" in console.text()
        assert "ARMED" not in console.text()
        await back(console)
        assert console.app.playback.at == recorded[0]
        assert stage_of_newest(console) == live
        assert "the recorded past begins here" in console.sentence
        for expected in (recorded[1], recorded[2], None):
            await console.press("greater_than_sign")
            await console.until(lambda expected=expected: console.app.playback.at == expected)
        assert "past" not in console.text().splitlines()[0]
        assert "ARMED" in console.text()
        assert stage_of_newest(console) == live


async def test_further_back_than_it_begins_stays_at_the_beginning(open_console, recorded):
    async with open_console((80, 24)) as console:
        await console.burst(*["less_than_sign"] * 9)
        await console.until(lambda: console.app.playback.at == recorded[0], "the beginning")
        await console.press("less_than_sign")
        await console.settled()
        assert console.app.playback.at == recorded[0]


async def test_the_past_cannot_be_changed_and_p_returns_to_now(open_console, recorded):
    async with open_console((80, 24)) as console:
        await console.press("3")
        await back(console)
        for key in ("P", "R", "U"):
            await console.press(key)
            assert "This is the past" in console.sentence
            assert console.app.screen is console.screen
        await console.press("colon", *"undo anomaly", "enter")
        await console.until(lambda: "This is the past" in console.sentence, "the refusal")
        await console.press("p")
        assert console.app.playback.at is None
        assert console.app.frozen_at is None
        dialog = await console.dialog("P")
        assert dialog is not console.screen


async def test_p_returns_to_now_from_a_moment_that_is_still_being_read(open_console, recorded, monkeypatch):
    is_reading, may_read, read = threading.Event(), threading.Event(), RecordedPast.at

    def slowly(*args, **options):
        is_reading.set()
        may_read.wait()
        return read(*args, **options)

    async with open_console((80, 24)) as console:
        await back(console)
        monkeypatch.setattr(RecordedPast, "at", slowly)
        try:
            console.send("less_than_sign")
            await console.until(is_reading.is_set, "the moment before")
            console.send("p")
            await console.until(lambda: console.app.playback.at is None, "the present")
        finally:
            may_read.set()
        await console.settled()
        assert (console.app.playback.at, console.app.frozen_at) == (None, None)
        assert "ARMED" in console.text()
        await back(console)
        assert console.app.playback.at == recorded[1]


async def test_every_screen_shows_the_past(open_console, recorded):
    async with open_console((120, 40)) as console:
        await back(console)
        for key in "1234579":
            await console.press(key)
            assert "[past 03:06:00 UTC]" in console.text()
        assert console.screen.main_table().rows[0].cells[0].text == str(console.app.snapshot.audit[0].sequence)


async def test_a_typed_time_is_shown(open_console, recorded):
    async with open_console((80, 24)) as console:
        await console.press("colon", *"past 03:06:30", "enter")
        await console.until(lambda: console.app.playback.at == T0 + timedelta(seconds=90), "the instant")
        assert "version.promote" in console.sentence
        await console.press("colon", *"now", "enter")
        await console.until(lambda: console.app.playback.at is None, "the present")


@pytest.mark.parametrize(
    ("time", "words"),
    [
        pytest.param("half past two", "is not a time: write 02:50", id="no time"),
        pytest.param("2020-01-01T00:00", "does not reach back", id="before the past begins"),
    ],
)
async def test_a_time_that_cannot_be_shown_is_answered(open_console, recorded, time, words):
    async with open_console((120, 40)) as console:
        await console.press("colon", *f"past {time.replace(' ', '-')}", "enter")
        await console.until(lambda: words in console.sentence, words)
        assert console.app.playback.at is None


async def test_without_a_recorded_past_the_console_says_who_records_it(open_console):
    async with open_console((120, 40)) as console:
        await console.press("less_than_sign")
        await console.until(lambda: "nothing is recorded yet: a running engine records it" in console.sentence)


async def test_a_damaged_past_is_one_sentence_and_the_present_stays(open_console, workspace):
    workspace.telemetry_file.with_name("past.db").write_bytes(b"SQLite it is not" * 100)
    async with open_console((120, 40)) as console:
        await console.press("less_than_sign")
        await console.until(lambda: "bondx doctor --restore past.db" in console.sentence)
        assert console.app.playback.at is None


async def test_epochs_of_another_run_come_when_its_session_is_selected_in_the_past(open_console, recorded):
    async with open_console((120, 40)) as console:
        await console.press("2")
        await back(console)
        console.app.follow("r-0009")
        await console.until(lambda: "r-0009" in console.app.snapshot.epochs, "its epochs")
        assert console.app.playback.at == recorded[1]


async def test_brackets_go_to_just_before_and_just_after_the_changes_of_people(open_console, workspace):
    def promote(registry):
        version = registry.versions("anomaly")[-1].version
        registry.apply(registry.plan_promotion("anomaly", version), actor=OPERATOR, reason="passed review")

    def by_the_engine(registry):
        registry.set_tags("spread", "1.2.0", {"seen": "yes"}, actor=Actor.engine())

    def undo(registry):
        registry.apply(registry.plan_undo("anomaly"), actor=OPERATOR)

    moments = record(workspace, promote, by_the_engine, undo, by_the_engine)
    async with open_console((120, 40)) as console:
        for key, expected, sentence in (
            ("left_square_bracket", moments[2], "before 03:08:00 UTC  mira version.undo"),
            (
                "left_square_bracket",
                moments[0],
                "before 03:06:00 UTC  mira version.promote anomaly/1.3.0: passed",
            ),
            ("right_square_bracket", moments[1], "after 03:06:00 UTC  mira version.promote anomaly"),
            ("right_square_bracket", moments[3], "after 03:08:00 UTC  mira version.undo"),
            ("right_square_bracket", None, "This is now."),
        ):
            await console.press(key)
            await console.until(lambda sentence=sentence: sentence in console.sentence, sentence)
            assert console.app.playback.at == expected


async def test_brackets_move_the_cursor_of_the_audit_log_to_the_changes_of_people(open_console):
    async with open_console((120, 40)) as console:
        await console.press("9")
        by_people = [str(one.sequence) for one in console.app.snapshot.audit if one.origin != "engine"]
        assert console.screen.main_table().cursor_key == by_people[0]
        for key in by_people[1:]:
            await console.press("left_square_bracket")
            assert console.screen.main_table().cursor_key == key
        await console.press("left_square_bracket")
        assert "no earlier change by a person" in console.sentence
        await console.press("right_square_bracket")
        assert console.screen.main_table().cursor_key == by_people[-2]
        assert console.app.playback.at is None


async def test_the_audit_log_is_filtered_by_actor_and_verb_and_shows_times(open_console):
    async with open_console((120, 40)) as console:
        await console.press("9", "slash", *"actor:mira verb:run.start", "enter")
        shown = [row.key for row in console.screen.main_table().rows]
        records = [one for one in console.app.snapshot.audit if one.verb == "run.start" and "mira" in one.actor]
        assert shown == [str(one.sequence) for one in records]
        assert re.search(f"{records[0].at:%H:%M} +run.start", console.text())
