"""Several server processes on one port: one voice in /metrics, and a restart that no caller notices."""

import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from itertools import count
from pathlib import Path

import msgspec
import pytest

from console.cli.main import main
from core.files import DiskFullError
from core.metrics.limits import MOST_UNLOADED
from core.serving.connection import _DRAIN_SECONDS
from core.serving.counts import Counts, LoadedFacts, SharedCounts, TableFacts, total
from core.serving.stats import ServerStats
from core.telemetry.predictions import PredictionHealth
from tests.disks import filled, mounted
from tests.waiting import PATIENCE_SECONDS, until

HEALTH = PredictionHealth(1, 2, 3, None, 4, 5, 6)
PATH = "/api/v1/predict/spread"


def answered(server):
    """How many rows all processes have answered, by the metrics of any one of them."""
    server.connection.close()  # the next worker that is free answers
    lines = server.ask("/metrics").body.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("bondx_predict_rows_total{"))


def metrics_of(server):
    """The value of each series, of the metrics of any process."""
    server.connection.close()
    lines = server.ask("/metrics").body.decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def memory_of(process_id):
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * resource.getpagesize()


def facts_of(process_id):
    """State, parent and more of a process, from behind its name."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()


def workers_of(process):
    """The processes below a supervisor."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and facts_of(entry)[1] == str(process.pid):
                found.append(int(entry))
        except OSError:
            continue
    return sorted(found)


class Hammer:
    """Callers without a pause: some keep their connection, some open one for each request."""

    def __init__(self, port, row, *, keeps):
        self._port, self._row, self._keeps = port, row, keeps
        self.n_answered = 0
        self.problems = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join()

    def _run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_SECONDS)
        asked_at = time.monotonic()
        while not self._stopping.is_set():
            is_kept = connection.sock is not None
            rests_since, asked_at = asked_at, time.monotonic()  # its answer ended later: it rested for less
            try:
                try:
                    connection.request("POST", PATH, self._row, {"content-type": "application/json"})
                finally:
                    rested = time.monotonic() - rests_since  # the worker has all of the request by now
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200:
                    self.problems.append(content)
                self.n_answered += 1
            except (OSError, http.client.HTTPException) as error:
                # A worker that ends hangs up on who says nothing for long, as a thread does that gets no turn. Its loop
                # counts in whole milliseconds.
                if not (self._keeps and is_kept and rested >= 0.95 * _DRAIN_SECONDS):
                    self.problems.append(f"{error!r} after {rested:.3f} s")
                connection.close()
            if not self._keeps:
                connection.close()
        connection.close()


@pytest.fixture(scope="module")
def workspace(make_workspace, put_live, artifacts, tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("workers") / "workspace")
    put_live(workspace, "spread", artifacts / "spread")
    return workspace


@pytest.mark.journey
def test_a_restart_loses_no_request_and_the_counters_go_on(workspace, running, rows_of):
    row = json.dumps({"row": rows_of("spread", 1)[0]}).encode()
    with running(workspace, "--workers", "2") as server:
        until(lambda: len(workers_of(server.process)) == 2, "two workers")
        before = workers_of(server.process)
        hammers = [Hammer(server.port, row, keeps=keeps) for keeps in (True, False)]
        until(lambda: all(hammer.n_answered > 20 for hammer in hammers), "answers")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: not set(workers_of(server.process)) & set(before), "new workers alone")
        n_at_change = sum(hammer.n_answered for hammer in hammers)
        until(lambda: sum(hammer.n_answered for hammer in hammers) > n_at_change + 20, "answers of the new workers")
        for hammer in hammers:
            hammer.stop()
        assert [hammer.problems for hammer in hammers] == [[], []]
        n_answered = sum(hammer.n_answered for hammer in hammers)
        seen = [answered(server) for _ in range(4)]
        until(lambda: answered(server) == n_answered, "the sum over all workers, old and new")
        assert seen == sorted(seen)
        killed = workers_of(server.process)[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(set(workers_of(server.process)) - {killed}) == 2, "a successor of a killed worker")
        assert answered(server) >= n_answered - 1
        server.connection.close()


@pytest.mark.journey
def test_every_figure_is_that_of_all_workers(workspace, running):
    memory = 'bondx_version_memory_bytes{model="spread",version="1.0.0"}'
    with running(workspace, "--workers", "1") as server:
        alone = metrics_of(server)
    with running(workspace, "--workers", "2") as server:
        until(lambda: metrics_of(server)[memory] > 1.5 * alone[memory], "the memory of both workers")
        until(  # the figures of the other worker are those of its last look
            lambda: (
                metrics_of(server)["process_resident_memory_bytes"]
                > 0.9 * sum(map(memory_of, workers_of(server.process)))
            ),
            "the resident memory of both workers",
        )
        found = metrics_of(server)
        assert {name.partition("{")[0] for name in alone} == {name.partition("{")[0] for name in found}
        processes = workers_of(server.process)
        assert found["process_max_fds"] == 2 * alone["process_max_fds"]
        assert found["bondx_ready"] == found['bondx_model_ready{model="spread"}'] == 1.0
        os.kill(processes[0], signal.SIGKILL)
        started = "process_start_time_seconds"
        until(lambda: metrics_of(server)[started] > found[started], "a start that says that a worker was replaced")
        assert metrics_of(server)["process_cpu_seconds_total"] >= found["process_cpu_seconds_total"]
        if shutil.which("promtool"):
            text = server.ask("/metrics").body
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
        server.connection.close()


@pytest.mark.journey
def test_a_full_temporary_folder_ends_no_worker_and_no_server(workspace, running, rows_of, tmp_path, monkeypatch):
    row = {"row": rows_of("spread", 1)[0]}
    with mounted(tmp_path / "disk", "4m") as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        with running(workspace, "--workers", "2") as server:
            until(lambda: len(workers_of(server.process)) == 2, "two workers")
            before = workers_of(server.process)
            with filled(disk):
                os.kill(before[0], signal.SIGKILL)
                until(lambda: len(set(workers_of(server.process)) - {before[0]}) == 2, "a successor of a killed worker")
                server.connection.close()
                assert server.ask(PATH, row).status == 200
                until(
                    lambda: "counters of this worker cannot be written" in log_of(workspace), "a look at the counters"
                )
                assert before[1] in workers_of(server.process)
            server.connection.close()


def log_of(workspace):
    return (workspace.logs_dir / "serve.err").read_text()


def test_workers_end_with_their_supervisor(workspace, running):
    with running(workspace, "--workers", "1") as server:
        until(lambda: len(workers_of(server.process)) == 1, "a worker")
        (worker,) = workers_of(server.process)
        server.process.kill()
        server.process.wait()
        until(lambda: not os.path.exists(f"/proc/{worker}") or is_dead(worker), "the end of its worker")
        until(lambda: is_free(server.port), "a free port")


def is_dead(process_id):
    try:
        return facts_of(process_id)[0] == "Z"
    except OSError:
        return True


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class TestTheSum:
    def counts(self, n, health=HEALTH):
        stats = ServerStats()
        for _ in range(n):
            stats.of("spread", "1.0.0").answered(0.002, 3)
        stats.of("spread", "1.0.0").unfamiliar["age"] += n
        stats.refused["rows", 400] += n
        return Counts.of(stats, health)

    def test_adds_every_counter(self):
        found = total([self.counts(2), self.counts(3)])
        ((model, version, stats),) = found.versions
        assert (model, version, stats.n_requests, stats.n_rows, sum(stats.buckets)) == ("spread", "1.0.0", 5, 15, 5)
        assert (stats.unfamiliar["age"], found.refused) == (5, [("rows", 400, 5)])
        assert found.health == PredictionHealth(2, 4, 6, None, 8, 10, 12)

    def test_of_a_process_that_has_ended_stays_but_nothing_of_it_waits(self, tmp_path):
        numbers = count(1)
        first, second = (SharedCounts(tmp_path, f"worker-{next(numbers)}") for _ in range(2))
        first.write(self.counts(2, PredictionHealth(7, 1, 0, "full", 0, 0, 0)))
        assert second.total(self.counts(1)).health.failure == "full"
        first.settle()
        found = second.total(self.counts(1))
        assert found.versions[0][2].n_requests == 3
        assert (found.health.n_waiting, found.health.failure) == (1, None)

    def state(self, *, is_ready, n_bytes, memory):
        counts = self.counts(1)
        counts.process = {"process_resident_memory_bytes": memory, "process_cpu_seconds_total": 2.0}
        counts.process["process_start_time_seconds"] = n_bytes
        loaded = LoadedFacts("spread", "1.0.0", "Production", 1.0 / n_bytes, n_bytes, n_bytes)
        counts.table = TableFacts(is_ready, {"spread": is_ready}, [loaded], [] if is_ready else [("spread", "1.1.0")])
        return counts

    def test_joins_the_state_of_all_that_have_loaded(self, tmp_path):
        loading = self.counts(1)
        found = total(
            [
                self.state(is_ready=True, n_bytes=4.0, memory=5.0),
                loading,
                self.state(is_ready=False, n_bytes=9.0, memory=7.0),
            ]
        )
        assert found.table == TableFacts(
            False,
            {"spread": False},
            [LoadedFacts("spread", "1.0.0", "Production", 0.25, 9.0, 13.0)],
            [("spread", "1.1.0")],
        )
        assert found.process == {
            "process_resident_memory_bytes": 12.0,
            "process_cpu_seconds_total": 4.0,
            "process_start_time_seconds": 9.0,
        }
        assert total([loading]).table is None

    def test_keeps_the_counters_of_an_ended_process_alone(self, tmp_path):
        first = SharedCounts(tmp_path, "worker-1")
        first.write(self.state(is_ready=False, n_bytes=4.0, memory=5.0))
        first.settle()
        found = SharedCounts(tmp_path, "worker-2").total(self.state(is_ready=True, n_bytes=1.0, memory=1.0))
        assert (found.table.is_ready, found.table.loaded[0].n_bytes, found.table.failed) == (True, 1.0, [])
        assert found.process["process_resident_memory_bytes"] == 1.0
        assert found.process["process_cpu_seconds_total"] == 4.0

    def test_of_older_unloaded_versions_is_kept_without_a_series_for_each(self):
        stats, loaded = ServerStats(), {("spread", "1.3.0")}
        n_versions = MOST_UNLOADED + 21
        for n in range(n_versions):
            stats.of("spread", f"1.{n}.0").answered(0.002, n)
        stats.join_earlier(loaded)
        names = [version for _, version, _ in stats.versions()]
        assert names == ["1.3.0", *(f"1.{n}.0" for n in range(21, n_versions))], "a loaded one stays, however old"
        assert (stats.earlier["spread"].until, stats.earlier["spread"].counted.n_requests) == ("1.20.0", 20)

        other = ServerStats()  # of a process that has not joined them yet, and of one that has them alone
        for n in (2, 3, 30):
            other.of("spread", f"1.{n}.0").answered(0.002, 1000)
        mine = Counts.of(stats, HEALTH)
        mine.table = TableFacts(True, {}, [LoadedFacts("spread", "1.3.0", "Production", 1.0, 1.0, 1.0)])
        found = total([mine, Counts.of(other, HEALTH)])
        rows = {version: each.n_rows for _, version, each in found.versions}
        assert (len(rows), rows["1.3.0"], rows["1.30.0"]) == (MOST_UNLOADED + 1, 1003, 1030)
        assert sum(rows.values()) + found.earlier["spread"].counted.n_rows == sum(range(n_versions)) + 3000
        assert "1.2.0" not in rows
        read = msgspec.json.decode(msgspec.json.encode(found), type=Counts)
        assert read.earlier["spread"].counted == found.earlier["spread"].counted

    def test_goes_on_with_the_last_counters_that_had_room_and_ends_without_any(self, tmp_path, monkeypatch, caplog):
        first, second = SharedCounts(tmp_path, "worker-1"), SharedCounts(tmp_path, "worker-2")
        first.write(self.state(is_ready=False, n_bytes=4.0, memory=5.0))
        second.write(self.counts(2))
        with monkeypatch.context() as full:

            def refuse(path, *_, **__):
                raise DiskFullError(path, "write", "No space left on device")

            full.setattr("core.serving.counts.write_file", refuse)
            for n in (5, 6):
                assert first.total(self.counts(n)).versions[0][2].n_requests == 3
            assert caplog.text.count("the counters of this worker cannot be written") == 1
            second.settle()
            assert first.total(self.counts(7)).versions[0][2].n_requests == 3
        assert first.total(self.counts(7)).versions[0][2].n_requests == 9
        first.settle()
        found = SharedCounts(tmp_path, "worker-3").total(self.counts(1))
        assert (found.versions[0][2].n_requests, found.health.n_waiting) == (10, 1)

    def test_leaves_out_a_file_that_cannot_be_read(self, tmp_path):
        (tmp_path / "worker-1.json").write_text("torn")
        assert SharedCounts(tmp_path, "worker-2").total(self.counts(1)).versions[0][2].n_requests == 1
        SharedCounts(tmp_path, "worker-3").settle()


@pytest.mark.journey
def test_the_log_of_every_worker_is_a_log_of_the_workspace(workspace, running, capsys):
    with running(workspace, "--workers", "2") as server:
        wanted = [f"[{pid}]: serving on " for pid in workers_of(server.process)]
        log = workspace.logs_dir / "server.log"
        until(lambda: all(line in log.read_text() for line in wanted), "a line of each worker")
        assert f"[{server.process.pid}]: worker-1 started, process " in log.read_text()
    assert main(["--workspace", str(workspace.root), "logs"]) == 0
    shown = capsys.readouterr().out
    assert all(any(line.startswith("server: ") and each in line for line in shown.splitlines()) for each in wanted)
