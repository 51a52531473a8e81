"""What an estimate without labels says, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from core.errors import UsageError
from core.monitoring.data_profile import CalibrationBin, DataProfile
from core.monitoring.estimation.estimate import LiveRows, beyond_text, estimate_performance, far_text
from core.monitoring.estimation.held_out import HeldOutError, HeldOutRows
from core.monitoring.estimation.score_only import estimate_by_scores
from core.monitoring.verdicts import PerformanceVerdict

N = 20


def kept(frame, answer, actual, classes=(), decided=None):
    return HeldOutRows(frame, answer, actual, classes, decided, None, "", ())


def prices(rng, n, *, spread):
    frame = pd.DataFrame({"size": rng.normal(size=n), "wild": np.full(n, spread) + 0.1 * rng.normal(size=n)})
    answer = frame["size"].to_numpy()
    return frame, answer, answer + np.exp(frame["wild"].to_numpy()) * rng.normal(size=n)


def test_wilder_rows_are_expected_to_have_larger_errors_and_the_estimate_says_what_it_cannot_see():
    rng = np.random.default_rng(0)
    calm, wild = prices(rng, 400, spread=0.0), prices(rng, 400, spread=1.0)
    held = kept(*(pd.concat([calm[0], wild[0]]) if k == 0 else np.concatenate([calm[k], wild[k]]) for k in range(3)))
    frame, answer, actual = prices(rng, 500, spread=1.0)
    found = estimate_performance(held, LiveRows(frame, answer), n_replicates=N).performance
    mae = found.figures[0]
    assert mae.metric == "mae"
    assert mae.value == pytest.approx(np.abs(actual - answer).mean(), rel=0.15)
    assert found.verdict is PerformanceVerdict.FELL
    assert found.effective_share < 0.75
    assert "relation" in found.blind_to
    assert any("bias is not estimated" in note for note in found.notes)


def test_rows_far_from_the_held_out_rows_are_described_in_one_true_sentence():
    rng = np.random.default_rng(3)
    frame, answer, actual = prices(rng, 400, spread=0.0)
    far = frame.assign(size=frame["size"] + 4.0)
    held = kept(frame, answer, actual)
    found = estimate_performance(held, LiveRows(far, answer + 4.0), n_replicates=N).performance
    assert found.is_far
    said = [note for note in found.notes if "held-out rows" in note]
    assert said == [far_text(400, found.effective_share), beyond_text(0.96)]
    assert {figure.verdict for figure in found.figures} == {PerformanceVerdict.OPEN}
    near = estimate_performance(held, LiveRows(frame, answer), n_replicates=N).performance
    assert not near.is_far
    assert not any("held-out rows" in note for note in near.notes)


def test_the_same_rows_give_the_same_estimate():
    rng = np.random.default_rng(1)
    frame, answer, actual = prices(rng, 300, spread=0.0)
    held, live = kept(frame, answer, actual), LiveRows(*prices(rng, 100, spread=0.2)[:2])
    first, again = (estimate_performance(held, live, seed=3, n_replicates=N).performance for _ in range(2))
    assert first == again


def test_of_several_classes_only_the_accuracy_is_estimated():
    rng = np.random.default_rng(2)

    def drawn(n):
        odds = rng.normal(size=(n, 3)) * 1.5
        chances = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
        came = np.array([rng.choice(3, p=row) for row in chances], dtype=float)
        return pd.DataFrame({"x": odds[:, 0]}), chances, came

    held, (frame, answer, came) = kept(*drawn(600), classes=("a", "b", "c")), drawn(600)
    found = estimate_performance(held, LiveRows(frame, answer), n_replicates=N).performance
    (accuracy,) = found.figures
    assert accuracy.metric == "accuracy"
    assert accuracy.value == pytest.approx(np.mean(answer.argmax(axis=1) == came), abs=0.06)
    assert any("Of several classes" in note for note in found.notes)


def test_too_few_rows_or_events_are_refused_with_the_cure():
    rng = np.random.default_rng(3)
    frame, answer, actual = prices(rng, 300, spread=0.0)
    with pytest.raises(UsageError, match="There are 10 rows; an estimate needs 30 at least"):
        estimate_performance(kept(frame, answer, actual), LiveRows(frame.iloc[:10], answer[:10]))
    with pytest.raises(HeldOutError, match=r"there are 20; .* raise held_out\.rows"):
        estimate_performance(kept(frame.iloc[:20], answer[:20], actual[:20]), LiveRows(frame, answer))
    rare = np.zeros(300)
    rare[:3] = 1
    events = kept(frame, np.full(300, 0.01), rare, ("no", "yes"), np.zeros(300, dtype=bool))
    with pytest.raises(HeldOutError, match="only 3 are of one of the two outcomes"):
        estimate_performance(events, LiveRows(frame, np.full(300, 0.01), np.zeros(300, dtype=bool)))


def test_masked_and_missing_columns_are_named():
    rng = np.random.default_rng(4)
    frame, answer, actual = prices(rng, 300, spread=0.0)
    held = HeldOutRows(frame, answer, actual, (), None, None, "", ("income",))
    notes = estimate_performance(held, LiveRows(frame[["size"]], answer), n_replicates=N).performance.notes
    assert "Columns that the settings mask are not compared: income." in notes
    assert "Columns that the rows lack are not compared: wild." in notes


def test_a_profile_alone_gives_a_weaker_estimate_and_says_so():
    tenths = tuple(
        CalibrationBin(rows=100, predicted=p, observed=round(0.8 * p, 2)) for p in np.linspace(0.05, 0.95, 10)
    )
    profile = DataProfile(format=1, rows=1000, features=(), calibration=tenths)
    answer = np.random.default_rng(5).random(800)
    found = estimate_by_scores(profile, answer, answer >= 0.5, n_replicates=N)
    figures = {figure.metric: figure for figure in found.figures}
    assert figures["event_rate"].value == pytest.approx(0.4, abs=0.03)
    assert found.effective_share is None
    assert "knows the answers alone" in found.notes[0]
    counted = estimate_by_scores(profile, np.linspace(0.05, 0.95, 10), None, weight=np.full(10, 80.0), n_replicates=N)
    rate = next(figure for figure in counted.figures if figure.metric == "event_rate")
    assert rate.low < figures["event_rate"].value < rate.high
    with pytest.raises(UsageError, match="no calibration"):
        estimate_by_scores(DataProfile(format=1, rows=10, features=()), answer, None)
