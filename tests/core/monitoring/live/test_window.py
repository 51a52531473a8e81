"""Served rows are judged as the same rows in a file are, over any window of minutes and hours."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.models.scoring.fields import Rows
from core.monitoring import profiling
from core.monitoring.live import ProfileIndex, SketchCounter, merged_bytes, profile_number, to_bytes
from core.monitoring.live.counting import Served
from core.monitoring.live.window import live_window
from core.monitoring.profile_check import check_profile, check_sketch
from core.settings.policy import DriftPolicy
from core.telemetry.live import CountedMinute, LiveReader, LiveWriter
from tests.clocks import HandClock
from tests.waiting import until

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AT = int(START.timestamp())


def drawn(n, seed, *, shift=0.0):
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=n) + shift
    smooth[rng.random(n) < 0.05 * (1 + 3 * (shift > 0))] = np.nan
    levels = list("ABCDE") if shift else list("ABCD")
    return pd.DataFrame(
        {
            "smooth": smooth,
            "skewed": rng.lognormal(sigma=2, size=n),
            "count": rng.poisson(2, n).astype(np.float64),
            "grade": pd.Categorical(rng.choice(levels, n)),
            "client": rng.zipf(1.3, n).clip(0, 5000).astype(str),
        }
    )


@pytest.fixture(scope="module")
def index():
    frame = drawn(4_000, 1)
    answers = np.nan_to_num(frame["smooth"].to_numpy()) * 2
    columns = profiling.profile_columns(frame, profiling.kinds_of(frame))
    return ProfileIndex(
        profiling.profile_of(
            columns, features=tuple(columns), target=None, group=None, held_out=Outcomes(frame, answers, None)
        )
    )


def served(frame):
    numbers = ("smooth", "skewed", "count")
    rows = Rows(frame[list(numbers)].to_numpy(), list(zip(frame["grade"].astype(str), frame["client"], strict=True)))
    return Served(rows, (np.nan_to_num(frame["smooth"].to_numpy()) * 2).tolist())


@pytest.fixture(scope="module")
def counter(index):
    return SketchCounter(index, numbers=("smooth", "skewed", "count"), texts=("grade", "client"))


@pytest.mark.parametrize(("n", "shift"), [(60, 0.0), (2_500, 0.0), (2_500, 0.4), (60_000, 0.05)])
def test_served_rows_and_the_same_rows_in_a_file_get_the_same_verdicts(index, counter, n, shift):
    frame = drawn(n, 7, shift=shift)
    values = pd.Series(np.nan_to_num(frame["smooth"].to_numpy()) * 2)
    answers = {"prediction": (values, index.profile.prediction.kind)}
    by_file = check_profile(index.profile, frame, DriftPolicy(), answers=answers)
    by_server = check_sketch(index, counter.count([served(frame)]), DriftPolicy())
    assert by_server.columns == by_file.columns
    assert by_server.alerts == by_file.alerts
    assert by_server.slices["grade=A"].now.rows == int((frame["grade"] == "A").sum())


def test_a_window_has_minutes_that_are_in_no_hour_yet_and_none_after_its_end(tmp_path, index, counter):
    file, profile = tmp_path / "telemetry" / "live.db", profile_number(index.profile)
    with LiveWriter(file, merged_bytes, clock=HandClock(START)) as writer:
        for number in range(0, 48 * 60, 30):
            content = to_bytes(counter.count([served(drawn(20, number))]))
            writer.add(CountedMinute("spread", "1.0.0", profile, AT + 60 * number, 20, 1, content))
        writer.flush()
    reader = LiveReader(file)
    assert reader.hours("spread", "1.0.0", START, START + timedelta(hours=48)) == []
    found = live_window(reader, index, "spread", "1.0.0", START, START + timedelta(hours=30, minutes=10))
    reader.close()
    assert (found.sketch.n, found.n_dropped) == (61 * 20, 61)


def test_a_window_is_the_sum_of_its_minutes_and_hours(tmp_path, index, counter):
    clock, file = HandClock(START), tmp_path / "telemetry" / "live.db"
    profile = profile_number(index.profile)
    with LiveWriter(file, merged_bytes, clock=clock, commit_seconds=0.01) as writer:
        for number in range(0, 48 * 60, 30):  # two days, a minute every half an hour
            content = to_bytes(counter.count([served(drawn(20, number))]))
            writer.add(CountedMinute("spread", "1.0.0", profile, AT + 60 * number, 20, 1, content))
        writer.add(CountedMinute("spread", "1.0.0", "", AT, 5, 0, b""))  # of a server that found no profile
        writer.flush()
        before = writer._upkeep_times.next_at
        clock.pass_by(61)
        until(lambda: writer._upkeep_times.next_at > before, "the upkeep")
    reader, end = LiveReader(file), START + timedelta(hours=48)
    lately = live_window(reader, index, "spread", "1.0.0", end - timedelta(hours=1), end)
    assert (lately.sketch.n, lately.n_dropped, lately.n_other) == (40, 2, 0)
    whole = live_window(reader, index, "spread", "1.0.0", START, end)
    assert (whole.sketch.n, whole.n_dropped, whole.n_other) == (48 * 40, 96, 5)
    by_minute = live_window(reader, index, "spread", "1.0.0", end - timedelta(hours=24), end)
    assert by_minute.sketch.n == 24 * 40
    reader.close()
