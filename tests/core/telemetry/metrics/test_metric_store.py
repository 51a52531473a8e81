"""Recorded series: scrapes, staleness, repacking, restarts, and files that are not ours."""

import random
import re
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from core.telemetry.errors import TelemetryDamagedError, TelemetryError
from core.telemetry.metrics import STALE, MetricReader, MetricWriter, RecordedSeries
from core.telemetry.metrics.samples import STALE_BITS
from core.telemetry.metrics.upkeep import keep_up

START = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)


class Condition(NamedTuple):
    """A matcher, such as that of expressions."""

    name: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        """Return whether a value fulfils it."""
        if self.op in {"=", "!="}:
            return (value == self.value) is (self.op == "=")
        return (re.fullmatch(self.value, value) is not None) is (self.op == "=~")


def gauge(values: dict[str, float], name: str = "bondx_score") -> list[Metric]:
    """A gauge with one label."""
    family = GaugeMetricFamily(name, "A score.", labels=("model",))
    for model, value in values.items():
        family.add_metric((model,), value)
    return [family]


def writer(file: Path, instance: str = "host") -> MetricWriter:
    """A writer of the engine."""
    return MetricWriter(file, lambda: START, job="bondx-engine", instance=instance)


def ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def read(
    file: Path, since: datetime, until: datetime, *conditions: Condition, now: datetime | None = None
) -> list[RecordedSeries]:
    """Read by a reader that has seen nothing."""
    reader = MetricReader(file, lambda: now or until)
    try:
        return reader.select(conditions or [Condition("__name__", "=", "bondx_score")], ms(since), ms(until))
    finally:
        reader.close()


def points(series: RecordedSeries) -> list[tuple[int, float | None]]:
    """Seconds after the start and values; None for the mark of an end."""
    bits = series.values.view(np.uint64)
    return [
        ((at - ms(START)) // 1000, None if bit == STALE_BITS else value)
        for at, value, bit in zip(series.at_ms.tolist(), series.values.tolist(), bits.tolist(), strict=True)
    ]


def by_model(found: Sequence[RecordedSeries]) -> dict[str, list[tuple[int, float | None]]]:
    """The points of each model."""
    return {dict(each.labels)["model"]: points(each) for each in found}


def test_a_scrape_is_read_with_the_labels_of_its_writer(tmp_path: Path) -> None:
    one = writer(tmp_path / "m.db")
    assert one.record(START, gauge({"a": 1.5, "b": 2.5})) == 2
    found = read(tmp_path / "m.db", START - STEP, START)
    assert [each.labels for each in found] == [
        (("__name__", "bondx_score"), ("instance", "host"), ("job", "bondx-engine"), ("model", model))
        for model in ("a", "b")
    ]
    assert by_model(found) == {"a": [(0, 1.5)], "b": [(0, 2.5)]}
    assert read(tmp_path / "m.db", START, START + STEP) == []  # (from, to]


def test_matchers_of_each_kind_find_their_series(tmp_path: Path) -> None:
    writer(tmp_path / "m.db").record(START, gauge({"a": 1, "ab": 2, "c": 3}))

    def found(*conditions: Condition) -> set[str]:
        return set(by_model(read(tmp_path / "m.db", START - STEP, START, *conditions)))

    assert found(Condition("model", "=", "a")) == {"a"}
    assert found(Condition("model", "!=", "a")) == {"ab", "c"}
    assert found(Condition("model", "=~", "a.?")) == {"a", "ab"}
    assert found(Condition("model", "!~", "a.?"), Condition("__name__", "=", "bondx_score")) == {"c"}
    assert found(Condition("none", "=", ""), Condition("job", "=", "bondx-engine")) == {"a", "ab", "c"}
    assert found(Condition("__name__", "=", "x"), Condition("__name__", "=", "bondx_score")) == set()


def test_a_series_that_is_gone_is_marked_as_ended_once(tmp_path: Path) -> None:
    one = writer(tmp_path / "m.db")
    one.record(START, gauge({"a": 1, "b": 2}))
    one.record(START + STEP, gauge({"a": 1}))
    one.record(START + 2 * STEP, gauge({"a": 1}))
    one.record(START + 3 * STEP, gauge({"a": 1, "b": 3}))
    found = by_model(read(tmp_path / "m.db", START - STEP, START + 3 * STEP))
    assert found["b"] == [(0, 2), (15, None), (45, 3)]
    assert found["a"] == [(0, 1), (15, 1), (30, 1), (45, 1)]


def test_a_writer_that_starts_again_ends_what_is_gone_and_no_series_of_another(tmp_path: Path) -> None:
    writer(tmp_path / "m.db").record(START, gauge({"a": 1, "b": 2}))
    writer(tmp_path / "m.db", "other").record(START, gauge({"c": 3}))
    writer(tmp_path / "m.db").record(START + STEP, gauge({"a": 1}))
    found = by_model(read(tmp_path / "m.db", START - STEP, START + STEP))
    assert found == {"a": [(0, 1), (15, 1)], "b": [(0, 2), (15, None)], "c": [(0, 3)]}


def test_a_reader_takes_up_what_comes_and_what_it_handed_out_stays(tmp_path: Path) -> None:
    one, now = writer(tmp_path / "m.db"), [START]
    reader = MetricReader(tmp_path / "m.db", lambda: now[0])
    name = [Condition("__name__", "=", "bondx_score")]
    assert reader.select(name, 0, ms(START)) == []
    one.record(START, gauge({"a": 1}))
    first = reader.select(name, ms(START - STEP), ms(START))
    for k in range(1, 400):
        now[0] = START + k * STEP
        one.record(now[0], gauge({"a": 1 + k, "b": k}))
        found = by_model(reader.select(name, ms(now[0] - 2 * STEP), ms(now[0])))
        assert found["a"] == [(15 * (k - 1), float(k)), (15 * k, float(k + 1))]
    assert points(first[0]) == [(0, 1)]
    whole = by_model(reader.select(name, 0, ms(now[0])))
    assert whole["a"] == [(15 * k, float(k + 1)) for k in range(400)]  # the oldest from the file


@pytest.mark.parametrize("has_seen", [False, True])
def test_repacking_changes_no_sample(tmp_path: Path, has_seen: bool) -> None:
    file, one, n = tmp_path / "m.db", writer(tmp_path / "m.db"), 900
    end = START + n * STEP
    reader = MetricReader(file, lambda: end)
    name = [Condition("__name__", "=", "bondx_score")]
    for k in range(n):
        if k == 300:
            writer(file, "other").record(START + k * STEP, gauge({"c": 0.1}))
        one.record(START + k * STEP, gauge({"a": k / 3} if 100 <= k < 110 else {"a": k / 3, "b": float("nan")}))
    before = {each.labels: each for each in read(file, START - STEP, end)}
    assert before
    if has_seen:
        reader.select(name, 0, ms(end))
    keep_up(file, ms(end), 15)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM hour").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM scrape").fetchone()[0] < n / 2
    after = {each.labels: each for each in reader.select(name, ms(START - STEP), ms(end))}
    assert after.keys() == before.keys()
    for labels, series in after.items():
        assert series.at_ms.tolist() == before[labels].at_ms.tolist()
        assert series.values.tobytes() == before[labels].values.tobytes()
    assert points(after[next(each for each in after if ("model", "b") in each)])[100] == (1500, None)


def test_what_is_older_than_its_days_is_deleted_with_its_series(tmp_path: Path) -> None:
    file, one = tmp_path / "m.db", writer(tmp_path / "m.db")
    one.record(START, gauge({"a": 1}))
    later = START + timedelta(days=20)
    one.record(later, gauge({"b": 1}))
    keep_up(file, ms(later), 15)
    found = by_model(read(file, START - STEP, later))
    assert found == {"b": [(20 * 86_400, 1)]}
    one.record(later + STEP, gauge({"a": 2, "b": 1}))
    assert by_model(read(file, START - STEP, later + STEP))["a"][-1] == (20 * 86_400 + 15, 2)


def test_a_clock_that_is_set_back_replaces_what_lay_after_it(tmp_path: Path) -> None:
    file, one = tmp_path / "m.db", writer(tmp_path / "m.db")
    reader = MetricReader(file, lambda: START + 9 * STEP)
    name = [Condition("__name__", "=", "bondx_score")]
    for k in range(5):
        one.record(START + k * STEP, gauge({"a": k}))
    assert len(by_model(reader.select(name, 0, ms(START + 9 * STEP)))["a"]) == 5
    one.record(START + 2 * STEP, gauge({"a": 70}))
    one.record(START + 3 * STEP, gauge({"a": 71}))
    expected = [(0, 0.0), (15, 1.0), (30, 70.0), (45, 71.0)]
    assert by_model(reader.select(name, 0, ms(START + 9 * STEP)))["a"] == expected


def test_a_file_that_is_no_store_is_refused_and_one_that_is_replaced_is_written(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    file.write_bytes(b"not a database, and long enough to be looked at" * 100)
    one = writer(file)
    with pytest.raises(TelemetryDamagedError, match=r"--restore m\.db"):
        one.record(START, gauge({"a": 1}))
    with pytest.raises(TelemetryError):
        read(file, START - STEP, START)
    file.unlink()
    one.record(START, gauge({"a": 1}))
    file.rename(tmp_path / "aside.db")
    one.record(START + STEP, gauge({"a": 2}))
    assert by_model(read(file, START - STEP, START + STEP)) == {"a": [(15, 2)]}


def test_a_reader_forgets_series_that_have_ended_and_finds_them_in_the_file(tmp_path: Path) -> None:
    file, now, name = tmp_path / "m.db", [START], [Condition("__name__", "=", "bondx_score")]
    one, reader = writer(file), MetricReader(file, lambda: now[0])
    held = {}
    tracemalloc.start()
    try:
        for minute in range(301):
            now[0] = START + timedelta(minutes=minute)
            one.record(now[0], gauge({"steady": 1, **{f"{minute}, {k}": k for k in range(20)}}))
            assert len(reader.select(name, ms(now[0]) - 1, ms(now[0]))) == 41 - 20 * (minute == 0)  # 20 marks of an end
            held[minute] = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held[300] < held[100] + (100 << 10)  # 4,000 series came and went; the labels of each take 1 KiB
    found = by_model(reader.select(name, ms(START) - 1, ms(now[0])))
    assert len(found) == 1 + 301 * 20
    assert found["7, 3"] == [(7 * 60, 3), (8 * 60, None)]
    assert len(found["steady"]) == 301
    back = START + timedelta(minutes=301)
    one.record(back, gauge({"7, 3": 4}))
    assert by_model(reader.select(name, ms(back) - 1, ms(back)))["7, 3"] == [(301 * 60, 4)]


def test_series_share_the_labels_that_they_have_in_common(tmp_path: Path) -> None:
    file, now, n_models, n_names = tmp_path / "m.db", START, 100, 20
    one, reader = writer(file), MetricReader(file, lambda: now)
    one.record(now, [each for k in range(n_names) for each in gauge({str(m): 1 for m in range(n_models)}, f"s_{k}")])
    tracemalloc.start()
    try:
        assert len(reader.select([Condition("model", "=", "7")], ms(now) - 1, ms(now))) == n_names
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    found = reader.select([Condition("__name__", "=~", "s_1|s_2")], ms(now) - 1, ms(now))
    assert {labels["model"] for labels in (dict(each.labels) for each in found)} == {str(m) for m in range(n_models)}
    (first, *others) = [{pair for pair in each.labels if pair[0] in {"job", "instance"}} for each in found]
    assert len(found) == 2 * n_models
    assert all({*map(id, each)} == {*map(id, first)} for each in others)
    assert held < 500 * n_models * n_names  # as objects of their own, the labels and the sample of each take 1 KiB
    reader.close()


@pytest.mark.parametrize(("minutes", "n_held"), [(5, 80), (60, 240)])
def test_a_reader_holds_as_much_of_the_hour_as_it_is_asked_for(tmp_path: Path, minutes: int, n_held: int) -> None:
    file, name, n_series = tmp_path / "m.db", [Condition("__name__", "=", "bondx_score")], 200
    one = writer(file)
    for k in range(240):
        one.record(START + k * STEP, gauge({str(model): k for model in range(n_series)}))
    end = START + 239 * STEP
    reader = MetricReader(file, lambda: end)
    tracemalloc.start()
    try:
        for _ in range(2):
            found = reader.select(name, ms(end - timedelta(minutes=minutes)), ms(end))
            assert [len(each.at_ms) for each in found] == [4 * minutes] * n_series
        del found
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < n_series * (1400 + 24 * n_held)  # labels and objects of each, and its samples with half as much free
    reader.close()


def test_a_reader_holds_nothing_of_the_names_that_nobody_asks_for(tmp_path: Path) -> None:
    file, now = tmp_path / "m.db", [START]
    one, reader = writer(file), MetricReader(file, lambda: now[0])
    held = set()
    for scrape in range(200):
        now[0] = START + scrape * STEP
        version = {f"1.{scrape}.0": 1.0}  # each version has series of its own, of each name
        one.record(now[0], [each for k in range(30) for each in gauge(version, f"s_{k}")])
        found = reader.select([Condition("__name__", "=", "s_7")], ms(now[0]) - 300_000, ms(now[0]))
        assert len(found) == min(scrape + 1, 21)  # a version a scrape, and the mark of the end of one before
        held.add(reader.n_held)
    assert max(held) == 9 * 4 + 1  # of one name, for five minutes and up to four more
    reader.close()


def test_a_file_whose_tables_are_not_made_yet_has_no_series(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    file.touch()
    reader = MetricReader(file, lambda: START)
    name = [Condition("__name__", "=", "bondx_score")]
    assert reader.select(name, ms(START) - 1, ms(START)) == []
    writer(file).record(START, gauge({"a": 1}))
    assert by_model(reader.select(name, ms(START) - 1, ms(START))) == {"a": [(0, 1)]}
    reader.close()


def test_a_name_that_is_asked_for_no_longer_is_dropped_after_an_hour(tmp_path: Path) -> None:
    file, now = tmp_path / "m.db", [START]
    one, reader = writer(file), MetricReader(file, lambda: now[0])

    def ask(name: str) -> int:
        one.record(now[0], [*gauge({"a": 1, "b": 2}, "s_1"), *gauge({"a": 1}, "s_2")])
        return len(reader.select([Condition("__name__", "=", name)], ms(now[0]) - 1, ms(now[0])))

    assert ask("s_1") == 2
    now[0] += STEP
    assert ask("s_2") == 1
    assert reader.n_held == 3
    for minute in range(1, 70, 3):
        now[0] = START + timedelta(minutes=minute)
        assert ask("s_2") == 1
    assert reader.n_held == 1
    assert ask("s_1") == 2
    reader.close()


def test_a_reader_that_holds_much_finds_what_a_reader_finds_that_holds_nothing(tmp_path: Path) -> None:
    file, now, draw = tmp_path / "m.db", [START], random.Random(7)
    one, other, reader = writer(file), writer(file, "second"), MetricReader(file, lambda: now[0])
    asked = [
        [Condition("__name__", "=", "s_1")],
        [Condition("__name__", "=", "s_2"), Condition("model", "=~", "1|2|3")],
        [Condition("model", "=", "4")],
        [Condition("__name__", "=~", "s_[12]"), Condition("instance", "!=", "host")],
        [Condition("__name__", "=", "")],
    ]
    for scrape in range(150):
        now[0] = START + scrape * STEP
        for each in (one, other):
            if draw.random() < 0.9:
                models = {str(draw.randrange(6)): draw.random() for _ in range(4)}
                each.record(now[0], [found for k in range(3) for found in gauge(models, f"s_{k}")])
        for matchers in draw.sample(asked, 2) if scrape % 100 > 40 else asked[:2]:
            since = now[0] - draw.choice([timedelta(seconds=20), timedelta(minutes=5), timedelta(minutes=40)])
            long, fresh = reader.select(matchers, ms(since), ms(now[0])), read(file, since, now[0], *matchers)
            assert {each.labels: points(each) for each in long} == {each.labels: points(each) for each in fresh}
    reader.close()


_KILLED = """
import itertools, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from prometheus_client.core import GaugeMetricFamily
from core.telemetry.metrics import MetricWriter
one = MetricWriter(Path(sys.argv[1]), job="bondx-server", instance=sys.argv[2])
for k in itertools.count():
    family = GaugeMetricFamily("bondx_score", "A score.", labels=("model",))
    for model in range(50):
        family.add_metric((str(model),), k)
    one.record(datetime(2026, 3, 2, 10, tzinfo=UTC) + timedelta(seconds=k), [family])
    print(k, flush=True)
"""


def test_two_writers_that_are_killed_lose_no_scrape_that_they_had_stored(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(file), instance],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for instance in ("one", "two")
    ]
    stored = {}
    for instance, process in zip(("one", "two"), started, strict=True):
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 30:
                break
        process.kill()
        stored[instance] = int((process.communicate()[0].split() or [line])[-1])
    found = read(file, START - STEP, START + timedelta(hours=1))
    assert len(found) == 100
    for each in found:
        values = each.values.tolist()
        assert values == [float(k) for k in range(len(values))]  # whole scrapes, none twice
        assert len(values) >= stored[dict(each.labels)["instance"]] + 1


def test_the_mark_of_an_end_is_that_of_prometheus() -> None:
    assert np.array([STALE]).view(np.uint64)[0] == 0x7FF0000000000002
