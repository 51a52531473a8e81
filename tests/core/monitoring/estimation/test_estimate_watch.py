"""The watcher of performance without labels: an estimate an hour, and its record against outcomes."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.losses import AnswerForm, AnswerKind
from core.models.outcomes import Outcomes
from core.models.scoring.fields import Rows
from core.monitoring.data_profile import DataProfile
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.monitoring.estimation.watch import EstimateWatch
from core.monitoring.live import ProfileIndex, SketchCounter, merged_bytes, profile_number, to_bytes
from core.monitoring.live.counting import Served
from core.monitoring.profiling import kinds_of, profile_columns, profile_of
from core.monitoring.reasoning import estimate_paragraph
from core.monitoring.verdicts import PerformanceVerdict
from core.settings.feature_log import FeatureLogSettings
from core.settings.policy import ModelPolicy
from core.telemetry.features import FeatureBatch, FeatureWriter
from core.telemetry.live import CountedMinute, LiveWriter
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter
from tests.clocks import HandClock

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
LATER = START + timedelta(hours=2)
N = 200


@pytest.fixture
def version(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=400)})
    answer = frame["size"].to_numpy()
    kept = HeldOutRows(frame, answer, answer + rng.normal(size=400), (), None, None, "", ())
    (tmp_path / HELD_OUT_NAME).write_bytes(kept.to_bytes())
    files = {f"{name}_file": tmp_path / f"{name}.db" for name in ("features", "live", "predictions")}
    return SimpleNamespace(
        workspace=SimpleNamespace(**files),
        model="spread",
        version="1.0.0",
        key="spread@1.0.0",
        folder=tmp_path,
        profile=DataProfile(format=1, rows=400, features=()),
        profile_since=None,
        no_profile="",
        rules=ModelPolicy(),
    )


def serve(version, *, outcomes):
    """Answer rows half an hour after the start, with a sample of their features, and report some outcomes."""
    rng, at = np.random.default_rng(1), START - timedelta(minutes=30)
    size = rng.normal(size=N)
    requests = tuple(f"r{k}" for k in range(N))
    with FeatureWriter(version.workspace.features_file, FeatureLogSettings(share=1.0), clock=HandClock(START)) as log:
        cells = size.tolist()
        log.add(FeatureBatch("spread", "1.0.0", (at.timestamp(),) * N, requests, {"size": cells}, cells))
    form = AnswerForm(AnswerKind.NUMBER)
    with closing(PredictionWriter(version.workspace.predictions_file, clock=lambda: START)) as writer:
        for name, value in zip(requests, size, strict=True):
            writer.add(PredictionRecord(name, at, "spread", "1.0.0", latency_ms=1.0, value=float(value), form=form))
        for name, value in list(zip(requests, size, strict=True))[:outcomes]:
            writer.add_outcome(OutcomeRecord(name, START, actual=float(value + rng.normal())))


def test_sampled_rows_give_an_estimate_that_outcomes_later_confirm(version):
    serve(version, outcomes=100)
    first = EstimateWatch().look(version, START, None)
    assert first.part.verdict is not PerformanceVerdict.FELL
    mae = first.part.metrics[0]
    assert (mae.metric, mae.n, first.part.n_rows) == ("mae", N, N)
    assert mae.low < 0.8 < mae.high
    later = EstimateWatch().look(version, LATER, first.state)
    (scored,) = later.part.scored[:1]
    assert scored.n == 100
    assert scored.low <= scored.value <= scored.high
    assert "100 outcomes show" in scored.reason
    assert any("earlier estimates held" in note for note in later.part.notes)
    assert len(later.part.metrics[0].points) == 2


def test_a_look_within_the_hour_shows_what_was_found_and_reads_nothing(version, monkeypatch):
    serve(version, outcomes=0)
    first = EstimateWatch().look(version, START, None)
    monkeypatch.setattr(EstimateWatch, "_estimate", None)
    again = EstimateWatch().look(version, START + timedelta(minutes=59), first.state)
    assert (again.part, again.state) == (first.part, first.state)
    assert first.part.scored == ()


def test_a_version_without_sampled_rows_is_looked_at_again_after_five_minutes(version):
    first = EstimateWatch().look(version, START, None)
    serve(version, outcomes=0)
    soon = EstimateWatch().look(version, START + timedelta(minutes=4), first.state)
    later = EstimateWatch().look(version, START + timedelta(minutes=5), soon.state)

    assert (soon.part, soon.state) == (first.part, first.state)
    assert later.part.metrics


def test_a_profile_that_was_made_lost_or_replaced_is_noticed_at_the_next_look(version):
    serve(version, outcomes=0)
    profile, version.profile, version.no_profile = version.profile, None, "spread 1.0.0: it has no profile"
    look = EstimateWatch().look(version, START, None)
    assert look.part.reason == "there is no estimate: spread 1.0.0: it has no profile"
    version.profile, version.no_profile, version.profile_since = profile, "", START
    minute = timedelta(minutes=1)
    look = EstimateWatch().look(version, START + minute, look.state)
    assert look.part.metrics
    version.profile, version.no_profile = None, "spread 1.0.0, its profile: it is missing"
    look = EstimateWatch().look(version, START + 2 * minute, look.state)
    assert (look.part.metrics, look.part.reason) == ((), f"there is no estimate: {version.no_profile}")
    version.profile, version.no_profile, version.profile_since = profile, "", START + minute
    look = EstimateWatch().look(version, START + 3 * minute, look.state)
    version.profile_since = START + 2 * minute
    assert look.part.metrics
    assert EstimateWatch().look(version, START + 4 * minute, look.state).part.as_of == START + 4 * minute


def test_where_no_estimate_is_possible_the_part_says_why_and_how_to_get_one(version):
    part = EstimateWatch().look(version, START, None).part
    assert part.metrics == ()
    assert part.reason.startswith("there is no estimate: no answered row was sampled within the last day")
    assert "serving.log_features.share" in part.reason
    serve(version, outcomes=0)
    (version.folder / HELD_OUT_NAME).unlink()
    assert "held_out.rows is 0" in EstimateWatch().look(version, START, None).part.reason
    version.profile, version.no_profile = None, "spread 1.0.0: it has no profile"
    reason = EstimateWatch().look(version, START, b"not a state").part.reason
    assert reason == "there is no estimate: spread 1.0.0: it has no profile"


def test_a_clock_that_was_ahead_stops_no_estimate(version):
    serve(version, outcomes=0)
    ahead = EstimateWatch().look(version, START + timedelta(days=400), None)
    assert EstimateWatch().look(version, START, ahead.state).part.metrics


@pytest.fixture
def probability(version):
    """The version, without held-out rows, as one that answers probabilities."""
    rng = np.random.default_rng(3)
    size = rng.random(5_000)
    frame = pd.DataFrame({"size": size})
    held_out = Outcomes(frame, size, (rng.random(5_000) < size).astype(float), ("no", "yes"))
    columns = profile_columns(frame, kinds_of(frame))
    version.profile = profile_of(columns, features=("size",), target=None, group=None, held_out=held_out)
    (version.folder / HELD_OUT_NAME).unlink()
    return version


def count(version, *minutes):
    """Count answers, each minute an hour before the other; of each the answers, and how many more were left out."""
    index = ProfileIndex(version.profile)
    counter = SketchCounter(index, numbers=("size",), texts=())
    with LiveWriter(version.workspace.live_file, merged_bytes, clock=lambda: START) as live:
        for hour, (answers, n_dropped) in enumerate(minutes, start=1):
            rows = Rows(np.nan_to_num(answers)[:, None], [()] * len(answers))
            sketch = to_bytes(counter.count([Served(rows, answers.tolist())]))
            at = int((START - timedelta(hours=hour)).timestamp())
            number = profile_number(version.profile)
            live.add(CountedMinute("spread", "1.0.0", number, at, len(answers), n_dropped, sketch))


def metric_of(part, name):
    return next(metric for metric in part.metrics if metric.metric == name)


def test_a_minute_of_which_a_share_was_counted_stands_for_all_its_rows(probability):
    rng = np.random.default_rng(4)
    count(probability, (rng.uniform(0.0, 0.2, 1_000), 0), (rng.uniform(0.4, 0.6, 1_000), 9_000))
    part = EstimateWatch().look(probability, START, None).part
    brier = metric_of(part, "brier")
    assert 0.2 < brier.low < (0.087 * 1_000 + 0.247 * 10_000) / 11_000 < brier.high  # of both minutes alike it is 0.167
    assert (part.n_rows, brier.n, part.metrics[0].points[0].n) == (2_000, 2_000, 2_000)
    assert (
        "2,000 counted rows stand for 11,000 that were answered, those of each minute for all of its rows: "
        "worth 1,198 rows of equal weight."
    ) in part.notes
    (head, *lines) = (estimate_paragraph(part).head.text, *(line.text for line in estimate_paragraph(part).lines))
    assert ", 2,000 rows, " in head
    assert any("worth 1,198 rows of equal weight" in line for line in lines)


@pytest.mark.parametrize("n_few", [1, 3, 20])
def test_few_rows_that_stand_for_many_count_in_the_tenths_of_their_answers(probability, n_few):
    rng = np.random.default_rng(4)
    few = np.full(n_few, 0.95), 25 * n_few
    count(probability, (rng.random(5_000), 0), (rng.random(5_000), 45_000), few)
    part = EstimateWatch().look(probability, START, None).part
    n_answered = 5_000 + 50_000 + 26 * n_few
    assert part.n_rows == 10_000 + n_few
    assert f"stand for {n_answered:,} that were answered" in part.notes[-1]
    n_equal = n_answered**2 / (5_000 + 500_000 + 26**2 * n_few)
    assert f"worth {int(n_equal):,} rows of equal weight" in part.notes[-1]
    # the mean Brier score of answers p that are right is p (1 - p): 1 / 6 of even answers, and 0.0475 of the few
    expected = ((n_answered - 26 * n_few) / 6 + 26 * n_few * 0.0475) / n_answered
    assert metric_of(part, "brier").value == pytest.approx(expected, abs=0.006)


def test_rows_that_all_count_alike_need_no_word_on_weights(probability):
    count(probability, (np.random.default_rng(4).random(500), 0))
    part = EstimateWatch().look(probability, START, None).part
    assert part.n_rows == 500
    assert not any("equal weight" in note for note in part.notes)


def test_answers_that_are_no_numbers_give_no_estimate_and_no_error(probability):
    count(probability, (np.full(100, np.nan), 50))
    part = EstimateWatch().look(probability, START, None).part
    assert part.metrics == ()
    assert part.reason.startswith("there is no estimate: ")
