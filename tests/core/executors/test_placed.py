"""Work that several workers share from its beginning to its end: begun again where one of them ends."""

import contextlib
import os
import signal
import threading

import pytest

from core.errors import UsageError
from core.executors import dask_cluster, halted, placed
from core.executors.dask_cluster import DaskExecutor
from core.executors.dask_connection import workers_of
from core.executors.errors import ExecutorError
from core.executors.work import Work
from core.settings.executor import ExecutorSettings, ExecutorTls
from tests.clusters import Cluster
from tests.waiting import PATIENCE_SECONDS, until

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*unclosed.*"),
    pytest.mark.usefixtures("patient_connections"),
]


@pytest.fixture
def executor(cluster):
    found = DaskExecutor(ExecutorSettings(kind="dask", address=cluster.address, workers=2))
    yield found
    found.close()


@pytest.fixture
def with_spares(works):
    """Two of four workers share the work, so that it needs no worker that Dask starts anew."""
    own = Cluster("--workers", "4")
    found = DaskExecutor(ExecutorSettings(kind="dask", address=own.address, workers=2))
    yield found
    found.close()
    own.end()


def results(placed_client, function, shares, *arguments):
    return [future.result() for future in placed_client.place(function, shares, *arguments)]


def test_each_share_is_computed_by_its_own_worker_in_order(executor, works, tmp_path):
    (tmp_path / "go").touch()

    assert executor.together("a fit", lambda client: results(client, works.waits, [1, 2], str(tmp_path))) == [10, 20]
    pids = executor.together("a fit", lambda client: [results(client, works.pid_of, [0, 0]) for _ in range(3)])
    assert len({tuple(each) for each in pids}) == 1
    assert len(set(pids[0])) == 2


def test_an_error_of_the_work_is_raised_and_the_work_not_begun_again(executor):
    begun = []

    def work(client):
        begun.append(client)
        raise UsageError("the table is wrong")

    with pytest.raises(UsageError, match="the table is wrong"):
        executor.together("a fit", work)
    assert len(begun) == 1


def test_who_interrupts_the_work_does_not_wait_for_its_end(monkeypatch):
    abandoned = threading.Event()

    class Waiting:
        def __init__(self, client, workers):
            self.abandon = abandoned.set

        def done(self, work):
            abandoned.wait(1.0)

        def goes_on(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(dask_cluster, "PlacedClient", Waiting)
    monkeypatch.setattr(DaskExecutor, "_connected", lambda _: None)
    monkeypatch.setattr(DaskExecutor, "_chosen", lambda _, client: {})

    with pytest.raises(KeyboardInterrupt):
        DaskExecutor(ExecutorSettings(kind="dask", address="tcp://127.0.0.1:1")).together("a fit", lambda _: None)
    assert abandoned.is_set()


@pytest.mark.journey
def test_work_that_loses_a_worker_is_begun_again_and_who_waits_for_the_lost_one_is_started_again(
    with_spares, works, marks, tmp_path, monkeypatch
):
    monkeypatch.setattr(placed, "STUCK_SECONDS", 0.5)
    outcome = []

    def work(client):
        return results(client, works.waits, [1, 2], str(tmp_path))

    thread = threading.Thread(target=lambda: outcome.append(with_spares.together("a fit", work)))
    thread.start()
    first = dict(until(lambda: len(found := marks()) == 2 and found, "both shares under way", told=lambda: outcome))

    os.kill(first[1], signal.SIGKILL)
    until(lambda: len(marks()) == 4, "both shares begun again", told=lambda: outcome)
    (tmp_path / "go").touch()
    thread.join()

    assert outcome == [[10, 20]]
    again = {pid for _, pid in marks()} - set(first.values())
    assert len(again) == 2, "the other worker waited, and was started again"


@pytest.mark.journey
def test_work_that_ends_its_workers_again_and_again_is_given_up(with_spares, works):
    def work(client):
        with contextlib.suppress(distributed.CancelledError, distributed.KilledWorker):
            results(client, works.dies, [1])
        return results(client, works.pid_of, [1])  # on a worker that is gone

    with pytest.raises(ExecutorError, match=r"^a fit was given up after 3 attempts \(a worker ended\)\. Cure:"):
        with_spares.together("a fit", work)


def test_a_worker_that_is_replaced_at_its_own_address_is_gone(executor, monkeypatch):
    looks, goes_on, asked = [], placed.PlacedClient.goes_on, []

    def work(client):
        until(lambda: looks, "the first look at the workers")
        assert goes_on(client)
        there = {worker: {"local_directory": "of another process"} for worker in client.workers}
        with monkeypatch.context() as patched:
            patched.setattr(placed, "workers_of", lambda _: asked.append(1) or there)
            return goes_on(client)

    monkeypatch.setattr(placed.PlacedClient, "goes_on", lambda self: goes_on(self) and not looks.append(1))
    monkeypatch.setattr(dask_cluster, "_LOOK_SECONDS", PATIENCE_SECONDS)  # between two looks
    assert executor.together("a fit", work) is False
    assert asked == [1], "the scheduler is asked once for a look at all of it"


@pytest.fixture
def short_of_memory(works, monkeypatch):
    """Two workers that share the work, one of which is halted once it has taken memory."""
    monkeypatch.setattr(halted, "HALTED_SECONDS", 0.5)
    own = Cluster("--workers", "2", "--memory-mb", "500")
    found = DaskExecutor(ExecutorSettings(kind="dask", address=own.address, workers=2))
    yield found
    found.close()
    own.end()


def test_a_worker_that_is_halted_for_want_of_memory_is_not_waited_for(short_of_memory, works):
    pids = set()

    def work(client):
        pids.update(results(client, works.pid_of, [0, 0]))
        results(client, works.holds_memory, [0])
        worker = client.workers[0]
        until(lambda: workers_of(client)[worker]["status"] == "paused", "the worker paused")
        return results(client, works.pid_of, [0])

    with pytest.raises(ExecutorError, match=r"is at its limit of memory, and Dask has given it no work.*Cure: give"):
        short_of_memory.together("a fit", work)
    # Its memory may hold what others of the cluster computed, so it is not started again.
    pids_now = short_of_memory._client.run(os.getpid)
    assert set(pids_now.values()) == pids


def test_a_halted_worker_that_has_done_its_share_ends_nothing(short_of_memory, works, tmp_path, monkeypatch):
    monkeypatch.setattr(halted, "HALTED_SECONDS", 0.0)
    looks, goes_on = [], placed.PlacedClient.goes_on
    monkeypatch.setattr(placed.PlacedClient, "goes_on", lambda self: goes_on(self) and not looks.append(1))

    def work(client):
        results(client, works.holds_memory, [0])
        worker = client.workers[0]
        until(lambda: workers_of(client)[worker]["status"] == "paused", "the worker paused")
        other = client.submit(works.waits, 2, str(tmp_path), workers=[client.workers[1]], allow_other_workers=False)
        seen = len(looks)
        until(lambda: len(looks) > seen + 2, "three looks at the workers")
        (tmp_path / "go").touch()
        return other.result()

    assert short_of_memory.together("a fit", work) == 20


def test_tasks_fail_where_all_workers_are_halted(short_of_memory, works):
    def halt(client):
        results(client, works.holds_memory, [0, 0])
        until(lambda: {told["status"] for told in workers_of(client).values()} == {"paused"}, "both workers paused")

    short_of_memory.together("a fit", halt)
    with pytest.raises(ExecutorError, match="is at its limit of memory"):
        short_of_memory.map(Work(title="tasks", here=lambda task: task, there=works.Doubled), [1])


def test_a_worker_that_is_paused_but_at_work_is_not_halted():
    at_work = {"status": "paused", "metrics": {"task_counts": {"executing": 1}}}
    assert not halted.is_halted(at_work)
    assert halted.is_halted({**at_work, "metrics": {"task_counts": {"executing": 0}}})
    assert not halted.is_halted({"status": "running", "metrics": {}})


def test_a_library_that_fails_again_and_again_is_given_up_in_words(executor):
    begun = []

    def work(client):
        begun.append(client)
        raise OSError("Socket recv error, Connection reset by peer")

    with pytest.raises(ExecutorError, match=r"after 3 attempts \(Socket recv error, Connection reset by peer\)"):
        executor.together("a fit", work)
    assert len(begun) == 3


def test_a_scheduler_that_goes_in_the_middle_is_a_failure_in_words(works, marks, tmp_path):
    own = Cluster("--workers", "1")
    executor = DaskExecutor(own.settings)
    outcome = []

    def run():
        try:
            executor.together("a fit", lambda client: results(client, works.waits, [1], str(tmp_path)))
        except ExecutorError as error:
            outcome.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: len(marks()) == 1, "a share under way", told=lambda: outcome)

    own.end(signal.SIGKILL)
    thread.join()
    (tmp_path / "go").touch()

    assert outcome[0].startswith(f"the Dask scheduler {own.address} is gone (")
    executor.close()


@pytest.mark.journey
def test_workers_of_an_encrypted_cluster_talk_in_the_clear_only_where_that_is_allowed(monkeypatch):
    tls = ExecutorTls(ca="a", cert="b", key="c")
    monkeypatch.setattr(DaskExecutor, "standing_workers", lambda _: [("tls://127.0.0.1:1", 1), ("tls://10.0.0.2:1", 1)])
    block = {"kind": "dask", "address": "tls://10.0.0.1:8786", "tls": tls}

    with pytest.raises(UsageError, match=r"without encryption, and 10\.0\.0\.2 is another machine"):
        DaskExecutor(ExecutorSettings(**block)).require_trusted_network()
    DaskExecutor(ExecutorSettings(**block, allow_unencrypted=True)).require_trusted_network()
