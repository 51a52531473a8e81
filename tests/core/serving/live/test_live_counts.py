"""Servers count the rows that they answer: over every path, in every process, and minute by minute in the store."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from core.domains.catalogue import load_model
from core.models.outcomes import outcomes_of
from core.monitoring import profiling
from core.monitoring.data_profile import PROFILE_NAME, DataProfile
from core.monitoring.live import PREDICTION, ProfileIndex, from_bytes
from core.serving.live import LiveCounter
from core.serving.live import tap as tap_module
from core.serving.live.sampler import RequestSampler
from core.serving.scoring.warming import warm_scorer
from core.serving.stats import VersionStats
from core.settings.feature_log import FeatureLogSettings
from core.telemetry.features import logged_features
from core.telemetry.live import LiveReader
from tests.clocks import HandClock
from tests.processes import free_port
from tests.waiting import PATIENCE_SECONDS, until

PATH = "/api/v1/predict/spread"
DATATYPES = {str: "BYTES", bool: "BOOL"}
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


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


@pytest.fixture(scope="session")
def profiled(tmp_path_factory, artifacts, bonds):
    """The spread model with a profile of the bonds."""
    folder = tmp_path_factory.mktemp("profiled") / "spread"
    shutil.copytree(artifacts / "spread", folder)
    model = load_model(folder)
    names = [field.name for field in warm_scorer(folder).signature.fields]
    columns = profiling.profile_columns(bonds, profiling.kinds_of(bonds[names]))
    profile = profiling.profile_of(
        columns, features=tuple(names), target=None, group=None, held_out=outcomes_of(model, bonds)
    )
    (folder / PROFILE_NAME).write_bytes(profile.to_bytes())
    return folder


@pytest.fixture
def index(profiled):
    return ProfileIndex(DataProfile.from_bytes((profiled / PROFILE_NAME).read_bytes(), "spread"))


def stored(workspace, index, version="1.0.0"):
    """The sum of all stored minutes, and how many rows they say they stand for."""
    minutes = LiveReader(workspace.live_file).between("spread", version, *EVER)
    total = None
    for each in minutes:
        sketch = from_bytes(index, each.sketch)
        assert sketch.n == each.n
        total = sketch if total is None else total.merge(sketch)
    return total, sum(each.n + each.n_dropped for each in minutes)


def metric(server, name):
    server.connection.close()
    lines = server.ask("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{"))


@pytest.mark.journey
def test_every_path_of_every_process_is_counted(workspace, profiled, put_live, running, rows_of, index):
    put_live(workspace, "spread", profiled)
    rows = rows_of("spread", 200)
    with running(workspace, "--workers", "2") as server:
        for row in rows[:40]:
            assert server.ask(PATH, {"rows": [row]}).status == 200
            server.connection.close()  # the next worker that is free answers
        assert server.ask(PATH, {"rows": rows}).status == 200  # a batch, in a thread
        columns = {name: [row[name] for row in rows[:5]] for name in rows[0]}
        inputs = [
            {"name": name, "shape": [5], "datatype": DATATYPES.get(type(cells[0]), "FP64"), "data": cells}
            for name, cells in columns.items()
        ]
        assert server.ask("/v2/models/spread/infer", {"inputs": inputs}).status == 200
        until(lambda: metric(server, "bondx_live_rows_total") == 245, "the counts")
        assert metric(server, "bondx_live_dropped_rows_total") == 0
    total, n = stored(workspace, index)
    assert n == total.n == 245
    number = index.profile.features[0].name
    sent = [*rows[:40], *rows, *rows[:5]]
    if isinstance(sent[0][number], str):
        found = dict(zip(index.columns[number].names, total.features[number].levels.tolist(), strict=True))
        wanted = {name: sum(row[number] == name for row in sent) for name in found}
        assert found == wanted
    assert all(counts.rows == 245 for counts in total.features.values())
    assert total.answers[PREDICTION].n == 245
    assert sum(counts.rows for name, counts in total.slices.items() if name.startswith("rating=")) <= 245


@pytest.mark.journey
def test_whole_minutes_are_in_the_store_when_a_server_is_killed(workspace, profiled, put_live, running, rows_of, index):
    put_live(workspace, "spread", profiled)
    (row,) = rows_of("spread", 1)
    reader, port = LiveReader(workspace.live_file), free_port()
    with subprocess.Popen([sys.executable, "-c", QUICK_SERVER, str(workspace.root), str(port)]) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)

        def is_answered():
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.request("POST", PATH, json.dumps({"rows": [row] * 30}))
                return connection.getresponse().status == 200

        until(is_answered, "the server")
        until(lambda: reader.between("spread", "1.0.0", *EVER), "the end of the minute")
        process.kill()
    total, n = stored(workspace, index)
    assert n == total.n == 30
    with running(workspace) as server:  # the next server continues in the same store
        server.ask(PATH, {"rows": [row] * 7})
    assert stored(workspace, index)[1] == 37


class Counted:
    """A counter without a thread, on a clock of its own."""

    def __init__(self, workspace, folder, clock, *, logs=None):
        self.clock = clock
        self.live = LiveCounter(workspace, clock=clock, logs=logs)
        self.stats = VersionStats()
        self.scorer = warm_scorer(folder)
        file = folder / PROFILE_NAME
        self.profile = DataProfile.from_bytes(file.read_bytes(), "spread") if file.exists() else None
        self.tap = self.live.tap("spread", "1.0.0", self.scorer, self.profile, self.stats)

    def answer(self, rows):
        found = self.scorer.signature.convert_columns({name: [row[name] for row in rows] for name in rows[0]})
        self.tap.add("r", found, self.scorer.answer(found).tolist())


@pytest.fixture
def counted(workspace, profiled):
    found = Counted(workspace, profiled, HandClock(START))
    yield found
    found.live.close()


def test_each_minute_is_stored_once_it_is_over(workspace, counted, rows_of):
    reader = LiveReader(workspace.live_file)
    counted.answer(rows_of("spread", 3))
    counted.clock.pass_by(59)
    counted.answer(rows_of("spread", 2))
    counted.live.count()
    counted.live._writer.flush()
    assert reader.between("spread", "1.0.0", *EVER) == []
    counted.clock.pass_by(1)
    counted.answer(rows_of("spread", 4))
    counted.live.count()
    counted.live._writer.flush()
    assert [(each.at, each.n) for each in reader.between("spread", "1.0.0", *EVER)] == [(START, 5)]
    counted.live.close()
    minutes = reader.between("spread", "1.0.0", *EVER)
    assert [(each.at, each.n) for each in minutes] == [(START, 5), (START + timedelta(minutes=1), 4)]


def test_the_same_requests_give_the_same_bytes_whenever_they_are_counted(tmp_path, make_workspace, profiled, rows_of):
    rows, found = rows_of("spread", 60), []
    for number, counts_after in enumerate((1, 7, 60)):
        workspace = make_workspace(tmp_path / str(number))
        counted = Counted(workspace, profiled, HandClock(START))
        for position, row in enumerate(rows, start=1):
            counted.answer([row])
            if position % counts_after == 0:
                counted.live.count()
        counted.live.close()
        found += [each.sketch for each in LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)]
    assert len(found) == 3
    assert len(set(found)) == 1


def test_rows_beyond_the_buffer_are_dropped_and_counted(workspace, counted, rows_of, monkeypatch, caplog):
    n_fields = len(counted.scorer.signature.fields)
    monkeypatch.setattr(tap_module, "MOST_CELLS", n_fields * 10)
    counted.tap = counted.live.tap("spread", "1.0.0", counted.scorer, counted.profile, counted.stats)
    for _ in range(4):
        counted.answer(rows_of("spread", 4))
    counted.live.count()
    assert (counted.stats.n_live, counted.stats.n_live_dropped) == (8, 8)
    counted.answer(rows_of("spread", 50))  # a batch that is larger than the buffer finds it empty
    counted.live.count()
    assert (counted.stats.n_live, counted.stats.n_live_dropped) == (58, 8)
    counted.live.close()
    (minute,) = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert (minute.n, minute.n_dropped) == (58, 8)
    assert caplog.text.count("more rows are answered than can be counted") == 1


def test_many_rows_wake_the_counting_thread_and_are_counted_in_portions(counted, rows_of, monkeypatch):
    monkeypatch.setattr(tap_module, "COUNTED_TOGETHER", 5)
    counted.tap = counted.live.tap("spread", "1.0.0", counted.scorer, counted.profile, counted.stats)
    counted.answer(rows_of("spread", 4))
    assert not counted.live._wake.is_set()
    counted.answer(rows_of("spread", 3))
    assert counted.live._wake.is_set()
    counted.answer(rows_of("spread", 2))
    assert [[len(each.values) for each in taken] for taken in iter(counted.tap.take, [])] == [[4, 3], [2]]


def test_a_version_that_lost_rows_is_forgotten_with_its_tap(workspace, counted, rows_of, monkeypatch):
    monkeypatch.setattr(tap_module, "MOST_CELLS", 1)
    counted.tap = counted.live.tap("spread", "1.0.0", counted.scorer, counted.profile, counted.stats)
    for _ in range(2):
        counted.answer(rows_of("spread", 4))
    counted.live.count()
    assert len(counted.live._told) == 1
    counted.live.keep([])
    counted.clock.pass_by(300)
    counted.live.count()
    assert counted.live._told == set()
    counted.live.close()


def test_answers_of_another_shape_are_dropped_and_counted(workspace, counted, rows_of):
    rows = counted.scorer.signature.convert_columns(
        {name: [row[name] for row in rows_of("spread", 2)] for name in rows_of("spread", 1)[0]}
    )
    counted.tap.add("r", rows, [1.0, [0.5, 0.5]])
    counted.answer(rows_of("spread", 3))
    counted.live.count()
    assert counted.stats.n_live + counted.stats.n_live_dropped == 5
    counted.live.close()
    (minute,) = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert minute.n + minute.n_dropped == 5


def test_a_version_without_a_profile_is_numbered_and_named_once(workspace, artifacts, rows_of, caplog):
    caplog.set_level("INFO")
    counted = Counted(workspace, artifacts / "spread", HandClock(START))
    for _ in range(2):
        counted.answer(rows_of("spread", 3))
        counted.live.count()
    counted.live.close()
    (minute,) = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert (minute.n, minute.profile, minute.sketch) == (6, "", b"")
    assert (counted.stats.n_live, counted.stats.n_live_unprofiled) == (0, 6)
    assert caplog.text.count("its rows are only numbered") == 1


def test_the_rows_of_an_unloaded_version_are_counted_to_the_end(workspace, counted, rows_of):
    counted.live.keep([])
    counted.answer(rows_of("spread", 3))  # a slow batch that was under way
    counted.live.count()
    counted.clock.pass_by(300)
    counted.live.count()
    assert counted.live._taps == []
    counted.live.close()
    (minute,) = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert minute.n == 3


def test_an_unusable_store_stops_nothing(workspace, profiled):
    workspace.live_file.write_bytes(os.urandom(8_192))
    counted = Counted(workspace, profiled, HandClock(START))
    counted.live.start()
    assert counted.tap is None
    assert "doctor --restore live.db" in counted.live.health().failure
    counted.live.close()


def test_counting_can_be_turned_off(workspace, profiled):
    live = LiveCounter(workspace, is_on=False)
    live.start()
    assert live.tap("spread", "1.0.0", warm_scorer(profiled), None, VersionStats()) is None
    live.close()
    assert not workspace.live_file.exists()


def test_above_a_rate_a_share_of_the_requests_stands_for_all_and_each_part_says_so(workspace, counted, rows_of):
    counted.tap._sampler = RequestSampler(0.2, draw=lambda: 0.8)  # of 24 rows in the last minute, 12 are chosen
    rows = rows_of("spread", 12)
    for _ in range(2):
        counted.answer(rows)
    counted.live.count()
    for _ in range(6):  # two are passed over, one is chosen
        counted.answer(rows)
    counted.live.count()
    assert (counted.stats.n_live, counted.stats.n_live_left_out, counted.stats.n_live_dropped) == (48, 48, 0)
    counted.live.close()
    # What was counted before the rate was known stands for itself alone, and the rest for two rows and more each.
    minutes = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert {(each.at, each.n, each.n_dropped) for each in minutes} == {(START, 24, 0), (START, 24, 48)}


def test_rows_that_are_left_out_belong_to_the_minute_in_which_they_were_answered(workspace, counted, rows_of):
    counted.answer(rows_of("spread", 3))
    counted.live.count()
    counted.tap.left_out.add(40)
    counted.tap.dropped.add(2)
    counted.clock.pass_by(60)
    counted.live.count()
    counted.live.close()
    (minute,) = LiveReader(workspace.live_file).between("spread", "1.0.0", *EVER)
    assert (minute.at, minute.n, minute.n_dropped) == (START, 3, 42)


def test_the_log_of_features_samples_from_the_rows_that_are_not_counted_too(workspace, profiled, rows_of):
    counted = Counted(workspace, profiled, HandClock(START), logs=FeatureLogSettings(share=1.0))
    counted.tap._sampler = RequestSampler(0.01, draw=lambda: 0.99)
    for _ in range(3):
        counted.answer(rows_of("spread", 4))
        counted.live.count()
    assert (counted.stats.n_live, counted.stats.n_live_left_out) == (4, 8)
    counted.live.close()
    assert len(logged_features(workspace.features_file, "spread")) == 12
