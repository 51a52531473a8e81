"""The same session on threads, on processes and on a Dask cluster: byte for byte, also after a worker was killed."""

import os
import signal
import threading

import msgspec
import psutil
import pytest

from core.executors.opening import executor_of, opened
from core.executors.processes import WorkerDiedError, _WorkerProcess
from core.executors.threads import ThreadExecutor
from core.executors.worker import write_message
from core.settings import ModelSettings, TrainingSettings
from core.settings.executor import ExecutorSettings
from core.settings.training import AdvancedSettings, EnsembleSettings, TuningSettings
from core.training import panels as panels_module
from core.training.registration import settings_digest
from core.training.session import as_document
from core.training.session_work import SessionWork
from tests.waiting import PATIENCE_SECONDS, until

SETTINGS = TrainingSettings(
    dataset_size=100,
    max_epochs=2,
    models={
        "spread": ModelSettings(algorithm="lightgbm", parameters={"first_trees": 10}),
        "downgrade": ModelSettings(algorithm="stacking", parameters={"members": "linear, lightgbm", "folds": 2}),
    },
    advanced=AdvancedSettings(
        enable_hyperparameter_tuning=True,
        parameter_ranges={"num_leaves": (3, 7)},
        tuning_method="grid_search",
        enable_feature_selection=True,
        selection_method="recursive",
        max_features=8,
    ),
    ensemble=EnsembleSettings(enable_blending=True, base_models=("linear", "lightgbm")),
    tuning=TuningSettings(trials=2, folds=2, rows=200),
)


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 200)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 300)


def finished(settings, folder):
    with opened(settings):
        work = SessionWork(settings, folder)
        while not work.tune().is_done:
            pass
        for epoch in (1, 2):
            work.run_epoch(epoch)
        return work.finish()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def on_threads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panels_module, "VALIDATION_ROWS", 200)
        patch.setattr(panels_module, "TEST_ROWS", 300)
        return finished(SETTINGS, folder), contents(folder)


def on(kind, **more):
    return msgspec.structs.replace(SETTINGS, executor=ExecutorSettings(kind=kind, workers=2, **more))


def test_processes_give_the_bytes_of_threads_also_if_one_is_killed_in_the_middle(on_threads, tmp_path, monkeypatch):
    asked, killed, ends, choosing = [], [], [], threading.Lock()
    exchange = _WorkerProcess._exchange

    def killed_in_the_middle(worker, request):
        with choosing:
            asked.append(worker.pid)
            is_victim = not killed and asked.count(worker.pid) == 2  # at first it asks for what the tasks share
            killed.extend([worker.pid] * is_victim)
        if not is_victim:
            return exchange(worker, request)
        before = computed(worker.pid)
        write_message(worker._requests, request)
        try:
            until(lambda: computed(worker.pid) > before, "a worker that computes")
        except (pytest.fail.Exception, psutil.Error) as error:  # in this thread it would leave the session waiting
            worker.kill()
            raise WorkerDiedError(
                f"the worker process {worker.pid} could not be killed in its task: {error}"
            ) from error
        os.kill(worker.pid, signal.SIGKILL)
        ends.append(worker._process.wait())
        return exchange(worker, request)  # which notices by itself

    monkeypatch.setattr(_WorkerProcess, "_exchange", killed_in_the_middle)

    final = finished(on("process"), tmp_path)

    (victim,) = killed
    assert ends == [-signal.SIGKILL], "it was killed while it computed"
    assert len(set(asked)) > 1, "another worker did its task"
    assert asked.count(victim) == 2
    assert final == on_threads[0]
    assert contents(tmp_path) == on_threads[1]


def test_a_dask_cluster_gives_the_bytes_of_threads(on_threads, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr("core.executors.dask_connection.CONNECT_SECONDS", PATIENCE_SECONDS)
    from core.executors.local_cluster import local_cluster

    with local_cluster(2) as block:
        final = finished(on("dask", address=block.address), tmp_path)

    assert final == on_threads[0]
    assert contents(tmp_path) == on_threads[1]


def test_the_number_of_threads_changes_nothing(on_threads, tmp_path):
    assert isinstance(executor_of(SETTINGS), ThreadExecutor)

    final = finished(on("thread"), tmp_path)

    assert final == on_threads[0]
    assert contents(tmp_path) == on_threads[1]


def test_the_executor_is_no_part_of_what_a_session_computes():
    assert "executor" not in as_document(SETTINGS)
    assert settings_digest(as_document(on("process"))) == settings_digest(as_document(SETTINGS))


def computed(pid):
    """The processor time that a worker has used."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
