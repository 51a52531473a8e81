"""Metrics from sums are those of scikit-learn on the same rows, whichever way the rows came in."""

import zlib
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from sklearn import metrics as peer

from core.monitoring.performance.recorded_slices import RecordedColumn
from core.monitoring.performance.report import report_of
from core.monitoring.performance.state import PerformanceState
from tests.core.monitoring.performance.labelled import (
    CLASSES,
    EVENT,
    HOUR_US,
    NUMBER,
    REGIONS,
    labelled,
    profile,
)

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1e6)


def numbers(n, rng):
    actual = 1e6 + 10 * rng.normal(size=n)
    return NUMBER, actual + 2 * rng.normal(size=n), actual


def events(n, rng):
    p = rng.beta(1, 4, n)
    return EVENT, p, (rng.random(n) < p).astype(float)


def classes(n, rng):
    p = rng.dirichlet([1, 2, 3], n).astype(np.float32).astype(float)
    return CLASSES, p, (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(float)


def of_numbers(p, y):
    return {
        "mae": peer.mean_absolute_error(y, p),
        "rmse": peer.mean_squared_error(y, p) ** 0.5,
        "r2": peer.r2_score(y, p),
        "bias": float(np.mean(p - y)),
    }


def of_events(p, y):
    given = p > 0.5
    return {
        "brier": peer.brier_score_loss(y, p),
        "log_loss": peer.log_loss(y, np.clip(p, 1e-6, 1 - 1e-6)),
        "accuracy": peer.accuracy_score(y, given),
        "precision": peer.precision_score(y, given),
        "recall": peer.recall_score(y, given),
        "f1": peer.f1_score(y, given),
        "auc": peer.roc_auc_score(y, p),
    }


def of_classes(p, y):
    given = p.argmax(axis=1)
    return {
        "log_loss": -float(np.mean(np.log(np.clip(p[np.arange(len(y)), y.astype(int)], 1e-6, 1)))),
        "brier": float(np.mean(np.square(p - np.eye(3)[y.astype(int)]).sum(axis=1))),
        "accuracy": peer.accuracy_score(y, given),
        "precision": peer.precision_score(y, given, average="macro"),
        "recall": peer.recall_score(y, given, average="macro"),
        "f1": peer.f1_score(y, given, average="macro"),
        "auc": peer.roc_auc_score(y, p, multi_class="ovr"),
    }


@pytest.mark.parametrize(("draw", "expected"), [(numbers, of_numbers), (events, of_events), (classes, of_classes)])
def test_every_metric_is_that_of_scikit_learn(draw, expected):
    rng = np.random.default_rng(3)
    form, answer, actual = draw(6_000, rng)
    at = NOW_US - rng.integers(0, 6 * 24 * HOUR_US, 6_000)
    state = PerformanceState(REGIONS)
    for part in np.array_split(rng.permutation(6_000), 7):  # in any order, in any number of batches
        state.add([labelled(form, answer[part], actual[part], at_us=at[part])], None)
        state = PerformanceState.from_bytes(state.to_bytes(), REGIONS)
    report = report_of(state, None, NOW)
    found = {each.metric: each for each in report.metrics if not each.window}
    for name, value in expected(answer, actual).items():
        if name == "auc":  # of binned scores: its error is said, and is far larger than what it is off by
            error = float(found[name].reason.split()[1].rstrip(","))
            assert found[name].value == pytest.approx(value, abs=error)
            assert error < 0.02
        else:
            assert found[name].value == pytest.approx(value, rel=1e-9, abs=1e-9), name
        assert found[name].low < value < found[name].high
    week = {each.metric: each for each in report.metrics if each.window == "week"}
    assert all(week[name].value == pytest.approx(found[name].value, rel=1e-12) for name in found)


def test_a_late_outcome_counts_in_the_hour_of_its_prediction_and_the_share_still_awaited_is_said():
    state = PerformanceState()
    hour = NOW_US // HOUR_US
    state.count({hour: 10, hour - 30: 30})
    state.add([labelled(NUMBER, [1.0] * 4, [3.0] * 4, at_us=NOW_US)], None)
    state.add([labelled(NUMBER, [1.0] * 6, [2.0] * 6, at_us=(hour - 30) * HOUR_US, first=1)], None)  # 30 hours late
    report = report_of(state, None, NOW)
    values = {(each.metric, each.window): each.value for each in report.metrics}
    assert values["mae", "hour"] == values["mae", "day"] == 2.0
    assert values["mae", "week"] == values["mae", ""] == pytest.approx(1.4)
    assert {each.window: each.awaited_share for each in report.windows} == {
        "": 0.75, "week": 0.75, "day": 0.6, "hour": 0.6
    }  # fmt: skip


def test_windows_forget_and_the_whole_life_does_not():
    state = PerformanceState()
    state.add([labelled(NUMBER, [1.0] * 4, [3.0] * 4, at_us=NOW_US - 20 * 24 * HOUR_US)], None)
    state.count({NOW_US // HOUR_US - 480: 4})
    state.forget(NOW_US)
    report = report_of(state, None, NOW)
    assert not state.hours
    assert not state.answered
    assert {each.window for each in report.metrics} == {""}
    assert report.n_outcomes == report.n_answered == 4


def test_names_of_classes_alone_and_reported_losses_have_their_metrics():
    from core.losses import AnswerForm, AnswerKind
    from core.telemetry.predictions import LabelledAnswers, MatchedOutcome

    def row(given, came, loss=None):
        return MatchedOutcome(1, None, None, None, given, None, came, loss, 1, NOW_US)

    state = PerformanceState()
    rows = [row(b"buy", "buy"), row(b"buy", "sell"), row(b"sell", "SELL"), row(b"sell", None, 0.5)]
    state.add([LabelledAnswers(AnswerForm(AnswerKind.CLASS, ("buy", "sell")), rows)], None)
    found = {each.metric: each.value for each in report_of(state, None, NOW).metrics if not each.window}
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(0.75)
    assert found["reported_loss"] == 0.5


def test_an_outcome_that_says_nothing_is_left_out():
    state = PerformanceState()
    batch = labelled(EVENT, [0.2, 0.3], [0.0, 1.0], at_us=NOW_US)
    batch.rows[0] = batch.rows[0]._replace(name="maybe")
    state.add([batch], None)
    assert state.n_outcomes == 1


def test_what_a_version_achieved_on_held_out_rows_is_read_from_its_profile():
    rng = np.random.default_rng(5)
    for draw, names in (
        (numbers, ("rmse", "mae", "bias")),
        (events, ("brier", "log_loss", "accuracy", "bias")),
        (classes, ("shortfall", "log_loss")),
    ):
        form, answer, actual = draw(5_000, rng)
        state = PerformanceState()
        state.add([labelled(form, answer, actual, at_us=NOW_US)], None)
        report = report_of(state, profile(form, answer, actual), NOW)
        found = {each.metric: each for each in report.metrics if not each.window}
        for name in names:
            assert found[name].reference == pytest.approx(found[name].value, rel=0.01, abs=1e-3), name
            assert found[name].reference_low < found[name].reference < found[name].reference_high


@pytest.mark.parametrize("draw", [numbers, events, classes])
def test_a_state_survives_as_bytes(draw):
    rng = np.random.default_rng(7)
    form, answer, actual = draw(500, rng)
    state = PerformanceState(REGIONS)
    region = rng.choice(["EU", "US", "Mars"], 500)
    state.add([labelled(form, answer, actual, at_us=NOW_US, region=region, unit=rng.integers(0, 2**62, 500))], None)
    again = PerformanceState.from_bytes(state.to_bytes(), REGIONS)
    assert again.to_bytes() == state.to_bytes()
    assert report_of(again, None, NOW) == report_of(state, None, NOW)
    unknown = PerformanceState.from_bytes(state.to_bytes())
    assert unknown.to_bytes() == state.to_bytes()
    assert PerformanceState.from_bytes(unknown.to_bytes(), REGIONS).slice_names == state.slice_names


def test_a_state_holds_no_name_of_a_level_and_one_of_an_earlier_release_is_read_with_them():
    columns = (RecordedColumn("town", ("Ana", "Zoe")),)
    content = PerformanceState(columns).to_bytes()
    assert b"Ana" not in content
    assert PerformanceState.from_bytes(content, columns).columns == columns
    assert PerformanceState.from_bytes(content).slice_names[1:3] == ("town=level 1", "town=level 2")
    other = (RecordedColumn("town", ("Ana", "Zed")),)
    assert PerformanceState.from_bytes(content, other).columns != other
    head = msgspec.msgpack.decode(_head(content))
    head["columns"] = [{"column": "town", "levels": ["Ana", "Zoe"]}]
    earlier = msgspec.msgpack.encode(head)
    found = PerformanceState.from_bytes(len(earlier).to_bytes(4, "big") + earlier + zlib.compress(b""))
    assert found.columns == columns
    assert b"Ana" not in found.to_bytes()


def _head(content):
    return content[4 : 4 + int.from_bytes(content[:4], "big")]


def test_a_damaged_state_is_refused():
    state = PerformanceState()
    state.add([labelled(NUMBER, [1.0], [3.0], at_us=NOW_US)], None)
    content = state.to_bytes()
    for broken in (b"", content[:20], content[:-5], content[:4] + b"\xff" + content[5:]):
        with pytest.raises(ValueError, match="it "):
            PerformanceState.from_bytes(broken)
