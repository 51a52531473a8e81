"""The traffic by the minute and the hour, the numbers of outcomes, and the deletion of what has expired."""

import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.settings.telemetry import ModelRetention, PredictionRetention
from core.telemetry.predictions import (
    Arm,
    Cursor,
    OutcomeRecord,
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    TrafficGrain,
)
from core.telemetry.predictions.matching import places_of
from core.telemetry.predictions.schema import (
    Segment,
    add_segment,
    forget_segment,
    forgotten_tables,
    open_store,
    segments_of,
)
from tests.clocks import HandClock

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "predictions.db"


def a_prediction(number: int, **more) -> PredictionRecord:
    fields = {"request_id": f"request-{number}", "at": NOON, "model": "spread", "version": "1.1.0", "latency_ms": 2.0}
    return PredictionRecord(**fields | more)


def store(file: Path, *predictions: PredictionRecord, **more) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60, **more) as writer:
        for prediction in predictions:
            writer.add(prediction)
        writer.flush()


def n_rows(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def traffic(file: Path, by: TrafficGrain = TrafficGrain.HOUR, **more):
    return PredictionReader(file).traffic(NOON - timedelta(days=1), NOON + timedelta(days=1), by=by, **more)


def test_the_traffic_of_an_hour_is_that_of_its_predictions_within_two_and_a_half_percent(file):
    dice = random.Random(1)
    latencies = [dice.lognormvariate(1, 0.7) for _ in range(2_000)]
    of_minute = [a_prediction(n, at=NOON + timedelta(minutes=n % 60), latency_ms=ms) for n, ms in enumerate(latencies)]
    store(file, *of_minute[:700])
    store(file, *of_minute[700:])  # another process, in the same minutes

    (hour,) = traffic(file)
    exact = sorted(latencies)
    assert (hour.at, hour.model, hour.version, hour.n_requests, hour.n_rows) == (NOON, "spread", "1.1.0", 2_000, 2_000)
    assert hour.mean_ms == pytest.approx(sum(exact) / 2_000)
    assert hour.slowest_ms == exact[-1]
    for found, share in ((hour.p50_ms, 0.5), (hour.p95_ms, 0.95), (hour.p99_ms, 0.99)):
        assert found == pytest.approx(exact[int(share * 1_999)], rel=0.026)
    minutes = traffic(file, TrafficGrain.MINUTE)
    assert [minute.at for minute in minutes] == [NOON + timedelta(minutes=n) for n in range(60)]
    assert sum(minute.n_requests for minute in minutes) == 2_000


def test_failures_have_a_share_and_no_latency_and_further_rows_of_a_request_are_no_requests(file):
    answered = [a_prediction(n) for n in range(3)]
    store(file, *answered, a_prediction(4, error=True, latency_ms=900.0), a_prediction(5, latency_ms=None))
    (hour,) = traffic(file)
    assert (hour.n_requests, hour.n_rows, hour.n_failed, hour.error_share) == (4, 5, 1, 0.25)
    assert (hour.p99_ms, hour.slowest_ms) == (2.0, 2.0)


def test_a_version_that_only_fails_has_no_latency(file):
    store(file, a_prediction(1, error=True))
    (hour,) = traffic(file)
    assert (hour.error_share, hour.mean_ms, hour.p50_ms, hour.p99_ms, hour.slowest_ms) == (1.0, None, None, None, None)


def test_the_traffic_of_a_version_is_that_of_all_its_routes_without_copies(file):
    in_rollout = {"rollout_id": "ro-0001", "share": 0.5}
    store(
        file,
        a_prediction(1),
        a_prediction(2, latency_ms=8.0, **in_rollout),
        a_prediction(3, version="1.2.0", arm=Arm.CANDIDATE, **in_rollout),
        a_prediction(4, version="1.2.0", arm=Arm.SHADOW, **in_rollout),
        a_prediction(5, model="downgrade", version="3.0.0"),
    )
    found = [(span.model, span.version, span.n_requests) for span in traffic(file)]
    assert found == [("downgrade", "3.0.0", 1), ("spread", "1.1.0", 2), ("spread", "1.2.0", 1)]
    assert [span.model for span in traffic(file, model="downgrade")] == ["downgrade"]
    of_one = traffic(file, model="spread", version="1.2.0")
    assert [(span.version, span.n_requests) for span in of_one] == [("1.2.0", 1)]
    assert traffic(file, model="unknown") == []


def test_traffic_outlives_its_predictions_and_expires_by_its_own_settings(file):
    kept = PredictionRetention(keep_days=0.5 / 24, minutes_days=1 / 24, hours_days=2 / 24)
    hours = 0.0
    with PredictionWriter(
        file, clock=lambda: NOON + timedelta(hours=hours), commit_seconds=60, retention=kept
    ) as writer:
        for step in range(9):
            hours = 0.75 * step
            writer.add(a_prediction(step, at=NOON + timedelta(hours=hours)))
            writer.flush()
    begun = [(NOON + timedelta(hours=0.75 * step)).replace(second=0) for step in range(9)]
    limit = timedelta(hours=1), timedelta(hours=2)
    minutes, hours_of = ([span.at for span in traffic(file, grain)] for grain in TrafficGrain)
    assert minutes == [at for at in begun if at >= NOON + timedelta(hours=6) - limit[0]]
    assert hours_of == sorted({at.replace(minute=0) for at in begun if at >= NOON + timedelta(hours=6) - limit[1]})
    assert [PredictionReader(file).holds(f"request-{number}") for number in (6, 7, 8)] == [False, True, True]


def test_the_numbers_of_outcomes_are_those_of_their_rows_whatever_came_and_went(file):
    kept, clock = PredictionRetention(keep_rows=50, unmatched_hours=1), HandClock()
    with PredictionWriter(file, clock=clock, commit_seconds=60, retention=kept) as writer:
        for step in range(12):
            clock.now += timedelta(minutes=20)
            for number in range(step * 10, step * 10 + 10):
                writer.add(a_prediction(number, error=number % 7 == 0))
                writer.add_outcome(OutcomeRecord(f"request-{number}", clock(), actual=1.0))
                writer.add_outcome(OutcomeRecord(f"request-{number - 3}", clock(), actual=1.0))  # reported again
                writer.add_outcome(OutcomeRecord(f"request-{number + 15}", clock(), loss=1.0))  # before its prediction
            writer.flush()
            usage = PredictionReader(file).usage(kept, clock())
            assert (usage.n_outcomes, usage.n_unmatched) == (n_rows(file, "outcome"), n_rows(file, "waiting"))
        assert usage.n_outcomes > 0 < usage.n_unmatched


def test_a_store_of_format_3_keeps_its_rows_counts_its_outcomes_and_counts_traffic_from_now_on(file):
    store(file, *(a_prediction(number, rollout_id="ro-0001", value=1.0) for number in range(3)))
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        writer.add_outcome(OutcomeRecord("request-1", NOON, actual=1.0))
        writer.flush()
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "DROP TABLE tally; DROP TABLE traffic_minute; DROP TABLE traffic_hour; "
            "ALTER TABLE outcome DROP COLUMN segment; PRAGMA user_version = 3"
        )
    reader = PredictionReader(file)
    assert reader.usage(PredictionRetention(), NOON).n_outcomes == 1
    assert [scored.loss for scored in reader.read("ro-0001", Cursor(), settled_before=NOON).scored] == [0.0]
    store(file, a_prediction(4))
    assert [hour.n_requests for hour in traffic(file)] == [1]
    assert reader.usage(PredictionRetention(), NOON).models[0].n_rows == 4


def test_the_prediction_of_an_outcome_is_sought_in_its_segment_and_the_neighbours_in_its_chain_only():
    chains = ["", "", "downgrade", "", "", "downgrade", ""]
    segments = [Segment(number, 0, 0, 0, chain) for number, chain in enumerate(chains, 1)]
    sought = {of: [segment.id for segment, _ in places_of(segments, [of])] for of in (1, 4, 6, 9)}
    assert sought == {1: [2, 1], 4: [5, 4, 2], 6: [6, 3], 9: []}
    assert [segment.id for segment, _ in places_of(segments, [4, None])] == [7, 6, 5, 4, 3, 2, 1]
    assert [segment.id for segment, _ in places_of(segments, [4, 6], looks_nearby=False)] == [6, 4]


def test_a_forgotten_segment_is_deleted_in_pieces_and_its_number_is_not_given_again(file, monkeypatch):
    monkeypatch.setattr("core.telemetry.predictions.writer._PIECE", 10)
    monkeypatch.setattr("core.telemetry.predictions.writer._PIECES_A_COMMIT", 1)
    own = {"downgrade": ModelRetention(keep_days=1 / 24)}
    hours = 0
    with (
        PredictionWriter(
            file,
            clock=lambda: NOON + timedelta(hours=hours),
            commit_seconds=60,
            retention=PredictionRetention(models=own),
        ) as writer,
        closing(open_store(file)) as connection,
    ):
        for number in range(35):
            writer.add(a_prediction(number, model="downgrade"))
        writer.flush()
        left = []
        for hours in range(2, 12):
            for number in range(2):
                writer.add(a_prediction(100 + 2 * hours + number))
            writer.flush()
            left += [n_rows(file, f"prediction_{number}") for number in forgotten_tables(connection)]
        assert left == [35, 25, 15, 5, 0], "first its index, then ten rows a commit, then the empty table"
        assert forgotten_tables(connection) == []
        assert not PredictionReader(file).holds("request-1")


def test_a_new_segment_does_not_take_the_name_of_a_table_that_is_still_being_deleted(file):
    with closing(open_store(file)) as connection, connection.transaction():
        first = add_segment(connection, [], "", 0)
        forget_segment(connection, first)
        assert add_segment(connection, segments_of(connection), "", 0).id == first.id + 1
