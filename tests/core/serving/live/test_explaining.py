"""Servers explain a random sample of what they answer: minute by minute, at a rate, and no row is stored."""

import contextlib
import http.client
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from core.explain.deny_list import DenyList
from core.explain.documents import DENIED
from core.explain.served_sketch import add_sketches, merged_contributions, sketch_from_bytes
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.serving.live import LiveCounter
from core.serving.live.explaining import CLOSE_SECONDS, ServedExplanations
from core.serving.live.sampler import RequestSampler
from core.serving.scoring.warming import warm_scorer
from core.serving.stats import VersionStats
from core.serving.stuck import STORE_SECONDS
from core.settings import settings_in_force
from core.settings.current import CurrentSettings
from core.settings.feature_log import FeatureLogSettings
from core.telemetry.features import logged_features
from core.telemetry.live import CountedMinute, LiveReader, LiveWriter
from core.training.own_data.explanation import ExplainRequest, explain_one, explain_rows, prepared_explainer
from core.training.own_data.served_trend import explain_over
from tests.clocks import HandClock
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PATH = "/api/v1/predict/spread"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def kept(tmp_path_factory, artifacts, bonds, models):
    """The spread model with rows that it kept."""
    folder = shutil.copytree(artifacts / "spread", tmp_path_factory.mktemp("kept") / "spread")
    columns = [field.name for field in models["spread"].row_scorer().fields]
    answer = np.linspace(50.0, 400.0, 60)
    rows = bonds[columns].head(60).reset_index(drop=True)
    (folder / HELD_OUT_NAME).write_bytes(HeldOutRows(rows, answer, answer, (), None, None, "", ()).to_bytes())
    return folder


class Explained:
    """A counter without a thread, whose clock and stopwatch stand still."""

    def __init__(self, workspace, folder, *, settings="", logs=None):
        (workspace.root / "bondx.yaml").write_text(settings)
        self.workspace, self.clock, self.seconds = workspace, HandClock(START), 0.0
        self.current = CurrentSettings(workspace.root, settings_in_force(workspace.root))
        self.live = LiveCounter(workspace, logs=logs, clock=self.clock)
        self.explaining = self.live._explaining = ServedExplanations(
            workspace, self.current, clock=self.clock, stopwatch=lambda: self.seconds, seed=1
        )
        self.stats, self.scorer = VersionStats(), warm_scorer(folder)
        self.tap = self.live.tap("spread", "1.0.0", self.scorer, None, self.stats)

    def answer(self, rows):
        found = self.scorer.signature.convert_columns({name: [row[name] for row in rows] for name in rows[0]})
        self.tap.add("r", found, self.scorer.answer(found).tolist())

    def end_minute(self):
        self.live.count()
        self.clock.pass_by(60)
        self.live.count()
        self.explaining.explain_waiting()
        self.explaining.flush()

    def minutes(self):
        return LiveReader(self.workspace.contributions_file).between("spread", "1.0.0", *EVER)


@pytest.fixture
def explained(workspace, kept, put_live):
    put_live(workspace, "spread", kept)
    opened = []

    def open_with(settings=""):
        opened.append(Explained(workspace, kept, settings=settings))
        return opened[-1]

    yield open_with
    for each in opened:
        each.live.close()


def test_where_all_rows_of_a_minute_are_explained_the_sums_are_those_of_their_contributions(explained, rows_of):
    server, rows = explained(), rows_of("spread", 12)
    server.answer(rows[:5])
    for row in rows[5:]:
        server.answer([row])
    server.end_minute()
    (minute,) = server.minutes()
    sketch = sketch_from_bytes(minute.sketch)
    assert (minute.at, minute.n, minute.n_dropped, sketch.n_explained) == (START, 12, 0, 12)
    prepared = prepared_explainer(server.workspace, ExplainRequest(model="spread"))
    frame = prepared.background.head(0).reindex(range(12))
    for name in rows[0]:
        frame[name] = [row[name] for row in rows]
    wanted = prepared.contributions(frame.astype(prepared.background.dtypes.to_dict())).values
    assert dict(zip(sketch.basis.names, sketch.sizes, strict=True)) == pytest.approx(
        dict(zip(prepared.explainer.players, np.abs(wanted).sum(axis=0), strict=True))
    )
    assert sketch.sums == pytest.approx(tuple(wanted.sum(axis=0)))
    assert max(sketch.variances) == 0.0


def test_a_sample_stands_for_all_rows_of_its_minute_and_its_error_covers_what_it_misses(explained, rows_of):
    rows = rows_of("spread", 200)
    whole, sampled = explained("explanation: {served_rows: 1000}\n"), explained("explanation: {served_rows: 20}\n")
    for server in (whole, sampled):
        for _ in range(8):
            server.answer(rows)
            server.end_minute()
    sketches = [sketch_from_bytes(minute.sketch) for minute in sampled.minutes()]
    truth, found = (add_sketches([each for each in sketches if each.n_explained == n]) for n in (200, 20))
    assert (truth.n, truth.n_explained, found.n, found.n_explained) == (1600, 1600, 1600, 160)
    errors = np.sqrt(found.variances)
    moved = errors > 0
    assert moved.sum() >= 5
    missed = (np.array(found.sizes) - np.array(truth.sizes))[moved] / errors[moved]
    assert np.abs(missed).max() < 5.0  # of about twenty columns
    assert np.sqrt((missed**2).mean()) < 2.5


def test_each_row_of_a_minute_has_the_same_chance_however_the_rows_come(explained, rows_of):
    server = explained("explanation: {served_rows: 30}\n")
    rows = server.scorer.signature.convert_columns(
        {name: [rows_of("spread", 1)[0][name]] * 100 for name in rows_of("spread", 1)[0]}
    )
    rows.numbers[:, 0] = np.arange(100)
    counts = np.zeros(100)
    for _ in range(60):
        for part in (slice(0, 70), slice(70, 71), slice(71, 100)):
            server.tap.add("r", type(rows)(rows.numbers[part], rows.texts[part]), [0.0] * len(rows.texts[part]))
            server.live._count_tap(server.tap, START.timestamp())
        sample = server.explaining._samples[server.tap].pop(int(START.timestamp()))
        assert (len(sample.rows), sample.n, sample.n_requests) == (30, 100, 3)
        counts += np.bincount([int(each.numbers[0]) for each in sample.rows], minlength=100)
        assert {each.request for each in sample.rows} <= {0, 1, 2}
        assert all((each.request == 0) == (each.numbers[0] < 70) for each in sample.rows)
    assert counts.sum() == 1800
    # 18 of 60 in expectation; the standard deviation is 3.55, and of a mean of 70 it is 0.42
    assert abs(counts[:70].mean() - 18) < 2
    assert abs(counts[71:].mean() - 18) < 3
    assert counts.max() < 40


@pytest.mark.truth
@pytest.mark.parametrize(
    ("rates", "n_rows", "rate"),
    [
        pytest.param([100] * 60, 1, 20, id="a burst, in which the share falls"),
        pytest.param([5] * 30 + [200] * 30, 1, 20, id="a burst in the middle of the minute"),
        pytest.param([20] * 60, 8, 20, id="a burst of requests of several rows"),
        pytest.param([20] * 60 + [1] * 60, 1, 1_000, id="the minute after a burst, in which the share rises"),
    ],
)
def test_each_row_has_the_same_chance_while_the_share_of_counted_requests_changes(
    rates, n_rows, rate, explained, rows_of, truth
):
    server = explained(f"explanation: {{served_rows: {rate}}}\n")
    (row,) = rows_of("spread", 1)
    one = server.scorer.signature.convert_columns({name: [cell] for name, cell in row.items()})
    draw = random.Random(5).random
    answered = n_rows * np.array(rates[-60:]).reshape(4, 15).sum(axis=1)  # by quarter of the last minute
    kept = np.zeros(4)
    for _ in range(60 * truth.scale):
        server.tap._sampler = RequestSampler(10.0, 5.0, draw=draw)
        server.live.count()
        for at, n_requests in enumerate(rates):
            numbers = one.numbers.repeat(n_rows, axis=0)
            numbers[:, 0] = at - (len(rates) - 60)
            rows = type(one)(numbers, list(one.texts) * n_rows)
            for _ in range(n_requests):
                server.tap.add("r", rows, [0.0] * n_rows)
            server.clock.pass_by(1)
            server.live.count()
        jobs = server.explaining._jobs
        *_, job = [jobs.get() for _ in range(jobs.qsize())]
        assert job.sample.n + job.sample.n_left_out == answered.sum()
        kept += np.bincount([int(each.numbers[0]) // 15 for each in job.sample.rows], minlength=4)
        server.clock.pass_by(3600)
    n, expected = kept.sum(), answered / answered.sum()
    assert n > 600 * truth.scale
    assert np.abs(kept / n - expected).max() < 4 * np.sqrt(n_rows * 0.25 * 0.75 / n)


def test_denied_columns_are_one_sum_also_if_they_are_denied_while_the_server_runs(explained, rows_of):
    server, rows = explained("explanation: {denied_columns: ['rating*']}\n"), rows_of("spread", 10)
    server.answer(rows)
    server.end_minute()
    names = sketch_from_bytes(server.minutes()[0].sketch).basis.names
    assert names[-1] == DENIED
    assert not any(name.startswith("rating") for name in names)
    visible = names[0]
    (server.workspace.root / "bondx.yaml").write_text(f"explanation: {{denied_columns: ['rating*', '{visible}']}}\n")
    server.answer(rows)
    server.end_minute()
    assert visible not in sketch_from_bytes(server.minutes()[1].sketch).basis.names
    found = explain_over(server.workspace, "spread", timedelta(hours=1), clock=server.clock)
    assert len(found.trends) == 2  # two ways in which answers were explained, which do not add up
    assert not any(DenyList(["rating*", visible]).denies(entry.feature) for t in found.trends for entry in t.features)
    assert "Left out, because denied later: 1" in " ".join(found.trends[0].notes)


def test_no_row_is_stored(explained, rows_of):
    server, rows = explained(), rows_of("spread", 10)
    server.answer(rows)
    server.end_minute()
    server.live.close()
    sketch = sketch_from_bytes(server.minutes()[0].sketch)
    values = {row[name] for row in rows for name in row} - {None, 0, 1}
    kept = {*sketch.sizes, *sketch.sums, *sketch.variances, *sketch.basis.names}
    assert not values & kept
    assert set(type(sketch).__struct_fields__) == {
        "basis", "n", "n_explained", "sizes", "sums", "variances", "format"
    }  # fmt: skip


def test_rows_that_nothing_stands_for_are_counted_and_said(explained, rows_of):
    server, rows = explained(), rows_of("spread", 6)
    server.answer(rows)
    server.end_minute()
    server.tap.dropped.add(7)
    server.answer(rows)
    server.end_minute()
    assert [(minute.n, minute.n_dropped) for minute in server.minutes()] == [(6, 0), (6, 7)]
    assert (server.stats.n_explained, server.stats.n_unexplained) == (12, 7)
    with LiveWriter(server.workspace.contributions_file, merged_contributions, clock=server.clock) as writer:
        for version in ("1.10.0", "1.9.0"):
            writer.add(CountedMinute("spread", version, "", int(START.timestamp()), 0, 3, b""))
    found = explain_over(server.workspace, "spread", timedelta(hours=1), clock=server.clock)
    lacking = [(each.version, each.n_rows) for each in found.not_explained]
    assert lacking == [("1.0.0", 7), ("1.9.0", 3), ("1.10.0", 3)]


def test_where_whole_requests_are_left_out_those_chosen_stand_for_them_and_their_rows_count_as_one(explained, rows_of):
    server, rows = explained(), rows_of("spread", 12)
    server.tap._sampler = SimpleNamespace(share=0.12, chooses=lambda _: True, follow=lambda _: None)
    for at in range(0, 12, 4):
        server.answer(rows[at : at + 4])
    server.tap.left_out.add(88)
    server.end_minute()
    server.answer(rows)
    server.tap.left_out.add(5)
    server.end_minute()
    first, second = server.minutes()
    sketch = sketch_from_bytes(first.sketch)
    assert (first.n, sketch.n, sketch.n_explained) == (100, 100, 12)
    assert max(sketch.variances) > 0.0
    assert (second.n, second.n_dropped, second.sketch) == (0, 17, b"")  # one request does not stand for others


def test_explaining_rests_so_that_it_takes_a_hundredth_of_the_time(explained, rows_of, monkeypatch):
    server, rows = explained(), rows_of("spread", 4)
    sketch_of = server.explaining._sketch

    def slow(*asked):
        server.seconds += 3.0
        return sketch_of(*asked)

    monkeypatch.setattr(server.explaining, "_sketch", slow)
    for _ in range(11):
        server.answer(rows)
        server.end_minute()
        server.seconds += 57.0 if server.minutes()[-1].sketch else 60.0
    explained_minutes = [bool(minute.sketch) for minute in server.minutes()]
    assert explained_minutes == [True, False, False, False, False, True, False, False, False, False, True]
    assert server.stats.n_unexplained == 8 * 4


def test_a_version_that_cannot_be_explained_is_named_once_and_its_rows_are_counted(
    explained, rows_of, caplog, put_live
):
    server = explained()
    server.tap = server.live.tap("elsewhere", "1.0.0", server.scorer, None, server.stats)
    for _ in range(2):
        server.answer(rows_of("spread", 3))
        server.end_minute()
    minutes = LiveReader(server.workspace.contributions_file).between("elsewhere", "1.0.0", *EVER)
    assert [(minute.n, minute.n_dropped, minute.sketch) for minute in minutes] == [(0, 3, b""), (0, 3, b"")]
    assert caplog.text.count("elsewhere 1.0.0: its answers are not explained") == 1


def test_a_version_that_is_loaded_again_is_named_again_if_it_cannot_be_explained(explained, rows_of, caplog):
    server = explained()
    for _ in range(2):
        server.tap = server.live.tap("elsewhere", "1.0.0", server.scorer, None, server.stats)
        server.answer(rows_of("spread", 3))
        server.end_minute()
        server.live.keep([])
        server.clock.pass_by(300)
        server.live.count()
    assert caplog.text.count("elsewhere 1.0.0: its answers are not explained") == 2


def test_a_server_that_stops_stores_its_sampled_rows_before_it_explains_the_last_ones(
    workspace, kept, put_live, rows_of, monkeypatch
):
    put_live(workspace, "spread", kept)
    server = Explained(workspace, kept, logs=FeatureLogSettings(share=1.0))
    server.answer(rows_of("spread", 3))
    stored, close = [], server.explaining.close

    def explained_last():
        stored.append(len(logged_features(workspace.features_file, "spread")))
        close()

    monkeypatch.setattr(server.explaining, "close", explained_last)
    server.live.close()
    assert stored == [3]


def test_explaining_may_take_less_time_than_a_server_that_stops_has():
    assert CLOSE_SECONDS < STORE_SECONDS


def test_a_server_that_stops_explains_the_minute_under_way_if_the_version_is_loaded(explained, rows_of):
    early, rows = explained(), rows_of("spread", 3)
    early.answer(rows)
    early.live.close()
    assert [(minute.n, minute.n_dropped) for minute in early.minutes()] == [(0, 3)]
    server = explained()
    server.answer(rows)
    server.end_minute()
    server.answer(rows[:2])
    server.live.close()
    assert [(minute.n, minute.n_dropped) for minute in server.minutes()][1:] == [(3, 0), (2, 0)]


@pytest.mark.parametrize("name", ["spread_other", "downgrade", "liquidity_shock", "anomaly"])
def test_every_kind_of_model_is_explained_by_the_rows_of_its_requests(
    name, workspace, artifacts, put_live, rows_of, bonds, models, tmp_path
):
    folder = shutil.copytree(artifacts / name, tmp_path / name)
    columns = [field.name for field in warm_scorer(folder).signature.fields]
    answer = np.linspace(0.1, 0.9, 60)
    rows = bonds[columns].head(60).reset_index(drop=True)
    (folder / HELD_OUT_NAME).write_bytes(HeldOutRows(rows, answer, answer, (), None, None, "", ()).to_bytes())
    put_live(workspace, "spread", folder)
    server = Explained(workspace, folder)
    server.answer(rows_of(name, 8))
    server.end_minute()
    server.live.close()
    (minute,) = server.minutes()
    sketch = sketch_from_bytes(minute.sketch)
    assert (sketch.n, sketch.n_explained) == (8, 8)
    assert max(sketch.sizes) > 0.0


def test_given_rows_with_times_are_compared_with_kept_rows_that_hold_plain_days(
    workspace, artifacts, put_live, rows_of, bonds, tmp_path
):
    folder = shutil.copytree(artifacts / "anomaly", tmp_path / "anomaly")
    columns = [field.name for field in warm_scorer(folder).signature.fields]
    rows, answer = bonds[columns].head(60).reset_index(drop=True), np.linspace(0.1, 0.9, 60)
    (folder / HELD_OUT_NAME).write_bytes(HeldOutRows(rows, answer, answer, (), None, None, "", ()).to_bytes())
    put_live(workspace, "spread", folder)
    given = rows_of("anomaly", 12)
    question = ExplainRequest(model="spread", row=given[0])
    for asked in (question, replace(question, reference_row=3), replace(question, row=3)):
        report = explain_one(workspace, asked).report
        total = report.base + sum(each.contribution for each in report.contributions)
        assert total == pytest.approx(report.margin, abs=1e-6)
    found = explain_rows(workspace, ExplainRequest(model="spread", n_rows=10), given)
    assert found.report.features


QUICK_SERVER = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from core.serving import Server
from core.state import Workspace

begun = time.monotonic()
quick = lambda: datetime(2026, 3, 2, 9, tzinfo=UTC) + 100 * timedelta(seconds=time.monotonic() - begun)
server = Server(Workspace.open(Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]), clock=quick)
server.start()
time.sleep(3600)
"""
"""A server on whose clock a minute takes less than a second."""


def test_a_real_server_stores_what_the_trend_of_its_model_is_read_from(workspace, kept, put_live, rows_of):
    put_live(workspace, "spread", kept)
    rows, port = rows_of("spread", 30), free_port()
    reader = LiveReader(workspace.contributions_file)
    process = subprocess.Popen([sys.executable, "-c", QUICK_SERVER, str(workspace.root), str(port)])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)

        def is_answered():
            assert process.poll() is None, "the server has ended; its error is above"
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("POST", PATH, json.dumps({"rows": rows}))
                return connection.getresponse().status == 200

        until(is_answered, "the server")
        until(lambda: any(each.sketch for each in reader.between("spread", "1.0.0", *EVER)), "the end of the minute")
    finally:
        process.kill()
        process.wait()
    (minute,) = [each for each in reader.between("spread", "1.0.0", *EVER) if each.sketch]
    later = minute.at + timedelta(minutes=1)
    found = explain_over(workspace, "spread", timedelta(minutes=5), clock=lambda: later)
    (trend,) = found.trends
    assert (trend.version, trend.n_rows, trend.n_explained) == ("1.0.0", 30, 20)
    assert trend.features[0].importance > 0.0
    assert trend.features[0].error > 0.0
    assert sum(entry.share for entry in trend.features) == pytest.approx(1.0)
    assert "Too few buckets" in " ".join(trend.notes)
