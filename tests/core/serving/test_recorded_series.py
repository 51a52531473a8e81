"""Servers record what they have counted as series, whatever the number of their processes, and rules look at them."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from core.actor import Actor, Origin
from core.alerts.evaluation.source import RecordedSource
from core.alerts.ready_made import READY_MADE_FILE
from core.alerts.rule_files import load_rule_file
from core.engine import Engine
from core.files import write_file
from core.metrics.catalogue import CATALOGUE, PREDICT_SECONDS
from core.metrics.metric import Group
from core.serving.series import SeriesRecorder
from core.telemetry.metrics import MetricReader
from core.telemetry.metrics.samples import STALE_BITS
from tests.waiting import until

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
COUNT = f"{PREDICT_SECONDS.name}_count"
SETTINGS = (
    b"policy: {promotion: {min_accuracy: 0}}\n"
    b"alerts: {evaluation_interval_seconds: 1, cpu_percent_max: 100, memory_percent_max: 100, disk_percent_max: 100,"
    b" disk_full_days: 0.000001}\n"
)


class Is(NamedTuple):
    """A matcher of one value."""

    name: str
    value: str
    op: str = "="

    def matches(self, value: str) -> bool:
        return value == self.value


@pytest.fixture(scope="module")
def workspace(make_workspace, put_live, artifacts, tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("series") / "workspace")
    write_file(workspace.settings_file, SETTINGS)
    put_live(workspace, "spread", artifacts / "spread")
    return workspace


def recorded(workspace, name, job="bondx-server"):
    with closing(MetricReader(workspace.metrics_file)) as reader:
        return reader.select([Is("__name__", name), Is("job", job)], 0, 2**60)


def recorded_on(workspace, port):
    return [one for one in recorded(workspace, COUNT) if dict(one.labels)["instance"].endswith(f":{port}")]


def newest_of(workspace, port):
    """Return the recorded counts of a server on a port, without the markers of their end."""
    for series in recorded_on(workspace, port):
        return series.values[series.values.view("uint64") != STALE_BITS].tolist()
    return []


def recorders_of(server):
    """Return the workers that hold the lock of the folder of counts open."""
    found = []
    for entry in Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
        try:
            names = [os.readlink(file) for file in Path(f"/proc/{entry}/fd").iterdir()]
        except OSError:
            continue
        if any(name.endswith("/recorder.lock") for name in names):
            found.append(int(entry))
    return found


def ask(server, rows, n):
    """Ask a number of times; return how long the longest answer took, as its caller saw it."""
    longest = 0.0
    for _ in range(n):
        server.connection.close()  # another worker may answer the next one
        begun = time.monotonic()
        assert server.ask("/api/v1/predict/spread", {"rows": rows}).status == 200
        longest = max(longest, time.monotonic() - begun)
    return longest


@pytest.mark.journey
def test_one_of_several_workers_records_the_totals_and_another_goes_on_when_it_is_killed(workspace, running, rows_of):
    rows = rows_of("spread", 2)
    with running(workspace, "--workers", "2") as server:
        ask(server, rows, 20)
        until(lambda: newest_of(workspace, server.port)[-1:] == [20.0], "the total of both workers")
        (recorder,) = until(lambda: len(found := recorders_of(server)) == 1 and found, "one recorder")
        os.kill(recorder, signal.SIGKILL)
        (other,) = until(
            lambda: len(found := set(recorders_of(server)) - {recorder}) == 1 and found, "another recorder"
        )
        assert other != recorder
        ask(server, rows, 5)
        values = until(lambda: (found := newest_of(workspace, server.port))[-1] >= 24.0 and found, "the new total")
        assert values == sorted(values), "a counter never falls, whichever process records it"
        (series,) = recorded_on(workspace, server.port)
        assert (series.at_ms[1:] > series.at_ms[:-1]).all()
        server.connection.close()


@pytest.mark.journey
def test_a_restart_of_the_workers_goes_on_with_the_series_and_the_end_of_the_server_ends_them(
    workspace, running, rows_of
):
    rows = rows_of("spread", 2)
    with running(workspace, "--workers", "1") as server:
        ask(server, rows, 3)
        until(lambda: newest_of(workspace, server.port)[-1:] == [3.0], "the total")
        (before,) = until(lambda: recorders_of(server), "the recorder")
        server.process.send_signal(signal.SIGHUP)
        until(
            lambda: (found := recorders_of(server)) and before not in found,
            "a recorder among the new workers, and the end of the old one, which might record on",
        )
        ask(server, rows, 1)
        until(lambda: newest_of(workspace, server.port)[-1:] == [4.0], "the total of old and new workers")
        (series,) = recorded_on(workspace, server.port)
        assert STALE_BITS not in series.values.view("uint64"), "nothing ended while the workers were replaced"
        server.connection.close()
    (series,) = recorded_on(workspace, server.port)
    assert series.values.view("uint64")[-1] == STALE_BITS


def test_a_server_alone_records_every_metric_that_it_alone_provides(workspace, running, rows_of):
    with running(workspace) as server:
        ask(server, rows_of("spread", 2), 2)
        until(lambda: newest_of(workspace, server.port)[-1:] == [2.0], "the total")
        server.connection.close()
    may_lack_series = {
        "bondx_predict_unfamiliar_values", "bondx_predict_earlier", "bondx_predict_refused",
        "bondx_version_load_failed", "bondx_predictions_stored_rows", "bondx_predictions_stored_bytes",
    }  # fmt: skip
    may_lack_series |= {spec.name for spec in CATALOGUE if spec.name.startswith("bondx_text_")}  # no text was written
    for spec in CATALOGUE:
        is_of_servers = spec.group in (Group.PREDICTIONS, Group.VERSIONS, Group.OUTCOMES, Group.TRACES)
        found = recorded(workspace, spec.stored_names[-1])
        assert not found or is_of_servers, "what the workspace says is recorded by the engine"
        assert found or not is_of_servers or spec.name in may_lack_series, spec.name
    assert recorded(workspace, "process_resident_memory_bytes")


@pytest.mark.journey
def test_no_ready_made_rule_holds_in_a_healthy_workspace_with_an_engine_and_a_server(workspace, running, rows_of):
    engine = Engine(workspace, mode="headless", actor=ANA)
    engine.start()
    try:
        with running(workspace, "--workers", "2") as server, closing(RecordedSource(workspace)) as source:
            longest = ask(server, rows_of("spread", 2), 4)
            until(lambda: newest_of(workspace, server.port)[-1:] == [4.0], "the counts of the server")
            until(lambda: recorded(workspace, "bondx_live_version_age_seconds", "bondx-engine"), "the engine's series")
            until(lambda: recorded(workspace, "bondx_engine_worker_up", "bondx-engine"), "the engine's workers")
            rules = load_rule_file(READY_MADE_FILE).rules

            def holding():
                now_ms = round(time.time() * 1000)
                return {rule.name: values for rule in rules if (values := rule.expression.at(source, now_ms))}

            # The sign of the engine, or the turn of a worker's loop, comes late on a busy machine. Nothing else may.
            late = {"EngineSilent", "ServerNotReady"}
            assert late <= {rule.name for rule in rules}
            until(lambda: not late & holding().keys(), "an instant without a late sign", told=holding)
            found = holding()
            slow = {"LatencyHigh"} if longest > 0.5 else set()
            assert found.keys() - late <= slow, found
            server.connection.close()
    finally:
        engine.stop()


def test_a_failure_of_recording_does_not_end_its_thread(tmp_path, caplog):
    calls = []

    class Failing:
        def record_if_due(self, measure):
            calls.append(measure())
            if len(calls) == 1:
                raise ValueError("x")
            return 0.001

        def end(self, *, ends_series):
            calls.append(ends_series)

    recorder = SeriesRecorder(Failing, list, lock=tmp_path / "lock", look_seconds=0.001)
    recorder.start()
    until(lambda: len(calls) > 3, "further records")
    recorder.stop(ends_series=False)
    assert calls[-1] is False
    assert "could not be recorded" in caplog.text
