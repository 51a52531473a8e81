"""A real Dask cluster: the same results, a worker killed in the middle of a task, a scheduler killed."""

import os
import signal
import socket
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from core.clock import utc_now
from core.errors import UsageError
from core.executors import dask_cluster, dask_connection
from core.executors.bench import versions
from core.executors.dask_cluster import DaskExecutor
from core.executors.dask_connection import require_dask
from core.executors.errors import ExecutorError, MissingDaskError
from core.executors.local_certificate import write_certificate
from core.executors.local_cluster import local_cluster
from core.executors.packing import packed
from core.executors.standing import cluster_standing, settings_for
from core.executors.work import Work
from core.files import FileAccessError
from core.settings import TrainingSettings
from core.settings.executor import ExecutorSettings, ExecutorTls
from core.training.session_domain import checked
from tests.clusters import Cluster
from tests.processes import free_port
from tests.waiting import until

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*unclosed.*"),
    pytest.mark.usefixtures("patient_connections"),
]


NOBODY_SECONDS = 0.5
"""How long a connection is tried where nobody can answer."""


@pytest.fixture
def executor(cluster):
    found = DaskExecutor(cluster.settings)
    yield found
    found.close()


def doubled(works):
    return Work(
        title="doubles",
        here=lambda array: array * 6,
        there=works.Doubled,
        shared=lambda: {"factor": 3},
        sent=lambda array: {"array": array},
        taken=lambda _, answer: answer["array"],
    )


def killed(works, folder):
    return Work(title="tasks", here=lambda task: task * 10, there=works.Killed, shared=lambda: str(folder))


def in_background(work):
    """Run something in a thread; return the thread, and the list that its result or its error goes to."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_results_come_in_the_order_of_the_items(executor, works):
    arrays = [np.arange(n, dtype=np.float64) for n in range(5)]

    found = executor.map(doubled(works), arrays)

    assert [each.tobytes() for each in found] == [(array * 6).tobytes() for array in arrays]


def test_an_error_of_a_task_is_raised_here(executor, works):
    with pytest.raises(ValueError, match="value is wrong"):
        executor.map(Work(title="failures", here=lambda _: None, there=works.Failing), ["value"])


def test_a_worker_that_is_killed_in_the_middle_costs_its_task_which_is_done_again(executor, works, marks, tmp_path):
    thread, outcome = in_background(lambda: executor.map(killed(works, tmp_path), [1, 2]))
    until(lambda: len(marks()) == 2, "two tasks under way", told=lambda: outcome)
    (lost, victim), _ = marks()

    os.kill(victim, signal.SIGKILL)
    until(lambda: len([task for task, _ in marks() if task == lost]) == 2, "the second attempt", told=lambda: outcome)
    (tmp_path / "go").touch()
    thread.join()

    assert outcome == [[10, 20]]


def test_the_state_of_the_cluster_names_workers_memory_and_tasks(cluster, executor, works, marks, tmp_path):
    thread, outcome = in_background(lambda: executor.map(killed(works, tmp_path), [1, 2, 3]))
    until(lambda: len(marks()) == 2, "two tasks under way", told=lambda: outcome)

    busy = until(lambda: (now := cluster_standing(cluster.settings)).n_running == 2 and now, "two tasks in the state")
    (tmp_path / "go").touch()
    thread.join()

    assert busy.address == cluster.address
    assert len(busy.workers) == busy.n_threads == 2
    assert busy.n_waiting >= 1
    assert all(worker.memory_bytes > 0 and worker.memory_limit_bytes for worker in busy.workers)
    assert outcome == [[10, 20, 30]]


def test_the_workers_are_asked_for_and_not_what_the_client_has_kept(cluster, monkeypatch):
    from distributed import Client

    monkeypatch.setattr(Client, "scheduler_info", lambda self, **_: {"workers": {}})
    assert len(cluster_standing(cluster.settings).workers) == 2


def test_a_scheduler_that_is_killed_is_a_failure_in_words_and_the_next_work_needs_it_back(
    works, marks, tmp_path, monkeypatch
):
    port = free_port()
    own = Cluster("--workers", "1", "--port", str(port))
    executor = DaskExecutor(own.settings)
    thread, outcome = in_background(lambda: executor.map(killed(works, tmp_path), [1]))
    until(lambda: len(marks()) == 1, "a task under way", told=lambda: outcome)

    own.end(signal.SIGKILL)
    thread.join()

    (error,) = outcome
    assert isinstance(error, ExecutorError)
    assert str(error).startswith(f"the Dask scheduler {own.address} is gone (")
    (tmp_path / "go").touch()
    with monkeypatch.context() as nobody:
        nobody.setattr(dask_connection, "CONNECT_SECONDS", NOBODY_SECONDS)
        with pytest.raises(ExecutorError, match="does not answer"):
            executor.map(killed(works, tmp_path), [1])
    again = Cluster("--workers", "1", "--port", str(port))
    assert executor.map(killed(works, tmp_path), [1]) == [10]
    executor.close()
    again.end()


def test_an_encrypted_cluster_takes_the_files_of_its_block_and_nobody_without_them(works, tmp_path, monkeypatch):
    own = Cluster("--workers", "1", "--tls", str(tmp_path / "tls"))
    files = {"ca": "cluster.pem", "cert": "cluster.pem", "key": "cluster.key"}
    tls = {name: str(tmp_path / "tls" / file) for name, file in files.items()}
    assert own.address.startswith("tls://127.0.0.1:")
    assert all(path in own.block for path in tls.values())
    assert (tmp_path / "tls" / "cluster.key").stat().st_mode & 0o077 == 0

    executor = DaskExecutor(ExecutorSettings(kind="dask", address=own.address, tls=ExecutorTls(**tls)))
    assert executor.map(doubled(works), [np.ones(2)])[0].tolist() == [6.0, 6.0]
    executor.close()

    plain = ExecutorSettings(kind="dask", address=own.address.replace("tls://", "tcp://"))
    monkeypatch.setattr(dask_connection, "CONNECT_SECONDS", NOBODY_SECONDS)
    with pytest.raises(ExecutorError, match="does not answer"):
        cluster_standing(plain)
    own.end()


def test_a_worker_of_other_versions_is_refused(cluster, executor, works, monkeypatch):
    monkeypatch.setattr(dask_cluster, "versions", lambda: {**versions(), "numpy": "1.0"})

    with pytest.raises(Exception, match=r"might compute other results: numpy .* instead of 1\.0\. Cure"):
        executor.map(doubled(works), [np.ones(1)])


def test_a_scheduler_without_workers_is_said_to_have_none(monkeypatch):
    monkeypatch.setattr(dask_cluster, "WITHOUT_WORKERS_SECONDS", 0.1)
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", processes=True) as empty:
        executor = DaskExecutor(ExecutorSettings(kind="dask", address=empty.scheduler_address))
        with pytest.raises(ExecutorError, match="has 0 of 1 workers"):
            executor.map(Work(title="tasks", here=lambda _: None, there=dask_cluster.Bench), [1])


def test_what_takes_a_connection_and_is_silent_is_no_scheduler(monkeypatch):
    monkeypatch.setattr(dask_connection, "CONNECT_SECONDS", NOBODY_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ExecutorError, match=r"does not answer \(what listens there is silent"):
            cluster_standing(ExecutorSettings(kind="dask", address=address))


def test_a_port_that_is_taken_and_a_place_without_room_for_a_certificate_are_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(UsageError, match=rf"cannot start on 127.0.0.1:{port} \(.*in use"),
            local_cluster(1, port=port),
        ):
            pytest.fail("it started")
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(FileAccessError, match="Cannot make the folder"), local_cluster(1, tls_folder=file):
        pytest.fail("it started")
    assert file.read_text() == "mine"


def test_dask_that_is_not_installed_names_the_extra(monkeypatch):
    monkeypatch.setattr("core.executors.dask_connection.find_spec", lambda _: None)

    with pytest.raises(MissingDaskError, match=r"pip install 'bondx-console\[dask\]'"):
        require_dask()


def test_a_missing_certificate_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tls = ExecutorTls(ca="none.pem", cert="x", key="x")

    with pytest.raises(UsageError, match=r"executor\.tls\.ca: 'none\.pem' cannot be read"):
        cluster_standing(ExecutorSettings(kind="dask", address="tls://127.0.0.1:1", tls=tls))


def test_files_that_are_no_certificate_or_of_another_key_are_named_before_a_session_starts(tmp_path, monkeypatch):
    ca, key = write_certificate(tmp_path / "own", "127.0.0.1")
    other = write_certificate(tmp_path / "other", "127.0.0.1")[1]
    text = tmp_path / "text.pem"
    text.write_text("no certificate")

    def asked(**files: Path) -> TrainingSettings:
        tls = ExecutorTls(**{name: str(file) for name, file in ({"ca": ca, "cert": ca, "key": key} | files).items()})
        return TrainingSettings(executor=ExecutorSettings(kind="dask", address="tls://127.0.0.1:1", tls=tls))

    checked(asked())
    for files, said in (
        ({"ca": tmp_path / "none.pem"}, r"executor\.tls\.ca: .*none\.pem'? cannot be read"),
        ({"ca": text}, r"executor\.tls\.ca: .*text\.pem'? holds no certificate"),
        ({"cert": text}, r"executor\.tls\.cert and key: .*text\.pem'? and .* are not a certificate and its key"),
        ({"key": other}, r"executor\.tls\.cert and key: .* are not a certificate and its key"),
    ):
        with pytest.raises(UsageError, match=said):
            checked(asked(**files))
    monkeypatch.setattr(dask_connection, "utc_now", lambda: utc_now() + timedelta(days=40_000))
    with pytest.raises(UsageError, match=r"executor\.tls\.ca: .* does not hold now: it is valid from 20"):
        checked(asked())


def test_the_address_of_a_state_is_held_to_the_rules_of_the_settings():
    own = ExecutorSettings(kind="dask", address="tcp://127.0.0.1:8786")

    assert settings_for("", own) is own
    assert settings_for("tcp://localhost:9", own).address == "tcp://localhost:9"
    with pytest.raises(UsageError, match=r"executor\.kind is thread"):
        settings_for("", ExecutorSettings())
    with pytest.raises(UsageError, match="another machine"):
        settings_for("tcp://10.0.0.1:8786", own)


def test_what_travels_is_plain():
    assert isinstance(packed(versions()), bytes)
