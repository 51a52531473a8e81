"""Predictions and outcomes: stored in batches, read on by cursor, dropped rather than waited for."""

import multiprocessing
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.settings.telemetry import ModelRetention, PredictionRetention
from core.telemetry import TelemetryError
from core.telemetry.predictions import (
    AnswerPair,
    Arm,
    Cursor,
    OutcomeRecord,
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    ScoredPair,
    recent,
)
from core.telemetry.predictions import writer as writer_module
from core.telemetry.predictions.records import request_number
from tests.waiting import until

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "telemetry" / "predictions.db"


@pytest.fixture
def writer(file: Path):
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as opened:
        yield opened


def a_prediction(number: int = 1, **more) -> PredictionRecord:
    fields = {
        "request_id": f"request-{number}",
        "at": NOON + timedelta(milliseconds=number),
        "model": "spread",
        "version": "1.1.0",
        "latency_ms": 2.0,
        "rollout_id": "ro-0001",
        "arm": Arm.CANDIDATE,
        "share": 0.05,
    }
    return PredictionRecord(**fields | more)


def read(reader: PredictionReader, after: Cursor | None = None, **more):
    return reader.read("ro-0001", after or Cursor(), settled_before=LATER, **more)


def test_what_was_written_is_read_once_each_in_its_order(file: Path, writer: PredictionWriter) -> None:
    reader = PredictionReader(file)
    for number in range(5):
        writer.add(a_prediction(number, error=number == 3, unit=number))
    writer.add(a_prediction(9, rollout_id="ro-0002"))
    writer.add(a_prediction(10, rollout_id=None))
    writer.flush()

    batch = read(reader)
    assert [served.unit for served in batch.served] == [0, 1, 2, 3, 4]
    assert [served.error for served in batch.served] == [False, False, False, True, False]
    assert {(served.arm, served.share, served.latency_ms) for served in batch.served} == {(Arm.CANDIDATE, 0.05, 2.0)}
    assert batch.is_last
    assert read(reader, batch.cursor).served == []
    writer.add(a_prediction(5, unit=5))
    writer.flush()
    assert [served.unit for served in read(reader, batch.cursor).served] == [5]


def test_a_long_backlog_is_read_in_pieces_that_leave_nothing_out(file: Path, writer: PredictionWriter) -> None:
    for number in range(25):
        writer.add(a_prediction(number, unit=number))
        writer.add_outcome(OutcomeRecord(f"request-{number}", NOON, loss=float(number)))
    writer.flush()
    reader, cursor, units, losses, is_last = PredictionReader(file), Cursor(), [], [], False
    while not is_last:
        batch = read(reader, cursor, n=10)
        cursor, is_last = batch.cursor, batch.is_last
        units += [served.unit for served in batch.served]
        losses += [scored.loss for scored in batch.scored]
    assert units == list(range(25))
    assert losses == [float(number) for number in range(25)]


def test_an_outcome_finds_the_arm_and_share_its_prediction_was_made_under(file: Path, writer: PredictionWriter) -> None:
    writer.add(a_prediction(1, arm=Arm.STABLE, version="1.0.0", share=0.05, value=2.0))
    writer.add(a_prediction(2, share=0.2, value=2.0))
    writer.add_outcome(OutcomeRecord("request-2", NOON, loss=0.25, actual=7.0))
    writer.add_outcome(OutcomeRecord("request-1", NOON, actual=2.5))
    writer.add_outcome(OutcomeRecord("request-1", NOON, actual=99.0))  # the first report counts
    writer.add_outcome(OutcomeRecord("request-8", NOON, actual=99.0))  # of nothing we predicted
    writer.flush()
    scored = read(PredictionReader(file)).scored
    assert [(each.arm, each.share, each.loss) for each in scored] == [
        (Arm.CANDIDATE, 0.2, 0.25),
        (Arm.STABLE, 0.05, 0.5),
    ]


def test_an_outcome_waits_until_its_prediction_has_surely_been_committed(file: Path, writer: PredictionWriter) -> None:
    writer.add_outcome(OutcomeRecord("request-1", NOON, loss=1.0))
    writer.flush()
    reader = PredictionReader(file)
    early = reader.read("ro-0001", Cursor(), settled_before=NOON - timedelta(seconds=1))
    assert early.scored == []
    writer.add(a_prediction(1))
    writer.flush()
    late = reader.read("ro-0001", early.cursor, settled_before=NOON + timedelta(seconds=1))
    assert [scored.loss for scored in late.scored] == [1.0]


def test_an_outcome_stamped_by_a_clock_that_was_set_back_since_keeps_no_other_waiting(
    file: Path, writer: PredictionWriter
) -> None:
    for number, at in enumerate((NOON + timedelta(hours=1), NOON)):
        writer.add(a_prediction(number))
        writer.add_outcome(OutcomeRecord(f"request-{number}", at, loss=float(number)))
    writer.flush()
    batch = PredictionReader(file).read("ro-0001", Cursor(), settled_before=NOON + timedelta(seconds=3))
    assert [scored.loss for scored in batch.scored] == [0.0, 1.0]


def test_the_copy_of_a_request_is_read_together_with_its_answer(file: Path, writer: PredictionWriter) -> None:
    for number in range(3):
        writer.add(a_prediction(number, arm=Arm.STABLE, version="1.0.0", share=0.0, value=1.0, error=number == 1))
        writer.add(a_prediction(number, arm=Arm.SHADOW, share=0.0, value=3.0, error=number == 2))
    writer.add(a_prediction(7, arm=Arm.SHADOW))  # its answer was dropped
    writer.add_outcome(OutcomeRecord("request-0", NOON, actual=1.5, loss=77.0))
    writer.flush()
    batch = read(PredictionReader(file), paired=True)
    assert [(answer.error, copy.error) for answer, copy in batch.pairs] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert {(scored.arm, scored.loss) for scored in batch.scored} == {(Arm.STABLE, 0.5), (Arm.SHADOW, 1.5)}


def test_a_store_that_was_replaced_is_read_from_its_beginning(file: Path, writer: PredictionWriter) -> None:
    writer.add(a_prediction(1))
    writer.flush()
    cursor = read(PredictionReader(file)).cursor
    elsewhere = file.with_name("other.db")
    with PredictionWriter(elsewhere, clock=lambda: NOON) as other:
        other.add(a_prediction(2, unit=2))
        other.flush()
    assert [served.unit for served in read(PredictionReader(elsewhere), cursor).served] == [2]


def test_a_store_that_is_not_there_yet_answers_with_nothing(file: Path) -> None:
    reader = PredictionReader(file)
    assert reader.end() == Cursor()
    assert read(reader).served == []
    assert reader.latency_quantile("spread", "1.0.0", 0.99) is None


def test_answers_go_on_when_the_disk_does_not_keep_up(file: Path) -> None:
    with PredictionWriter(file, commit_seconds=60, max_waiting=10) as writer:
        taken = [writer.add(a_prediction(number)) for number in range(25)]
        assert (taken.count(True), writer.health().n_dropped) == (10, 15)
        writer.flush()
        assert writer.add(a_prediction(30))


def test_a_locked_store_is_tried_again_and_nothing_is_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.telemetry.schema.BUSY_SECONDS", 0.05)
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=0.02) as writer:
        blocker = sqlite3.connect(file, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        writer.add(a_prediction(1))
        until(lambda: writer.health().failure, "the first try")
        with pytest.raises(TelemetryError, match=r"predictions\.db"):
            writer.flush(timeout_seconds=0.3)
        blocker.execute("ROLLBACK")
        writer.flush()
        assert len(read(PredictionReader(file)).served) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"model": None}, id="a field that may not be missing"),
        pytest.param({"unit": 2**70}, id="a number beyond 64 bits"),
        pytest.param({"value": "text"}, id="a text for a value"),
    ],
)
def test_one_record_that_no_store_can_take_takes_no_other_with_it(file: Path, writer, wrong) -> None:
    for number in range(9):
        writer.add(a_prediction(number, **(wrong if number == 4 else {})))
    writer.flush()
    assert len(read(PredictionReader(file)).served) == 8
    assert writer.health().n_dropped == 1


def test_old_predictions_go_and_the_numbers_go_on(file: Path) -> None:
    hours = 0
    with PredictionWriter(
        file,
        clock=lambda: NOON + timedelta(hours=hours),
        retention=PredictionRetention(keep_days=2 / 24),
        commit_seconds=60,
    ) as writer:
        reader, cursor, units = PredictionReader(file), Cursor(), []
        for hours in range(6):
            writer.add(a_prediction(hours, unit=hours))
            writer.add_outcome(OutcomeRecord(f"request-{hours}", NOON + timedelta(hours=hours), loss=1.0))
            writer.flush()
            batch = read(reader, cursor)
            cursor = batch.cursor
            units += [served.unit for served in batch.served]
        assert units == list(range(6))
        assert [reader.holds(f"request-{number}") for number in range(6)] == [False, False, True, True, True, True]


def test_a_store_stays_within_about_its_number_of_rows(file: Path) -> None:
    with PredictionWriter(
        file, clock=lambda: NOON, retention=PredictionRetention(keep_rows=100), commit_seconds=60
    ) as writer:
        for start in range(0, 1_000, 20):
            for number in range(start, start + 20):
                writer.add(a_prediction(number, unit=number))
                writer.add_outcome(OutcomeRecord(f"request-{number}", NOON, loss=1.0))
            writer.flush()
    units, cursor, is_last = [], Cursor(), False
    reader = PredictionReader(file)
    while not is_last:
        batch = read(reader, cursor)
        cursor, is_last = batch.cursor, batch.is_last
        units += [served.unit for served in batch.served]
    assert units == list(range(1_000 - len(units), 1_000))
    assert 100 <= len(units) <= 140  # a segment and a batch more


def test_a_writer_holds_many_pages_only_while_many_predictions_come(file: Path) -> None:
    now, held_mib = [NOON], []
    with PredictionWriter(file, clock=lambda: now[0], commit_seconds=60) as writer:
        for n in (20, 200, 201, 10):
            now[0] += timedelta(minutes=1)
            for number in range(n):
                writer.add(a_prediction(number))
            writer.flush()
            (kib,) = writer._connection.execute("PRAGMA cache_size").fetchone()
            held_mib.append(-kib >> 10)
    assert held_mib == [1, 1, 16, 1]


def test_a_writer_knows_only_so_many_routes(file: Path, writer: PredictionWriter, monkeypatch) -> None:
    monkeypatch.setattr(writer_module, "_MOST_ROUTES", 10)
    for number in range(100):  # a rollout each, as over a day
        writer.add(a_prediction(number, rollout_id=f"ro-{number % 50}"))
        if number % 10 == 9:
            writer.flush()
            assert len(writer._routes) <= 10
    reader = PredictionReader(file)
    found = [reader.read(f"ro-{k}", Cursor(), settled_before=LATER).served for k in range(50)]
    assert [len(served) for served in found] == [2] * 50


def test_outcomes_and_copies_find_predictions_in_earlier_segments(file: Path) -> None:
    with PredictionWriter(
        file, clock=lambda: NOON, retention=PredictionRetention(keep_rows=1_000), commit_seconds=60
    ) as writer:
        for number in range(120):
            writer.add(a_prediction(number, arm=Arm.STABLE, share=0.0, value=1.0, error=number % 2 == 0))
            writer.flush()  # segments of 42: a copy may come to lie in the one after its answer's
            writer.add(a_prediction(number, arm=Arm.SHADOW, share=0.0, value=3.0))
        for number in range(120):
            writer.add_outcome(OutcomeRecord(f"request-{number}", NOON, actual=1.0))
        writer.flush()
    reader, cursor, is_last, pairs, scored = PredictionReader(file), Cursor(), False, [], []
    while not is_last:
        batch = read(reader, cursor, paired=True, n=50)
        cursor, is_last = batch.cursor, batch.is_last
        pairs += batch.pairs
        scored += batch.scored
    assert [answer.error for answer, _ in pairs] == [number % 2 == 0 for number in range(120)]
    # What failed has answered nothing that an outcome could be about, and its copy nothing to compare with.
    assert sorted(each.loss for each in scored) == [0.0] * 60 + [2.0] * 60


def write_from_a_process(file: Path, first: int) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=0.01) as writer:
        for number in range(first, first + 500):
            writer.add(a_prediction(number, unit=number))
            if number % 50 == 0:
                writer.flush()


def test_two_processes_write_while_one_reads_on_and_each_row_is_seen_once(file: Path) -> None:
    PredictionWriter(file).close()
    spawn = multiprocessing.get_context("fork")
    servers = [spawn.Process(target=write_from_a_process, args=(file, first)) for first in (0, 1_000)]
    for server in servers:
        server.start()
    reader, cursor, units = PredictionReader(file), Cursor(), []
    are_writing = is_last = False
    while are_writing or not is_last:
        are_writing = any(server.is_alive() for server in servers)  # asked before reading: what they wrote is read then
        batch = read(reader, cursor)
        cursor, is_last = batch.cursor, batch.is_last
        units += [served.unit for served in batch.served]
    assert sorted(units) == [*range(500), *range(1_000, 1_500)]


def test_threads_may_share_a_writer(file: Path) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=0.01) as writer:

        def serve(first: int) -> None:
            for number in range(first, first + 250):
                writer.add(a_prediction(number, unit=number))

        threads = [threading.Thread(target=serve, args=(first,)) for first in range(0, 1_000, 250)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.flush()
    assert sorted(served.unit for served in read(PredictionReader(file)).served) == list(range(1_000))


def test_the_units_that_failed_are_known_again_after_a_restart(file: Path, writer: PredictionWriter) -> None:
    writer.add(a_prediction(1, unit=11, error=True))
    writer.add(a_prediction(2, unit=12, latency_ms=80.0))
    writer.add(a_prediction(3, unit=13))
    writer.flush()
    reader = PredictionReader(file)
    assert reader.failed_units("ro-0001", reader.end()) == {11}
    assert reader.failed_units("ro-0001", reader.end(), over_ms=50.0) == {12}


def test_a_quantile_of_the_latest_latencies_is_that_of_answers_given(file: Path, writer: PredictionWriter) -> None:
    for number in range(100):
        writer.add(a_prediction(number, version="1.0.0", arm=Arm.STABLE, rollout_id=None, latency_ms=float(number)))
    writer.add(a_prediction(200, version="1.0.0", arm=Arm.SHADOW, latency_ms=9_999.0))
    writer.flush()
    assert PredictionReader(file).latency_quantile("spread", "1.0.0", 0.95) == (95.0, 100)


@pytest.mark.parametrize("replaced", [False, True], ids=["taken away", "replaced"])
def test_what_is_accepted_is_stored_also_after_the_file_was(file: Path, writer: PredictionWriter, replaced) -> None:
    writer.add(a_prediction(1))
    writer.flush()
    for companion in file.parent.glob(file.name + "*"):
        companion.rename(companion.with_name("aside-" + companion.name))
    if replaced:
        PredictionWriter(file).close()
    writer.add(a_prediction(2, unit=7))
    writer.add_outcome(OutcomeRecord("request-2", NOON, loss=1.0))
    writer.flush()
    batch = read(PredictionReader(file))
    assert [served.unit for served in batch.served] == [7]
    assert [scored.loss for scored in batch.scored] == [1.0]


def test_copies_by_either_version_are_paired_with_the_stable_version_first(
    file: Path, writer: PredictionWriter
) -> None:
    answered = {"version": "1.0.0", "share": 0.2, "slices": 3}
    writer.add(a_prediction(1, arm=Arm.STABLE, value=1.0, unit=7, **answered))
    writer.add(a_prediction(1, arm=Arm.SHADOW, value=3.0, share=0.2, unit=7))
    writer.add(a_prediction(2, arm=Arm.CANDIDATE, value=5.0, share=0.2, unit=8, slices=4))
    writer.add(a_prediction(2, arm=Arm.STABLE_COPY, value=6.0, version="1.0.0", share=0.2, unit=8))
    writer.add(a_prediction(3, arm=Arm.STABLE, value=1.0, **answered))  # its copy was dropped
    for number in (1, 2, 3):
        writer.add_outcome(OutcomeRecord(f"request-{number}", NOON, actual=2.0))
    writer.flush()
    batch = read(PredictionReader(file), paired=True, with_served=True)
    assert [served.unit for served in batch.served] == [7, 8, None]
    assert list(batch.answer_pairs) == [AnswerPair(1.0, 3.0, 3), AnswerPair(6.0, 5.0, 4)]
    requests = [request_number(f"request-{number}") for number in (1, 2)]
    noon_us = int(NOON.timestamp() * 1e6)
    assert list(batch.scored_pairs) == [
        ScoredPair(1.0, 1.0, 7, 3, requests[0], noon_us + 1_000),
        ScoredPair(4.0, 3.0, 8, 4, requests[1], noon_us + 2_000),
    ]
    assert batch.n_unpaired == 1


def test_every_row_of_a_batch_is_compared_and_the_request_counts_once(file: Path, writer: PredictionWriter) -> None:
    for number, latency in enumerate((2.0, None, None)):
        name = f"batch/{number}" if number else "batch"
        more = {"request_id": name, "latency_ms": latency}
        writer.add(a_prediction(**more, arm=Arm.STABLE, version="1.0.0", value=float(number)))
        writer.add(a_prediction(**more, arm=Arm.SHADOW, value=number + 0.5))
    writer.flush()
    batch = read(PredictionReader(file), paired=True)
    assert [pair.candidate - pair.stable for pair in batch.answer_pairs] == [0.5] * 3
    assert len(batch.pairs) == 1


def test_slices_are_read_with_requests_and_losses(file: Path, writer: PredictionWriter) -> None:
    writer.add(a_prediction(1, slices=0x21))
    writer.add_outcome(OutcomeRecord("request-1", NOON, loss=1.0))
    writer.flush()
    batch = read(PredictionReader(file))
    assert [served.slices for served in batch.served] == [0x21]
    assert [scored.slices for scored in batch.scored] == [0x21]


def test_recent_traffic_counts_requests_callers_failures_and_losses(file: Path, writer: PredictionWriter) -> None:
    live = {"version": "1.0.0", "rollout_id": None, "arm": Arm.STABLE, "share": 0.0}
    for number in range(10):
        at = NOON - timedelta(hours=10 - number)
        writer.add(a_prediction(number, at=at, unit=number % 2, value=float(number), error=number == 9, **live))
    writer.add(a_prediction(20, at=NOON - timedelta(days=9), **live))  # too long ago
    writer.add(a_prediction(21, at=NOON, arm=Arm.SHADOW))  # a copy
    writer.add(a_prediction(22, at=NOON, model="downgrade"))
    writer.add_outcome(OutcomeRecord("request-3", NOON, actual=5.0))
    writer.flush()
    found = PredictionReader(file).recent_traffic("spread", "1.0.0", since=NOON - timedelta(days=7), now=NOON)
    assert found is not None
    assert (found.n_requests, found.n_answers, found.n_failed) == (10, 10, 1)
    assert found.seconds == 36_000
    assert sorted(found.callers) == [5, 5]
    assert found.values == (10, 45.0, 285.0)
    assert list(found.losses) == [(2.0, 1)]


def test_rows_before_a_model_had_its_own_rule_do_not_slow_its_usual_rate(file: Path, monkeypatch) -> None:
    monkeypatch.setattr(recent, "_MOST_ROWS", 60)
    own = PredictionRetention(models={"spread": ModelRetention(keep_rows=1_000)})
    for retention, n, ago in ((PredictionRetention(), 10, timedelta(days=6)), (own, 120, timedelta(seconds=120))):
        with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60, retention=retention) as writer:
            for number in range(n):
                at = NOON - ago + timedelta(seconds=number)
                writer.add(a_prediction(number, at=at, unit=number, arm=Arm.STABLE))
    found = PredictionReader(file).recent_traffic("spread", "1.1.0", since=NOON - timedelta(days=7), now=NOON)
    assert found is not None
    assert (found.n_requests, found.seconds) == (60, 60.0)


def test_of_very_many_requests_and_outcomes_only_the_latest_say_what_is_usual(file: Path, monkeypatch) -> None:
    monkeypatch.setattr(recent, "_MOST_ROWS", 60)
    monkeypatch.setattr(recent, "_MOST_OUTCOMES", 20)
    keep = PredictionRetention(keep_rows=1_000)  # segments of 41 rows
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60, retention=keep) as writer:
        for number in range(120):
            at = NOON - timedelta(seconds=120 - number)
            writer.add(a_prediction(number, at=at, unit=number, value=float(number), arm=Arm.STABLE))
            writer.add_outcome(OutcomeRecord(f"request-{number}", at + timedelta(seconds=1), actual=0.0))
            writer.flush()
    lately = {"since": NOON - timedelta(days=7), "now": NOON}
    reader = PredictionReader(file)
    found = reader.recent_traffic("spread", "1.1.0", **lately)
    assert found is not None
    assert (found.n_requests, found.n_answers, found.seconds, len(found.callers)) == (60, 60, 60.0, 60)
    assert found.values == (60, float(sum(range(60, 120))), float(sum(number**2 for number in range(60, 120))))
    assert [unit for _, unit in found.losses] == list(range(100, 120))
    assert found.losses_seconds == 19.0  # since the first of these outcomes came
    monkeypatch.setattr(recent, "_MOST_OUTCOMES", 120)
    found = reader.recent_traffic("spread", "1.1.0", **lately)
    assert found is not None
    assert (len(found.losses), found.losses_seconds) == (120, None)
