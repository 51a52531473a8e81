"""Outcomes: checked at the door, kept while their prediction is on its way, and judged by the loss of the rollout."""

import decimal
import math
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.losses import AnswerForm, AnswerKind, LossKind, LossRule, RecordedAnswer, pack_probabilities
from core.settings.telemetry import ModelRetention, PredictionRetention
from core.telemetry.predictions import (
    Arm,
    Cursor,
    OutcomeError,
    OutcomeRecord,
    PredictionReader,
    PredictionRecord,
    PredictionWriter,
    check_against,
    checked_outcome,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
RATED = AnswerForm(AnswerKind.PROBABILITIES, ("A", "B", "C"))
EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
NAMED = AnswerForm(AnswerKind.CLASS, ("low", "high"))
NUMBER = AnswerForm(AnswerKind.NUMBER)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "telemetry" / "predictions.db"


def a_prediction(number: int = 1, **more) -> PredictionRecord:
    fields = {
        "request_id": f"request-{number}",
        "at": NOON,
        "model": "spread",
        "version": "1.1.0",
        "latency_ms": 2.0,
        "rollout_id": "ro-0001",
        "arm": Arm.CANDIDATE,
        "share": 0.05,
    }
    return PredictionRecord(**fields | more)


def losses_in(file: Path, loss: LossRule | None = None) -> list[float]:
    batch = PredictionReader(file).read("ro-0001", Cursor(), settled_before=LATER, loss=loss or LossRule())
    return [scored.loss for scored in batch.scored]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param({"actual": np.float32(0.5)}, (0.5, None, None), id="a NumPy number"),
        pytest.param({"actual": np.int64(3)}, (3.0, None, None), id="a NumPy whole number"),
        pytest.param({"actual": np.bool_(True)}, (1.0, None, None), id="a NumPy truth value"),
        pytest.param({"actual": np.array(2.5)}, (2.5, None, None), id="an array of one"),
        pytest.param({"actual": True}, (1.0, None, None), id="true"),
        pytest.param({"actual": "default"}, (None, None, "default"), id="a class"),
        pytest.param({"loss": 2}, (None, 2.0, None), id="a loss"),
        pytest.param({"actual": 1e12}, (1e12, None, None), id="at the limit"),
    ],
)
def test_an_outcome_is_a_number_a_class_or_a_loss(given, kept) -> None:
    outcome = checked_outcome("r", NOON, **given)
    assert (outcome.actual, outcome.loss, outcome.name) == kept


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param({}, "requires `actual` or `loss`", id="nothing"),
        pytest.param({"actual": 1e200}, "is 1e.200; it must be a finite number from -1e.12 to 1e.12", id="absurd"),
        pytest.param({"actual": 10**400}, "must be a finite number", id="beyond any float"),
        pytest.param({"actual": math.nan}, "is nan; it must be a finite number", id="not a number"),
        pytest.param({"actual": -math.inf}, "is -inf", id="infinite"),
        pytest.param({"actual": np.float64("nan")}, "is nan", id="NumPy's not a number"),
        pytest.param({"loss": 1e13}, "`loss` is 10000000000000.0; it must be a finite number", id="an absurd loss"),
        pytest.param({"loss": "much"}, "`loss` is 'much'; it must be a number", id="a text for a loss"),
        pytest.param({"loss": True}, "`loss` is True; it must be a number", id="true for a loss"),
        pytest.param({"actual": np.zeros(2)}, "must be a number or the name of a class", id="two values"),
        pytest.param({"actual": [1.0]}, "must be a number or the name of a class", id="a list"),
        pytest.param({"actual": decimal.Decimal(1)}, "must be a number or the name of a class", id="a decimal"),
        pytest.param({"loss": "é\x1b[2J"}, r"`loss` is 'é\\x1b\[2J'; it must", id="a loss with a terminal's escape"),
        pytest.param({"loss": 10**30}, "`loss` is 1" + "0" * 30 + "; it must be a finite number", id="a long integer"),
        pytest.param({"actual": ""}, "class name of 1 to 200 characters", id="an empty name"),
    ],
)
def test_what_cannot_be_judged_by_is_refused_with_one_clear_error(given, says) -> None:
    with pytest.raises(OutcomeError, match=says):
        checked_outcome("r", NOON, **given)


@pytest.mark.parametrize(
    ("form", "given", "says"),
    [
        pytest.param(EVENT, {"loss": 1e12}, "`loss` is 1e.12; the loss of probabilities is from 0", id="absurd"),
        pytest.param(EVENT, {"loss": -5.0}, "`loss` is -5; .*; report `actual`", id="below zero"),
        pytest.param(NAMED, {"loss": 2.0}, "a wrong class has the loss 1 and a right one 0", id="more than wrong"),
        pytest.param(NUMBER, {"actual": True}, "`actual` is true; the prediction is a number, so give", id="true"),
    ],
)
def test_what_no_answer_of_its_form_can_have_is_refused(form, given, says) -> None:
    known = {"r": RecordedAnswer(form, 0.5, b"low")}
    with pytest.raises(OutcomeError, match=says):
        check_against(checked_outcome("r", NOON, **given), known)


@pytest.mark.parametrize(
    ("form", "given"),
    [
        pytest.param(EVENT, {"loss": 13.8155}, id="the log loss of a clipped probability"),
        pytest.param(EVENT, {"actual": True}, id="true of two classes"),
        pytest.param(NUMBER, {"loss": -5.0}, id="a profit"),
        pytest.param(NUMBER, {"actual": 1}, id="one"),
    ],
)
def test_what_an_answer_of_its_form_can_have_is_taken(form, given) -> None:
    check_against(checked_outcome("r", NOON, **given), {"r": RecordedAnswer(form, 0.5)})


def test_the_loss_is_that_of_the_class_that_came(file: Path) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        for number in range(3):
            packed = pack_probabilities((0.5, 0.375, 0.125))
            writer.add(a_prediction(number, form=RATED, detail=packed, arm=list(Arm)[number % 2]))
        writer.add(a_prediction(3, form=EVENT, value=0.25))
        writer.add_outcome(OutcomeRecord("request-0", NOON, name="A"))
        writer.add_outcome(OutcomeRecord("request-1", NOON, actual=2.0))
        writer.add_outcome(OutcomeRecord("request-2", NOON, name="A", loss=0.125))
        writer.add_outcome(OutcomeRecord("request-3", NOON, actual=1.0))
        writer.flush()
    assert losses_in(file) == pytest.approx([math.log(2), math.log(8), 0.125, math.log(4)])
    brier = LossRule(kind=LossKind.BRIER)
    assert losses_in(file, brier) == pytest.approx([0.40625, 0.25 + 0.140625 + 0.765625, 0.125, 0.5625])
    read = PredictionReader(file).read("ro-0001", Cursor(), settled_before=LATER)
    assert [scored.is_reported for scored in read.scored] == [False, False, True, False]


def test_an_outcome_waits_for_its_prediction_and_is_matched_then(file: Path) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        writer.add_outcome(OutcomeRecord("request-1", NOON, actual=3.0))
        writer.add_outcome(OutcomeRecord("request-2", NOON, name="nonsense"))
        writer.flush()
        assert losses_in(file) == []
        assert (writer.health().n_matched, writer.health().n_unmatched) == (0, 2)
        cursor = PredictionReader(file).end()
        writer.add(a_prediction(1, value=1.0))
        writer.add(a_prediction(2, value=1.0, form=AnswerForm(AnswerKind.NUMBER)))
        writer.flush()
        health = writer.health()
        assert (health.n_matched, health.n_unmatched, health.n_refused) == (1, 2, 1)
        later = PredictionReader(file).read("ro-0001", cursor, settled_before=LATER)
        assert [scored.loss for scored in later.scored] == [2.0], "a cursor of before finds it"
        writer.add_outcome(OutcomeRecord("request-1", NOON, actual=99.0))
        writer.flush()
        assert losses_in(file) == [2.0], "the first report counts"


def test_an_outcome_without_its_prediction_is_forgotten_after_a_while(file: Path) -> None:
    hours = 0
    with PredictionWriter(file, clock=lambda: NOON + timedelta(hours=hours), commit_seconds=60) as writer:
        for hours in (0, 20, 30):
            writer.add_outcome(OutcomeRecord(f"request-{hours}", NOON + timedelta(hours=hours), actual=3.0))
            writer.flush()
        for number in (0, 20, 30):
            writer.add(a_prediction(number, value=1.0))
        writer.flush()
        assert writer.health().n_matched == 2


def test_each_model_is_kept_for_its_own_time_and_rows(file: Path) -> None:
    days = 0
    retention = PredictionRetention(keep_days=2, models={"down*": ModelRetention(keep_days=400), "few": FEW})
    with PredictionWriter(
        file, clock=lambda: NOON + timedelta(days=days), commit_seconds=60, retention=retention
    ) as writer:
        for days in range(30):
            for model in ("spread", "downgrade", "few"):
                for number in range(4):
                    at = NOON + timedelta(days=days)
                    writer.add(a_prediction(0, request_id=f"{model}-{days}-{number}", model=model, at=at))
            writer.flush()
    reader = PredictionReader(file)
    assert [day for day in range(30) if reader.holds(f"downgrade-{day}-0")] == list(range(30))
    assert [day for day in range(30) if reader.holds(f"spread-{day}-0")] == [26, 27, 28, 29]
    assert [day for day in range(30) if reader.holds(f"few-{day}-0")] == [29]
    cursor, n_served, is_last = Cursor(), 0, False
    while not is_last:
        batch = reader.read("ro-0001", cursor, settled_before=LATER)
        cursor, n_served, is_last = batch.cursor, n_served + len(batch.served), batch.is_last
    assert n_served == 30 * 4 + 4 * 4 + 4


FEW = ModelRetention(keep_rows=4)


def test_an_active_rollout_keeps_its_predictions_however_old(file: Path) -> None:
    days, held = 0, {"spread": NOON + timedelta(days=3)}
    with PredictionWriter(
        file,
        clock=lambda: NOON + timedelta(days=days),
        commit_seconds=60,
        retention=PredictionRetention(keep_days=2),
        held_since=lambda: held,
    ) as writer:
        for days in range(10):
            writer.add(a_prediction(days, at=NOON + timedelta(days=days)))
            writer.flush()
        reader = PredictionReader(file)
        assert [day for day in range(10) if reader.holds(f"request-{day}")] == [2, *range(3, 10)]
        held.clear()
        writer.add(a_prediction(10, at=NOON + timedelta(days=9)))
        writer.flush()
        assert not reader.holds("request-5")


def test_many_chains_are_read_on_in_order_and_nothing_twice(file: Path) -> None:
    retention = PredictionRetention(keep_rows=240, models={"downgrade": ModelRetention(keep_rows=480)})
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60, retention=retention) as writer:
        for number in range(200):
            writer.add(a_prediction(number, unit=number, model=("spread", "downgrade")[number % 3 == 0]))
            if number % 7 == 0:
                writer.flush()
    reader, cursor, units, is_last = PredictionReader(file), Cursor(), [], False
    while not is_last:
        batch = reader.read("ro-0001", cursor, settled_before=LATER, n=9)
        cursor, is_last = batch.cursor, batch.is_last
        units += [served.unit for served in batch.served]
    assert units == list(range(200))


FORMAT_1 = """
CREATE TABLE identity (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), store TEXT NOT NULL);
CREATE TABLE route (
    id INTEGER PRIMARY KEY, model TEXT NOT NULL, version TEXT NOT NULL, rollout TEXT NOT NULL, arm TEXT NOT NULL,
    share REAL NOT NULL, UNIQUE (model, version, rollout, arm, share));
CREATE INDEX route_by_rollout ON route (rollout);
CREATE TABLE segment (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, begun_at INTEGER NOT NULL);
CREATE TABLE outcome (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request INTEGER NOT NULL UNIQUE, at INTEGER NOT NULL, actual REAL,
    loss REAL);
CREATE TABLE prediction_1 (
    seq INTEGER PRIMARY KEY, route INTEGER NOT NULL, request INTEGER NOT NULL, at INTEGER NOT NULL, latency_ms REAL,
    error INTEGER NOT NULL, value REAL, unit INTEGER);
CREATE INDEX prediction_1_by_request ON prediction_1 (request);
INSERT INTO identity VALUES (1, 'earlier');
INSERT INTO route VALUES (1, 'spread', '1.1.0', 'ro-0001', 'candidate', .05);
INSERT INTO segment VALUES (1, 1, {begun});
INSERT INTO prediction_1 VALUES (1, 1, {request}, {begun}, 2.0, 0, 1.5, 7);
INSERT INTO outcome VALUES (1, {request}, {begun}, 2.0, NULL);
PRAGMA user_version = 1;
"""


FORMAT_2 = "ALTER TABLE prediction_1 ADD COLUMN slices INTEGER; PRAGMA user_version = 2;"


@pytest.mark.parametrize("reads_first", [True, False], ids=["a reader", "a writer"])
@pytest.mark.parametrize("change", ["", FORMAT_2], ids=["format 1", "format 2"])
def test_a_store_of_an_earlier_format_is_taken_over_without_loss(file: Path, reads_first, change) -> None:
    from core.telemetry.predictions.records import request_number

    file.parent.mkdir()
    connection = sqlite3.connect(file)
    begun = int(NOON.timestamp() * 1e6)
    connection.executescript(FORMAT_1.format(begun=begun, request=request_number("request-1")) + change)
    connection.close()
    after = Cursor(store="earlier")
    if reads_first:
        assert PredictionReader(file).read("ro-0001", after, settled_before=LATER).served[0].unit == 7
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        writer.add(a_prediction(2, unit=8, form=EVENT, value=0.5, slices=5))
        writer.add_outcome(OutcomeRecord("request-2", NOON, actual=1.0))
        writer.flush()
    batch = PredictionReader(file).read("ro-0001", after, settled_before=LATER)
    assert [(served.unit, served.slices) for served in batch.served] == [(7, None), (8, 5)]
    assert [scored.loss for scored in batch.scored] == pytest.approx([0.5, math.log(2)])
    assert batch.cursor == Cursor(store="earlier", prediction=2, outcome=2)
