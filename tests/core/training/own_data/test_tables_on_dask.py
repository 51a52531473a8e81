"""A table that the workers of a real Dask cluster read: the model of one in memory, also after a worker was killed."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.actor import Actor, Origin
from core.domains.table.parted import training as parted_training
from core.errors import UsageError
from core.executors import dask_connection, placed
from core.executors.errors import ExecutorError
from core.executors.placed import PlacedClient
from core.executors.remote import ATTEMPTS
from core.registry import Registry
from core.settings import ModelSettings, Settings, TrainingSettings
from core.settings.attainment import AttainmentSettings
from core.settings.executor import ExecutorSettings
from core.settings.training import AdvancedSettings, EnsembleSettings, TrainerSettings
from core.state import Workspace
from core.tables import TableError, Task, parts
from core.tracking import Runs
from core.training.own_data import TrainRequest, evaluate_on_file, train_on_file
from core.training.own_data.parts import is_read_by_workers
from tests.clusters import Cluster
from tests.waiting import until

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:.*unclosed.*"),
    pytest.mark.usefixtures("patient_connections"),
]

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
N_ROWS = 18_000
TARGETS = ("price", "late", "level")
N_FITS = 3  # to settle the number of trees, to be tested, and on all rows
FEW_TREES = {"max_trees": 12, "num_leaves": 8}


@pytest.fixture(autouse=True)
def small_tables(monkeypatch):
    """Let tables of a test be cut."""
    monkeypatch.setattr(parts, "PART_BYTES", 1)
    monkeypatch.setattr(parted_training, "LEAST_ROWS", N_ROWS)


@pytest.fixture
def with_spares(works):
    """Four workers, of which two share a fit, so that it needs no worker that Dask starts anew."""
    found = Cluster("--workers", "4")
    yield found
    found.end()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({name: rng.normal(size=N_ROWS) for name in ("size", "age", "noise")})
    frame["grade"] = rng.choice(["A", "B", "C"], N_ROWS)
    frame["desk"] = rng.integers(0, 60, N_ROWS)
    frame["day"] = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
    frame.loc[rng.random(N_ROWS) < 0.05, "age"] = np.nan
    score = 2 * frame["size"] - frame["age"].fillna(0) + (frame["grade"] == "A") + rng.normal(size=N_ROWS)
    frame["price"] = score
    frame["late"] = np.where(score > 1, "yes", "no")
    frame["level"] = np.digitize(score, [-1, 1.5])
    return frame


@pytest.fixture(scope="module")
def files(rows, tmp_path_factory):
    """The rows with one of the targets each, in one file of six row groups."""
    folder = tmp_path_factory.mktemp("own")
    for target in TARGETS:
        others = [name for name in TARGETS if name != target]
        rows.drop(columns=others).to_parquet(folder / f"{target}.parquet", row_group_size=3_000)
    return {target: folder / f"{target}.parquet" for target in TARGETS}


@pytest.fixture(scope="module")
def own(files):
    """The rows with the price."""
    return files["price"]


def settings(target, executor=None, *, parameters=FEW_TREES, **more):
    models = {target: ModelSettings(algorithm="lightgbm", parameters=parameters)}
    return Settings(models=models, executor=executor or ExecutorSettings(), **more)


def on(cluster, n_workers):
    return ExecutorSettings(kind="dask", address=cluster.address, workers=n_workers, tables="dask")


def trained(folder, own, target, executor=None, *, parameters=FEW_TREES, **more):
    workspace = Workspace.create(folder, settings_text="")
    found = train_on_file(
        workspace, TrainRequest(target, own, target=target, **more), settings(target, executor), actor=ANA
    )
    files = {path.name: path.read_bytes() for path in (workspace.artifacts_dir / found.version.path).iterdir()}
    return found, files, workspace


def test_a_table_that_no_process_holds_has_no_estimate_of_attainment(cluster, own, tmp_path):
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")
    chosen = settings("price", on(cluster, 1), attainment=AttainmentSettings(tables=2))
    found = train_on_file(workspace, TrainRequest("price", own, target="price"), chosen, actor=ANA)

    assert found.report["attainment"] == {
        "why_not": "the rows are with the workers of a cluster, and no process holds them all"
    }


def without_place(files, *, in_time):
    """The files of a model, but for what says that its rows were cut."""
    kept = {name: content for name, content in files.items() if name not in ("MANIFEST.json", "registration.json")}
    for name in ("report.json", "model.json"):
        told = json.loads(kept[name])
        (told if name == "report.json" else told["account"]).pop("parted", None)
        if in_time:  # of the first window alone
            told.pop("feature_importance" if name == "report.json" else "importance")
        kept[name] = told
    kept["report.json"]["notes"] = [note for note in kept["report.json"]["notes"] if "of the cluster" not in note]
    return kept


@pytest.mark.parametrize(
    ("target", "more"),
    [
        pytest.param("price", {}, id="a number"),
        pytest.param("price", {"group": "desk", "time": "day"}, id="groups and times"),
        pytest.param("late", {"time": "day"}, id="two classes, in windows of time"),
        pytest.param("level", {"group": "desk"}, id="three classes, whole groups"),
    ],
)
def test_one_worker_makes_the_bytes_of_a_training_in_memory(target, more, cluster, files, tmp_path):
    _, in_memory, _ = trained(tmp_path / "memory", files[target], target, **more)
    found, on_worker, _ = trained(tmp_path / "dask", files[target], target, on(cluster, 1), **more)

    assert found.report["parted"] == {"n_parts": 6, "n_sampled": N_ROWS}
    in_time = "time" in more
    assert without_place(on_worker, in_time=in_time) == without_place(in_memory, in_time=in_time)


def test_two_workers_make_the_same_bytes_again_and_nearly_the_error_of_a_training_in_memory(cluster, own, tmp_path):
    in_memory, _, _ = trained(tmp_path / "memory", own, "price")
    first, files, _ = trained(tmp_path / "first", own, "price", on(cluster, 2))
    _, files_again, _ = trained(tmp_path / "again", own, "price", on(cluster, 2))

    assert files_again == files
    assert first.version.metrics["rmse"] == pytest.approx(in_memory.version.metrics["rmse"], rel=0.02)


def test_a_cluster_that_does_not_answer_is_an_error_that_names_it_and_nothing_is_written(own, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_connection, "CONNECT_SECONDS", 0.1)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    with pytest.raises(ExecutorError, match=r"^the Dask scheduler tcp://127\.0\.0\.1:1 does not answer .*Cure: start"):
        refused(workspace, own, settings("price", NOBODY))
    assert Runs(workspace).all() == []
    assert Registry(workspace).versions() == []


@pytest.fixture
def paused_fits(works, tmp_path, monkeypatch):
    """Let each worker pause in the middle of its fit (`works.fit_with_a_pause`); the shares of fits that have begun."""
    begun, submit = [], PlacedClient.submit

    def pausing(client, function, *arguments, **options):
        if getattr(function, "__name__", "") != "_train_part":
            return submit(client, function, *arguments, **options)
        begun.append(options["workers"])
        return submit(client, works.fit_with_a_pause, function, str(tmp_path), len(begun), **options)

    monkeypatch.setattr(PlacedClient, "submit", pausing)
    return begun


@contextmanager
def beside(do):
    """Do something in a thread beside the block; what it raises is raised here."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(do)
        yield
        future.result()


def kill_one(marks, n, folder):
    """Kill the worker with the first of the last two shares in the middle of its fit, and let the other one go on."""
    (_, killed), (_, other) = until(lambda: len(found := marks()) == n and found[-2:], "two workers in the middle")
    os.kill(killed, signal.SIGKILL)
    (folder / f"go.{other}").touch()
    return killed


@pytest.mark.journey
def test_a_worker_that_is_killed_in_the_middle_of_a_fit_costs_nothing_but_the_fit(
    with_spares, own, marks, paused_fits, tmp_path, monkeypatch
):
    monkeypatch.setattr(placed, "STUCK_SECONDS", 1.0)
    (tmp_path / "go").touch()
    plain, files, _ = trained(tmp_path / "plain", own, "price", on(with_spares, 2), group="desk")
    assert len(paused_fits) == 2 * N_FITS
    for path in [*tmp_path.glob("*-*"), tmp_path / "go"]:
        path.unlink()
    paused_fits.clear()

    def kill():
        kill_one(marks, 2, tmp_path)
        until(lambda: len(marks()) == 4, "the fit begun again")
        (tmp_path / "go").touch()

    with beside(kill):
        again, files_again, _ = trained(tmp_path / "killed", own, "price", on(with_spares, 2), group="desk")

    assert len(paused_fits) == 2 * (N_FITS + 1), "one fit was begun again"
    assert files_again == files
    assert again.version.metrics == plain.version.metrics


def test_a_fit_that_loses_a_worker_each_time_is_refused_and_nothing_is_registered(
    with_spares, own, marks, paused_fits, tmp_path, monkeypatch
):
    monkeypatch.setattr(placed, "STUCK_SECONDS", 1.0)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    def kill():
        for attempt in range(ATTEMPTS):
            kill_one(marks, 2 * (attempt + 1), tmp_path)

    with beside(kill), pytest.raises(ExecutorError, match=r"was given up after 3 attempts \(a worker ended\)\. Cure: "):
        refused(workspace, own, settings("price", on(with_spares, 2)))

    assert len(paused_fits) == 2 * ATTEMPTS
    assert Registry(workspace).versions() == []
    assert [run.status for run in Runs(workspace).all()] == ["failed"]
    assert list(workspace.artifacts_dir.glob("*")) == []


def test_rows_in_the_order_of_their_classes_are_learned_by_workers_that_each_hold_one_class(cluster, rows, tmp_path):
    folder = tmp_path / "sorted"
    folder.mkdir()
    ordered = rows.sort_values("late", kind="stable").drop(columns=["day", "price", "level"])
    for k, part in enumerate(np.array_split(np.arange(N_ROWS), 4)):
        ordered.iloc[part].to_csv(folder / f"{k}.csv", index=False)
    ordered.to_csv(tmp_path / "whole.csv", index=False)

    spread, _, _ = trained(tmp_path / "dask", folder, "late", on(cluster, 2))
    whole, _, _ = trained(tmp_path / "memory", tmp_path / "whole.csv", "late")

    assert spread.version.metrics["auc"] == pytest.approx(whole.version.metrics["auc"], abs=0.01)
    assert spread.report["split"] == whole.report["split"]


def test_a_version_of_a_cluster_is_one_like_any_other(cluster, own, rows, tmp_path):
    found, _, workspace = trained(tmp_path / "dask", own, "price", on(cluster, 2), time="day")
    rows.iloc[:500].to_parquet(tmp_path / "new.parquet")

    judged = evaluate_on_file(workspace, "price", tmp_path / "new.parquet")

    assert judged.metrics["r2"] > 0.5
    assert found.version.lineage["data"]["file"]["n_rows"] == N_ROWS
    run = Runs(workspace).get(found.run.run_id)
    assert run.is_over
    assert run.metrics["rmse"]


def test_a_sample_stands_for_the_rows_of_a_large_table_and_the_notes_say_so(cluster, own, tmp_path, monkeypatch):
    monkeypatch.setattr("core.domains.table.parted.rows.MOST_SAMPLED", 1_000)

    found, files, _ = trained(tmp_path / "dask", own, "price", on(cluster, 2))

    assert any(
        note.startswith("The gates, the profile, the importances and the slices are of ") for note in found.notes
    )
    assert 700 < found.report["parted"]["n_sampled"] < 1_200
    assert found.report["split"]["n_tested"] == N_ROWS // 5
    signature = json.loads(files["signature.json"])
    least = min(column["least"] for column in signature["inputs"] if column["name"] == "size")
    assert least == pd.read_parquet(own)["size"].min()


def test_a_fault_of_the_table_is_an_error_with_its_place_and_nothing_is_written(cluster, rows, tmp_path):
    bad = rows.drop(columns=["day", "late", "level"])
    bad.loc[5_432, "price"] = np.nan
    bad.to_parquet(tmp_path / "bad.parquet", row_group_size=1_000)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    with pytest.raises(UsageError, match=r"bad\.parquet, row 5432, column 'price': it is empty here"):
        train_on_file(
            workspace,
            TrainRequest("price", tmp_path / "bad.parquet", target="price"),
            settings("price", on(cluster, 2)),
            actor=ANA,
        )
    assert Runs(workspace).all() == []


def refused(workspace, own, chosen, **more):
    train_on_file(workspace, TrainRequest("price", own, target="price", **more), chosen, actor=ANA)


NOBODY = ExecutorSettings(kind="dask", address="tcp://127.0.0.1:1", tables="dask")


@pytest.mark.parametrize(
    ("more", "request_of", "why"),
    [
        pytest.param(
            {"advanced": AdvancedSettings(enable_hyperparameter_tuning=True)},
            {},
            "enable_hyperparameter_tuning of the settings needs all rows in memory",
            id="a search",
        ),
        pytest.param(
            {"ensemble": EnsembleSettings(enable_blending=True), "models": {}}, {}, "an ensemble", id="an ensemble"
        ),
        pytest.param(
            {"models": {"price": ModelSettings(algorithm="linear")}},
            {},
            "algorithm linear needs all rows in memory",
            id="another algorithm",
        ),
        pytest.param({}, {"task": Task.ANOMALY}, "task anomaly needs all rows in memory", id="anomalies"),
    ],
)
def test_what_needs_all_rows_in_memory_is_refused_before_anything_is_read(more, request_of, why, own, tmp_path):
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")
    chosen = msgspec.structs.replace(settings("price", NOBODY), **more)

    with pytest.raises(UsageError, match=why):
        refused(workspace, own, chosen, **request_of)


def test_a_model_of_another_domain_is_refused(own, tmp_path):
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    with pytest.raises(UsageError, match="spread is a model of the domain bonds"):
        train_on_file(workspace, TrainRequest("spread", own, target="price"), settings("spread", NOBODY), actor=ANA)


def test_a_table_with_few_rows_is_refused_with_the_setting_that_trains_it(cluster, own, tmp_path, monkeypatch):
    monkeypatch.setattr(parted_training, "LEAST_ROWS", N_ROWS + 1)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    with pytest.raises(TableError, match=r"it has 18,000 rows.*executor\.tables: memory"):
        refused(workspace, own, settings("price", on(cluster, 2)))


def test_a_table_that_no_worker_can_hold_is_refused(cluster, own, tmp_path, monkeypatch):
    monkeypatch.setattr(parted_training, "_COPIES", 10**9)
    workspace = Workspace.create(tmp_path / "workspace", settings_text="")

    with pytest.raises(TableError, match=r"GiB on each of 2 workers, and one may use .* Start more workers"):
        refused(workspace, own, settings("price", on(cluster, 2)))


@pytest.mark.parametrize(
    ("executor", "limit_mb", "path", "expected"),
    [
        pytest.param({"kind": "thread"}, 1, "own.parquet", False, id="no cluster"),
        pytest.param({}, 0, "own.parquet", False, id="no limit"),
        pytest.param({}, 1, "own.parquet", True, id="beyond the limit"),
        pytest.param({}, 100, "own.parquet", False, id="within the limit"),
        pytest.param({}, 1, "own.csv", True, id="a text beyond the limit"),
        pytest.param({}, 0, ".", True, id="a folder"),
        pytest.param({}, 0, "*.parquet", True, id="a pattern"),
        pytest.param({"tables": "memory"}, 1, "own.parquet", False, id="the settings say memory"),
        pytest.param({"tables": "dask"}, 0, "own.parquet", True, id="the settings say dask"),
        pytest.param({}, 1, "own.jsonl", False, id="what cannot be cut"),
        pytest.param({}, 1, "missing.csv", False, id="what is not there"),
    ],
)
def test_the_workers_read_what_the_memory_cannot_hold(executor, limit_mb, path, expected, own, tmp_path):
    (tmp_path / "own.parquet").write_bytes(own.read_bytes())
    (tmp_path / "own.csv").write_bytes(b"x,y\n" + b"1,2\n" * 100_000)
    (tmp_path / "own.jsonl").write_bytes(b'{"x": 1}\n')
    dask = {"kind": "dask", "address": "tcp://127.0.0.1:1"} if "kind" not in executor else {}
    chosen = TrainingSettings(
        executor=ExecutorSettings(**dask, **executor), trainer=TrainerSettings(memory_limit_mb=limit_mb)
    )

    assert is_read_by_workers(tmp_path / path, chosen) is expected
