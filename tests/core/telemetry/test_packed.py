"""Epochs that a reader holds: as numbers in arrays, which read like the tuples and rows that they stand for."""

import gc
import tracemalloc

import pytest

from core.settings import TelemetrySettings
from core.telemetry import TelemetryReader
from core.telemetry.courses import EpochCourses
from core.telemetry.epoch_page import PAGE_EPOCHS, EpochPages
from core.telemetry.epoch_store import EpochMetric
from core.telemetry.packed import GrowingPoints, PackedRow, Points
from core.telemetry.series_watch import SeriesWatch
from core.telemetry.store import TelemetryStore

RUN = "r-0001"
READING = tuple(
    f"*/telemetry/{name}.py" for name in ("packed", "courses", "epoch_page", "epoch_reader", "series_watch")
)
NAMES = tuple(f"models.of_the_session.metric_{number}" for number in range(20))


@pytest.fixture
def growing() -> GrowingPoints:
    points = GrowingPoints()
    points.append(((1, 0.5), (2, 0.25)))
    return points


def test_points_read_like_a_tuple(growing):
    points = Points(growing, ((3, 0.125),))
    assert list(points) == [(1, 0.5), (2, 0.25), (3, 0.125)]
    assert (len(points), points[0], points[-1], points[1:]) == (3, (1, 0.5), (3, 0.125), ((2, 0.25), (3, 0.125)))
    assert points == ((1, 0.5), (2, 0.25), (3, 0.125))
    assert points != ((1, 0.5), (2, 0.25))
    assert list(reversed(points)) == [(3, 0.125), (2, 0.25), (1, 0.5)]
    with pytest.raises(IndexError):
        points[3]


def test_what_is_appended_later_is_not_seen_by_earlier_points(growing):
    earlier = Points(growing, ((3, 9.0),))
    growing.append(((3, 7.0), (4, 8.0)))
    assert list(earlier) == [(1, 0.5), (2, 0.25), (3, 9.0)]
    assert list(Points(growing)) == [(1, 0.5), (2, 0.25), (3, 7.0), (4, 8.0)]


def test_a_row_reads_like_a_mapping():
    row = PackedRow({"loss": 0.5, "score": 0.75})
    assert (dict(row), row["score"], row.get("other"), "loss" in row, len(row)) == (
        {"loss": 0.5, "score": 0.75}, 0.75, None, True, 2,
    )  # fmt: skip
    assert row == {"loss": 0.5, "score": 0.75}


def test_a_full_page_and_all_courses_take_few_bytes_a_value(tmp_path):
    """As tuples, floats and a text for each name of each row, a value took 170 bytes."""
    store = TelemetryStore(tmp_path / "telemetry.db", TelemetrySettings())
    reader = TelemetryReader(tmp_path / "telemetry.db")
    watch, courses, pages = SeriesWatch(reader), EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
    held = []
    tracemalloc.start()
    try:
        for first in range(1, PAGE_EPOCHS + 1, 64):
            epochs = range(first, first + 64)
            store.write([], [EpochMetric(RUN, at, name, at, at / 7) for at in epochs for name in NAMES])
            seen = watch.look([RUN])
            held = [courses.follow(seen), pages.follow(seen, {})]
        gc.collect()
        allocated = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, place) for place in READING])
    finally:
        tracemalloc.stop()
    rows = held[1][RUN].rows
    assert len(rows) == PAGE_EPOCHS
    assert len({id(name) for row in rows.values() for name in row}) == len(NAMES)
    assert 8 < sum(trace.size for trace in allocated.traces) / (PAGE_EPOCHS * len(NAMES)) < 60
