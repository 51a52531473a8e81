"""Long histories of epochs: spans that are always those of the values, and readers that read what is new."""

import itertools
import logging
import math
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.settings import TelemetrySettings
from core.telemetry import TelemetryReader, recover, spans
from core.telemetry.courses import MOST_SPANS, EpochCourses, courses_as_of
from core.telemetry.epoch_page import NO_EPOCHS, PAGE_EPOCHS, EpochPages, page_as_of
from core.telemetry.epoch_store import EpochMetric, build_spans
from core.telemetry.forgetting import forget_values, values_before
from core.telemetry.schema import connect_to_write
from core.telemetry.series_watch import SeriesWatch
from core.telemetry.spans import EpochSpan
from core.telemetry.store import TelemetryStore

RUN = "r-0001"
LONG = 5_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def store(path: Path) -> TelemetryStore:
    return TelemetryStore(path, TelemetrySettings())


class CountingReader(TelemetryReader):
    """Counts the rows and the statements that it reads."""

    n_rows = n_statements = n_rows_at_once = 0

    def _fetch(self, statement: str, *parameters: object):
        rows = super()._fetch(statement, *parameters)
        self.n_rows += len(rows)
        self.n_statements += 1
        self.n_rows_at_once = max(self.n_rows_at_once, len(rows))
        return rows

    def reset(self) -> None:
        self.n_rows = self.n_statements = self.n_rows_at_once = 0


@pytest.fixture
def reader(path: Path) -> CountingReader:
    return CountingReader(path)


def metric(epoch: int, value: float, name: str = "loss", *, at: int | None = None) -> EpochMetric:
    return EpochMetric(RUN, epoch, name, epoch * 1_000_000 if at is None else at, value)


def wave(epoch: int) -> float:
    return math.sin(epoch / 300) + epoch % 7 / 10


def fill(store: TelemetryStore, n: int, first: int = 1, names: tuple[str, ...] = ("loss", "score")) -> None:
    store.write(
        [], [metric(epoch, wave(epoch) * (1 + len(name)), name) for epoch in range(first, first + n) for name in names]
    )


def tables(path: Path) -> list[list[tuple]]:
    with sqlite3.connect(path) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4").fetchall()
            for table in ("epoch_span", "epoch_series")
        ]


def without_revision(found: list[list[tuple]]) -> list[list[tuple]]:
    spans, series = found
    return [spans, [row[:-1] for row in series]]


def approximately(found: list[list[tuple]]) -> list[list[tuple]]:
    """Return rows with sums rounded: a sum depends on the order of its terms."""
    return [[tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in rows] for rows in found]


def test_spans_of_what_is_written_piece_by_piece_are_those_of_a_single_pass(store, path):
    chance = random.Random(4)
    written = []
    for _ in range(60):
        batch = []
        for _ in range(chance.randint(1, 40)):
            epoch = chance.choice([len(written) + len(batch), chance.randint(-40, 900), 70_000 + chance.randint(0, 9)])
            value = chance.choice([math.inf, chance.uniform(-5, 5), chance.uniform(-5, 5), 1.0])
            batch.append(metric(epoch, value, chance.choice("abc"), at=chance.randint(0, 10**6)))
        store.write([], batch)
        written += batch
    piecewise = approximately(without_revision(tables(path)))
    with connect_to_write(path).transaction() as connection:
        build_spans(connection)
    assert approximately(without_revision(tables(path))) == piecewise


def test_the_extremes_and_the_newest_value_are_never_thinned_away(store, reader):
    fill(store, LONG)
    store.write([], [metric(LONG + 1, 99.0), metric(LONG + 2, -99.0), metric(LONG + 3, 0.25)])
    points = EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN]))[RUN]["loss"]
    assert len(points) <= 4 * MOST_SPANS
    assert {(LONG + 1, 99.0), (LONG + 2, -99.0)} <= set(points)
    assert (points[0], points[-1]) == ((1, wave(1) * 5), (LONG + 3, 0.25))
    assert [epoch for epoch, _ in points] == sorted({epoch for epoch, _ in points})


def test_a_short_history_is_complete(store, reader):
    fill(store, 2 * MOST_SPANS - 2)
    points = EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN]))[RUN]
    assert {name: list(course) for name, course in points.items()} == reader.epochs(RUN)


def test_a_course_followed_step_by_step_equals_a_course_read_at_once(store, path, reader):
    chance = random.Random(5)
    watch, courses, n = SeriesWatch(reader), EpochCourses(reader.of_epochs), 0
    for step in range(40):
        more = chance.choice([1, 3, 100, 700])
        fill(store, more, first=n + 1, names=("loss", "score") if step % 3 else ("loss", "score", "rare"))
        n += more
        if step % 11 == 10:
            store.write([], [metric(n // 2, 40.0 + step), metric(n, -step)])
        followed = courses.follow(watch.look([RUN]))
        fresh = TelemetryReader(path)
        assert followed == EpochCourses(fresh.of_epochs).follow(SeriesWatch(fresh).look([RUN]))


def test_nothing_new_is_the_same_object(store, reader):
    fill(store, 10)
    watch, courses, pages = SeriesWatch(reader), EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
    before = courses.follow(watch.look([RUN]))[RUN], pages.follow(watch.look([RUN]), {})[RUN]
    store.write([], [EpochMetric("r-0002", 1, "loss", 0, 1.0)])
    after = courses.follow(watch.look([RUN]))[RUN], pages.follow(watch.look([RUN]), {})[RUN]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_the_next_epoch_costs_the_same_after_ten_and_after_many_thousand_epochs(store, reader):
    watch, courses, pages = SeriesWatch(reader), EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
    costs, n = [], 0
    for more in (10, LONG, LONG):
        fill(store, more, first=n + 1)
        n += more
        courses.follow(watch.look([RUN]))
        pages.follow(watch.look([RUN]), {})
        fill(store, 1, first=n + 1)
        n += 1
        reader.reset()
        seen = watch.look([RUN])
        courses.follow(seen)
        pages.follow(seen, {})
        costs.append((reader.n_statements, reader.n_rows))
    assert len(set(costs)) == 1
    assert costs[0][1] <= 10


def test_the_first_look_at_a_long_history_reads_a_bounded_number_of_rows(store, reader):
    costs = []
    for n in (LONG, 9 * LONG):
        fill(store, n, first=1 if n == LONG else LONG + 1, names=("loss",))
        reader.reset()
        seen = SeriesWatch(reader).look([RUN])
        EpochCourses(reader.of_epochs).follow(seen)
        EpochPages(reader.of_epochs).follow(seen, {})
        costs.append(reader.n_rows)
    assert max(costs) <= MOST_SPANS * 16 + PAGE_EPOCHS + 10


@pytest.mark.parametrize("n", [300, 2_000, LONG])
def test_the_first_look_at_a_history_holds_few_rows_at_once(store, reader, n):
    names = tuple(f"metric {number}" for number in range(10))
    fill(store, n, names=names)
    courses, pages = EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
    seen = SeriesWatch(reader).look([RUN])
    reader.reset()
    courses.follow(seen)
    pages.follow(seen, {})
    assert reader.n_rows_at_once <= 64 * len(names)
    assert reader.n_statements <= 50


def test_a_course_keeps_its_points_and_not_the_spans_behind_them(store, reader):
    fill(store, LONG)
    courses = EpochCourses(reader.of_epochs)
    courses.follow(SeriesWatch(reader).look([RUN]))
    found = courses._runs[RUN]._courses["loss"]
    assert sum(isinstance(value, EpochSpan) for value in vars(found).values()) == 1
    assert not any(isinstance(value, dict) for value in vars(found).values())


def test_one_batch_of_new_epochs_costs_the_writer_the_same_at_any_length(store, path):
    def n_statements(first: int) -> int:
        seen = []
        store._connection.set_trace_callback(seen.append)
        fill(store, 1, first=first)
        store._connection.set_trace_callback(None)
        return len(seen)

    fill(store, 20)
    few = n_statements(21)
    fill(store, LONG, first=22)
    assert n_statements(LONG + 22) == few


def test_latest_values_come_from_one_row_a_metric(store, reader):
    fill(store, LONG)
    store.write([], [metric(LONG + 1, math.inf)])
    reader.reset()
    assert reader.latest_metrics(RUN) == {"loss": wave(LONG) * 5, "score": wave(LONG) * 6}
    assert reader.unmeasured(RUN) == ("loss",)
    assert reader.n_rows <= 6


def test_a_page_follows_the_newest_epoch_and_stays_where_it_is_looked_at(store, reader):
    watch, pages = SeriesWatch(reader), EpochPages(reader.of_epochs)
    assert pages.follow(watch.look([RUN]), {})[RUN] is NO_EPOCHS
    fill(store, LONG)
    page = pages.follow(watch.look([RUN]), {})[RUN]
    assert (page.first, page.newest, page.n_recorded, page.is_whole) == (1, LONG, LONG, False)
    assert list(page.rows) == list(range(LONG - PAGE_EPOCHS + 1, LONG + 1))
    assert page.rows[LONG] == {"loss": wave(LONG) * 5, "score": wave(LONG) * 6}
    far = pages.follow(watch.look([RUN]), {RUN: 700})[RUN]
    assert 700 in far.rows
    assert len(far.rows) == PAGE_EPOCHS
    fill(store, 1, first=LONG + 1)
    store.write([], [metric(700, 12.0)])
    far = pages.follow(watch.look([RUN]), {RUN: 700})[RUN]
    assert (far.newest, far.rows[700]["loss"]) == (LONG + 1, 12.0)


def test_a_page_read_step_by_step_equals_a_page_read_at_once(store, path, reader):
    chance = random.Random(6)
    watch, pages, n = SeriesWatch(reader), EpochPages(reader.of_epochs), 0
    for step in range(30):
        more = chance.choice([1, 2, 60, 600])
        fill(store, more, first=n + 1, names=("loss",) if step % 4 else ("loss", "rare"))
        n += more
        if step % 7 == 3:
            store.write([], [metric(n - 1, 40.0 + step)])
        around = chance.choice([{}, {}, {RUN: chance.randint(1, n)}])
        fresh = TelemetryReader(path)
        at_once = EpochPages(fresh.of_epochs).follow(SeriesWatch(fresh).look([RUN]), around)
        assert pages.follow(watch.look([RUN]), around) == at_once


@pytest.mark.parametrize("n", [1, 100, 3_000, LONG])
def test_the_past_of_a_history_has_no_later_value(store, path, reader, n):
    fill(store, LONG)
    store.write([], [metric(4, 77.0, at=LONG * 1_000_000)])  # a late value of an early epoch
    until = n * 1_000_000
    then = courses_as_of(reader.of_epochs, RUN, until)
    known = {epoch: wave(epoch) * 6 for epoch in range(1, n + 1)}
    assert set(then["score"]) <= set(known.items())
    assert then["score"][-1] == (n, known[n])
    assert max(value for _, value in then["score"]) == max(known.values())
    assert (77.0 in dict(then.get("loss", ())).values()) is (n == LONG)
    page = page_as_of(reader.of_epochs, RUN, until, n)
    assert (page.newest, page.n_recorded, next(reversed(page.rows))) == (n, n, n)


def test_missing_epochs_are_found_without_reading_the_rest(store, reader):
    gaps = {17, 800, 801, LONG}
    store.write([], [metric(epoch, 1.0) for epoch in range(1, LONG + 1) if epoch not in gaps])
    reader.reset()
    assert reader.of_epochs.missing(RUN, "loss", LONG + 2) == [*sorted(gaps), LONG + 1, LONG + 2]
    assert reader.n_rows < 200
    assert reader.of_epochs.missing(RUN, "loss", 16) == []


def as_format_1(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE epoch_span; DROP TABLE epoch_series; PRAGMA user_version = 1;")


def test_a_store_without_spans_is_read_as_it_is_and_upgraded_by_a_writer(store, path, reader, caplog):
    fill(store, LONG)
    store.write([], [metric(LONG, math.inf)])
    before = tables(path)
    fresh = TelemetryReader(path)
    expected = EpochCourses(fresh.of_epochs).follow(SeriesWatch(fresh).look([RUN]))
    fresh.close()
    store.close()
    as_format_1(path)
    content = path.read_bytes()
    watch, courses, pages = SeriesWatch(reader), EpochCourses(reader.of_epochs), EpochPages(reader.of_epochs)
    seen = watch.look([RUN])
    assert courses.follow(seen) == expected
    assert pages.follow(seen, {})[RUN].n_recorded == LONG
    assert reader.latest_metrics(RUN) == {"loss": wave(LONG - 1) * 5, "score": wave(LONG) * 6}
    assert reader.unmeasured(RUN) == ("loss",)
    assert reader.of_epochs.missing(RUN, "loss", LONG) == [LONG]
    watch.look([RUN])
    reader.reset()
    courses.follow(watch.look([RUN]))
    assert reader.n_rows <= 4, "an unchanged old store is not read again"
    assert path.read_bytes() == content, "reading changes nothing"

    with caplog.at_level(logging.INFO):
        TelemetryStore(path, TelemetrySettings()).close()
    assert "to format 2" in caplog.text
    assert approximately(without_revision(tables(path))) == approximately(without_revision(before))
    caplog.clear()
    with caplog.at_level(logging.INFO):
        TelemetryStore(path, TelemetrySettings()).close()
    assert "format" not in caplog.text, "it is upgraded once"
    assert courses.follow(watch.look([RUN])) == expected


def test_another_store_in_the_same_place_is_read_anew(store, path, reader, tmp_path):
    fill(store, 100)
    watch, courses = SeriesWatch(reader), EpochCourses(reader.of_epochs)
    assert len(courses.follow(watch.look([RUN]))[RUN]["loss"]) == 100
    store.close()
    other = tmp_path / "other.db"
    with_three = TelemetryStore(other, TelemetrySettings())
    fill(with_three, 3)
    with_three.close()
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    other.rename(path)
    assert len(courses.follow(watch.look([RUN]))[RUN]["loss"]) == 3


def test_the_spans_of_an_earlier_store_are_built_without_a_merge_for_each_value(store, path, monkeypatch):
    fill(store, LONG)
    store.write([], [metric(77, math.inf), metric(78, -3.0, at=5), metric(79, -3.0, at=9)])
    before, merges = tables(path), []
    monkeypatch.setattr(
        "core.telemetry.epoch_store.merged", lambda one, other: merges.append(1) or spans.merged(one, other)
    )
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM epoch_span")
        connection.execute("DELETE FROM epoch_series")
        build_spans(connection)
    assert len(merges) <= 2 * LONG / 14
    (rebuilt, series), (stored, known) = tables(path), before
    assert [row[:7] + row[8:] for row in rebuilt] == [row[:7] + row[8:] for row in stored]
    assert [row[7] for row in rebuilt] == pytest.approx([row[7] for row in stored])
    assert [row[:-1] for row in series] == [row[:-1] for row in known]


def test_a_window_is_read_at_its_own_resolution(store, reader):
    fill(store, LONG)
    window = (2_000, 2_050)
    points = EpochCourses(reader.of_epochs, window=window).follow(SeriesWatch(reader).look([RUN]))[RUN]["loss"]
    assert [epoch for epoch, _ in points] == list(range(2_000, 2_051))
    wide = EpochCourses(reader.of_epochs, window=(100, 4_900)).follow(SeriesWatch(reader).look([RUN]))[RUN]["loss"]
    assert all(one <= other for one, other in itertools.pairwise(epoch for epoch, _ in wide))
    assert (wide[0][0] <= 100, wide[-1][0] >= 4_900) == (True, True)


def test_what_is_no_run_has_no_spans(store, path):
    store.write([], [EpochMetric("~heartbeats", 0, "r-0001", 0, 1.0)])
    assert tables(path) == [[], []]


def test_pruned_values_keep_their_spans_their_count_and_their_place_in_a_course(store, path, reader):
    fill(store, LONG)
    before = EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN]))
    first = values_before(path, RUN, LONG // 2)
    forget_values(path, RUN, before=first)
    assert EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN])) == before
    near = EpochCourses(reader.of_epochs, window=(101, 140)).follow(SeriesWatch(reader).look([RUN]))[RUN]["loss"]
    assert 1 < len(near) <= 4 * 4, "an early window is drawn from the spans"
    assert max(near, key=lambda point: point[1])[1] >= max(wave(epoch) * 5 for epoch in range(101, 141))
    assert reader.of_epochs.missing(RUN, "loss", LONG) == []
    store.write([], [metric(107, 500.0)])
    late = EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN]))[RUN]["loss"]
    assert {(107, 500.0)} | {point for point in before[RUN]["loss"] if point[0] < 80} <= set(late)


def test_a_recovery_saves_the_spans_of_pruned_values(store, path, reader):
    fill(store, LONG)
    before = EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN]))
    forget_values(path, RUN, before=values_before(path, RUN, LONG // 2))
    store.close()
    recover(path, now=datetime(2026, 1, 2, tzinfo=UTC))
    assert EpochCourses(reader.of_epochs).follow(SeriesWatch(reader).look([RUN])) == before
