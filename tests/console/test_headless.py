"""The headless view: each event is told once, in order, in the spelling that was asked for."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli.escaped_text import json_text
from console.cli.headless import LinePrinter, SessionFeed, plain_line
from core.quality.gate import GateResult, judge
from core.training.records import DrawRecord, EpochRecord
from core.training.session import ObservedSession, Session, SessionPhase
from core.view.snapshot import Snapshot

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILED_GATE = judge("coverage", 80.0, ">=", 90.0, unit="%")
PASSED_GATE = judge("duplicates", 0.0, "<=", 1.0, unit="%")


def seen(epochs: dict[int, float], **observed: object) -> Snapshot:
    """Return a snapshot of one session whose epochs have these scores."""
    session = Session(
        session_id="s-0001",
        name="",
        created_at=NOW,
        created_by="ada@desk",
        settings={"scores": epochs},
        desired_by="ada@desk",
        desired_at=NOW,
        run_id="r-0001",
        observed=ObservedSession(
            **{"phase": SessionPhase.RUNNING, "n_epochs": 3, "epoch": max(epochs, default=0), **observed}
        ),
    )
    return Snapshot(taken_at=NOW, workspace=Path("/w"), sessions=(session,))


def report(epoch: int, *gates: GateResult) -> EpochRecord:
    """Return the report of an epoch that was skipped for the gates that block, or learned."""
    return EpochRecord(
        epoch=epoch,
        learned=not any(gate.blocks for gate in gates),
        draw=DrawRecord(purpose="draw", seed=1, n_rows=1, n_groups=1, sha256=""),
        n_learned_rows=1,
        n_holdout_rows=1,
        gates=gates,
        quality_score=0.9,
        score=0.5,
        metrics={},
        holdout={},
    )


def metrics_after(session: Session, epoch: int) -> dict[int, dict[str, float]]:
    return {number: {"score": score} for number, score in session.settings["scores"].items() if number > epoch}


def feed_of(*reports: EpochRecord, before: ObservedSession | None = None) -> SessionFeed:
    by_epoch = {each.epoch: each for each in reports}
    return SessionFeed("s-0001", lambda _session, epoch: by_epoch.get(epoch), metrics_after, before)


def kinds(feed: SessionFeed, snapshot: Snapshot) -> list[str]:
    return [event["event"] for event in feed.events(snapshot)]


def test_each_epoch_is_reported_once_even_when_several_arrive_together():
    feed = feed_of()

    assert [event["epoch"] for event in feed.events(seen({1: 0.5, 2: 0.6})) if event["event"] == "epoch"] == [1, 2]
    assert kinds(feed, seen({1: 0.5, 2: 0.6})) == []
    assert kinds(feed, seen({1: 0.5, 2: 0.6, 3: 0.7})) == ["epoch"]


def test_what_happened_before_this_process_began_is_not_reported_again():
    earlier = seen({1: 0.5, 2: 0.6}, n_failed_epochs=1, failed_epoch=2, failure="killed")
    (session,) = earlier.sessions
    feed = feed_of(before=session.observed)

    assert kinds(feed, earlier) == ["phase"]
    (event,) = feed.events(seen({1: 0.5, 2: 0.6, 3: 0.7}, n_failed_epochs=1, failed_epoch=2, failure="killed"))
    assert (event["event"], event["epoch"]) == ("epoch", 3)


def test_events_after_an_epoch_wait_for_its_figures():
    feed = feed_of()
    list(feed.events(seen({1: 0.5})))

    assert kinds(feed, seen({1: 0.5}, epoch=2, phase=SessionPhase.PAUSED)) == []
    assert kinds(feed, seen({1: 0.5, 2: 0.6}, phase=SessionPhase.PAUSED)) == ["epoch", "phase"]


def test_an_end_is_reported_even_if_the_figures_never_arrive():
    assert kinds(feed_of(), seen({}, epoch=2, phase=SessionPhase.FAILED, failure="killed"))[-1] == "end"


def test_a_skipped_epoch_names_itself_its_gate_the_value_and_the_limit():
    """The snapshot is already at epoch 3, with the gates of epoch 3: the report of epoch 2 has its own."""
    feed = feed_of(report(1, PASSED_GATE), report(2, PASSED_GATE, FAILED_GATE), report(3, PASSED_GATE))
    snapshot = seen({1: 0.5, 2: 0.5, 3: 0.7}, n_rejected_epochs=1, gates=(PASSED_GATE,))

    lines = [
        plain_line(event) for event in feed.events(snapshot) if "epoch" in event["event"] or "draw" in event["event"]
    ]
    assert lines == [
        "epoch 1/3  score 0.5000",
        "epoch 2/3  skipped",
        "epoch 2 skipped: its data failed coverage: 80% < 90%",
        "epoch 3/3  score 0.7000",
    ]
    (told,) = [event for event in feed_of(report(1, FAILED_GATE)).events(seen({1: 0.5})) if "gates" in event]
    (gate,) = json.loads(json_text(told))["gates"]
    assert (told["epoch"], gate["name"], gate["value"], gate["threshold"]) == (1, "coverage", 80.0, 90.0)


def test_a_gate_that_could_not_be_measured_names_its_limit():
    unmeasured = judge("coverage", None, ">=", 90.0, unit="%", reason="no column has a value")
    feed = feed_of(report(1, unmeasured))
    (told,) = [plain_line(event) for event in feed.events(seen({1: 0.5})) if event["event"] == "draw_rejected"]

    assert told == (
        "epoch 1 skipped: its data failed coverage: could not be measured (limit >= 90%): no column has a value"
    )


def test_a_failure_names_the_epoch_that_failed_though_its_retry_is_done_already():
    feed = feed_of()
    snapshot = seen({1: 0.5, 2: 0.6}, n_failed_epochs=1, failed_epoch=2, failure="the training child was killed")

    lines = [plain_line(event) for event in feed.events(snapshot) if event["event"] == "epoch_failed"]
    assert lines == ["epoch 2 failed: the training child was killed"]


def test_a_change_of_phase_names_the_epoch_after_which_it_came():
    assert "s-0001 paused after epoch 1" in [
        plain_line(event) for event in feed_of().events(seen({1: 0.5}, phase=SessionPhase.PAUSED))
    ]


def test_json_lines_are_one_object_per_line():
    stream = io.StringIO()
    printer = LinePrinter(stream, log_json=True)
    for event in feed_of().events(seen({1: 0.5, 2: 0.6}, phase=SessionPhase.FINISHED)):
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
        for event in feed_of().events(seen({1: 0.5})):
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
