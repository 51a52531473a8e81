"""The same session on threads, on processes and on a Dask cluster: byte for byte, also after a worker was killed."""

import os
import signal
import threading

import msgspec
import psutil
import pytest

from core.executors.opening import executor_of, opened
from core.executors.processes import ProcessExecutor
from core.executors.threads import ThreadExecutor
from core.settings import ModelSettings, TrainingSettings
from core.settings.executor import ExecutorSettings
from core.settings.training import AdvancedSettings, EnsembleSettings, TuningSettings
from core.training import panels as panels_module
from core.training.registration import settings_digest
from core.training.session import as_document
from core.training.session_work import SessionWork
from tests.waiting import until

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


def finished(settings, folder, *, on=None):
    with opened(settings) as executor:
        work = SessionWork(settings, folder)
        if on is not None:
            on(executor)
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


def test_processes_give_the_bytes_of_threads_also_if_one_is_killed_in_the_middle(on_threads, tmp_path):
    killed = []

    def kill_one(executor):
        assert isinstance(executor, ProcessExecutor)

        def kill():
            pid = until(lambda: next((pid for pid in executor.pids if is_computing(pid)), 0), "a worker that computes")
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        threading.Thread(target=kill).start()

    final = finished(on("process"), tmp_path, on=kill_one)

    assert killed
    assert final == on_threads[0]
    assert contents(tmp_path) == on_threads[1]


def test_a_dask_cluster_gives_the_bytes_of_threads(on_threads, tmp_path):
    pytest.importorskip("distributed", reason="the extra dask is not installed")
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


def is_computing(pid):
    """Whether a worker, which starts with its first task, has got so far that its death costs work."""
    try:
        return psutil.Process(pid).cpu_times().user > 1.0
    except psutil.Error:
        return False
