"""The headless view: each event is told once, in order, in the spelling that was asked for."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from console.cli.headless import LinePrinter, SessionFeed
from core.quality.gate import judge
from core.training.session import ObservedSession, Session, SessionPhase
from core.view.snapshot import Snapshot

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILED_GATE = judge("coverage", 80.0, ">=", 90.0, unit="%", reason="80% < 90%")


def seen(epochs: dict[int, float], **observed: object) -> Snapshot:
    """Return a snapshot of one session whose epochs have these scores."""
    session = Session(
        session_id="s-0001",
        name="",
        created_at=NOW,
        created_by="ada@desk",
        settings={},
        desired_by="ada@desk",
        desired_at=NOW,
        run_id="r-0001",
        observed=ObservedSession(
            **{"phase": SessionPhase.RUNNING, "n_epochs": 3, "epoch": max(epochs, default=0), **observed}
        ),
    )
    series = MappingProxyType({"score": tuple(epochs.items())})
    return Snapshot(taken_at=NOW, workspace=Path("/w"), sessions=(session,), epochs={"r-0001": series})


def kinds(feed: SessionFeed, snapshot: Snapshot) -> list[str]:
    return [event["event"] for event in feed.events(snapshot)]


def test_each_epoch_is_reported_once_even_when_several_arrive_together():
    feed = SessionFeed("s-0001")

    assert [event["epoch"] for event in feed.events(seen({1: 0.5, 2: 0.6})) if event["event"] == "epoch"] == [1, 2]
    assert kinds(feed, seen({1: 0.5, 2: 0.6})) == []
    assert kinds(feed, seen({1: 0.5, 2: 0.6, 3: 0.7})) == ["epoch"]


def test_events_after_an_epoch_wait_for_its_figures():
    feed = SessionFeed("s-0001")
    list(feed.events(seen({1: 0.5})))

    assert kinds(feed, seen({1: 0.5}, epoch=2, phase=SessionPhase.PAUSED)) == []
    assert kinds(feed, seen({1: 0.5, 2: 0.6}, phase=SessionPhase.PAUSED)) == ["epoch", "phase"]


def test_an_end_is_reported_even_if_the_figures_never_arrive():
    assert kinds(SessionFeed("s-0001"), seen({}, epoch=2, phase=SessionPhase.FAILED, failure="killed"))[-1] == "end"


def test_a_rejected_draw_names_the_gate_and_its_value():
    feed = SessionFeed("s-0001")
    (told,) = [
        event
        for event in feed.events(seen({1: 0.5}, n_rejected_epochs=1, gates=(FAILED_GATE,)))
        if event["event"] == "draw_rejected"
    ]

    assert told["reason"] == "coverage 80% < 90%"


def test_json_lines_are_one_object_per_line():
    stream = io.StringIO()
    printer = LinePrinter(stream, log_json=True)
    for event in SessionFeed("s-0001").events(seen({1: 0.5, 2: 0.6}, phase=SessionPhase.FINISHED)):
        printer.print(event)

    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["epoch", "epoch", "phase", "end"]
    assert events[0]["metrics"] == {"score": 0.5}


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_gets_a_bar_it_can_draw_and_a_pipe_gets_none(encoding):
    class Tty(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    for stream, has_bar in ((Tty(io.BytesIO(), encoding=encoding), True), (io.TextIOWrapper(io.BytesIO()), False)):
        printer = LinePrinter(stream, log_json=False)
        for event in SessionFeed("s-0001").events(seen({1: 0.5})):
            printer.print(event)
        stream.flush()
        text = stream.buffer.getvalue().decode(encoding)
        assert ("% of up to 3 epochs" in text) is has_bar


def test_text_from_documents_cannot_move_the_cursor():
    stream = io.StringIO()
    LinePrinter(stream, log_json=False).print(
        {"event": "epoch_failed", "session_id": "s-0001", "epoch": 1, "reason": "\x1b[2J\nkilled"}
    )

    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
