import hashlib
from collections import Counter
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from core.actor import Actor, Origin
from core.errors import ExitCode, RefusedError, UsageError
from core.governance.audit_log import AuditLog
from core.state import UnstorableValueError, Workspace
from core.state.storage import GenerationStorage
from core.telemetry import TelemetryWriter
from core.telemetry.forgetting import BY_RUN
from core.telemetry.schema import connect_to_read
from core.telemetry.writing import WriteConnection
from core.tracking import Run, RunIsOverError, RunNotFoundError, Runs, RunStatus
from core.tracking import runs as runs_module
from tests.clocks import HandClock
from tests.processes import dies

ANA = Actor("ana", "desk", Origin.CONSOLE)


@pytest.fixture
def runs(workspace: Workspace):
    with Runs(workspace, clock=HandClock(step=timedelta(seconds=1))) as opened:
        yield opened


def test_a_run_records_what_went_in_and_where_it_runs(runs: Runs) -> None:
    run = runs.start(
        name="nightly",
        actor=ANA,
        session_id="s-0001",
        parameters={"random_seed": 42, "ensemble": {"enable_stacking": False}},
        data_hashes={"train": "ab12"},
        tags={"desk": "credit"},
    )
    assert runs.get("r-0001") == run
    assert (run.status, run.started_by, run.session_id) == (RunStatus.RUNNING, "ana@desk", "s-0001")
    assert run.parameters["ensemble"] == {"enable_stacking": False}
    assert run.environment["packages"]["msgspec"]
    assert run.environment["python"].startswith("3.")


def test_runs_are_numbered_in_order_even_past_four_digits(runs: Runs, workspace: Workspace) -> None:
    first = runs.start(name="first", actor=ANA)
    documents = workspace.database("runs").documents("runs", type(first), "run_id")
    documents.insert(type(first)(**{**as_fields(first), "run_id": "r-9999"}))
    assert runs.start(name="next", actor=ANA).run_id == "r-10000"
    assert [run.run_id for run in runs.all()] == ["r-0001", "r-9999", "r-10000"]


def as_fields(run) -> dict:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def test_metrics_have_a_history_and_a_last_value(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA)
    for epoch, loss in enumerate([0.5, 0.3, 0.4], start=1):
        runs.log_metrics(run.run_id, epoch, {"spread.loss": loss})
    finished = runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert finished.metrics == {"spread.loss": 0.4}
    assert runs.metric_history(run.run_id) == {"spread.loss": [(1, 0.5), (2, 0.3), (3, 0.4)]}
    assert finished.duration_seconds > 0


def test_a_run_that_still_runs_shows_its_latest_metrics(runs: Runs, workspace: Workspace) -> None:
    run = runs.start(name="nightly", actor=ANA)
    with TelemetryWriter(workspace.telemetry_file) as writer:
        shared = Runs(workspace, telemetry=writer)
        shared.log_metrics(run.run_id, 1, {"score": 0.7})
        writer.flush()
        assert runs.get(run.run_id).metrics == {"score": 0.7}
        assert shared.finish(run.run_id, RunStatus.STOPPED, actor=ANA).metrics == {"score": 0.7}


def test_artifacts_are_recorded_with_their_hash_and_their_path_in_the_workspace(
    runs: Runs, workspace: Workspace
) -> None:
    run = runs.start(name="nightly", actor=ANA)
    report = workspace.reports_dir / "final.json"
    for content in (b"{}", b'{"score": 1}'):
        report.write_bytes(content)
        (noted,) = runs.log_artifact(run.run_id, report, actor=ANA).artifacts
    assert (noted.path, noted.n_bytes) == ("reports/final.json", 12)
    assert noted.sha256 == hashlib.sha256(b'{"score": 1}').hexdigest()


def test_a_file_that_cannot_be_read_is_named(runs: Runs, tmp_path: Path) -> None:
    run = runs.start(name="nightly", actor=ANA)
    with pytest.raises(UsageError, match=r"nowhere.json cannot be recorded with the run: No such file"):
        runs.log_artifact(run.run_id, tmp_path / "nowhere.json", actor=ANA)


def test_data_hashes_may_come_in_later(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA, data_hashes={"train": "ab"})
    assert runs.set_data_hashes(run.run_id, {"test": "cd"}, actor=ANA).data_hashes == {"train": "ab", "test": "cd"}


def test_a_run_that_is_over_takes_nothing_more_until_it_is_reopened(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA)
    runs.finish(run.run_id, RunStatus.LOST, actor=ANA, reason="the engine was killed")
    with pytest.raises(RunIsOverError, match="Run r-0001 is lost") as refusal:
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert refusal.value.exit_code is ExitCode.REFUSED
    reopened = runs.reopen(run.run_id, actor=ANA)
    assert (reopened.status, reopened.ended_at) == (RunStatus.RUNNING, None)
    assert runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA).is_over


def test_a_metric_that_was_never_finite_is_named_without_a_value(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA)
    runs.log_metrics(run.run_id, 1, {"score": 0.5, "downgrade.auc": float("nan")})
    ended = runs.finish(run.run_id, RunStatus.FAILED, actor=ANA)
    assert (ended.metrics, ended.undefined, ended.diverged) == ({"score": 0.5}, ("downgrade.auc",), ())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_metric_whose_last_value_is_not_finite_has_no_value_and_no_filter_on_values_finds_it(
    runs: Runs, value: float, workspace: Workspace
) -> None:
    with TelemetryWriter(workspace.telemetry_file) as telemetry, Runs(workspace, telemetry=telemetry) as live:
        run = live.start(name="nightly", actor=ANA)
        for epoch, accuracy in enumerate((0.9, 0.95, value)):
            live.log_metrics(run.run_id, epoch, {"accuracy": accuracy})
        telemetry.flush()
        assert (runs.get(run.run_id).metrics, runs.get(run.run_id).undefined) == ({}, ("accuracy",))  # while it runs
        live.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    ended = runs.get(run.run_id)
    assert (ended.metrics, ended.diverged, ended.undefined) == ({}, (), ("accuracy",))
    assert runs.search("metrics.accuracy > 0.5") == runs.search("metrics.accuracy <= 0.95") == []
    assert runs.search("metrics.accuracy is null") == [ended]
    assert runs.metric_history(run.run_id) == {"accuracy": [(0, 0.9), (1, 0.95)]}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_loss_that_is_not_finite_in_the_end_has_diverged(runs: Runs, value: float) -> None:
    run = runs.start(name="nightly", actor=ANA)
    runs.log_metrics(run.run_id, 1, {"val/loss": 0.5, "auc": 0.9})
    runs.log_metrics(run.run_id, 2, {"val/loss": value, "auc": value})
    ended = runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert (ended.metrics, ended.diverged) == ({}, ("val/loss",))
    assert ended.undefined == ("auc",)  # an undefined score has not diverged
    assert runs.metric_history(run.run_id)["val/loss"] == [(1, 0.5)]
    assert [found.run_id for found in runs.search("diverged = true")] == [run.run_id]
    assert runs.search("metrics.`val/loss` < 1") == []


def test_a_loss_that_recovers_has_not_diverged(runs: Runs, workspace: Workspace) -> None:
    with TelemetryWriter(workspace.telemetry_file) as telemetry, Runs(workspace, telemetry=telemetry) as live:
        run = live.start(name="nightly", actor=ANA)
        live.log_metrics(run.run_id, 1, {"loss": float("nan")})
        telemetry.flush()
        assert runs.get(run.run_id).diverged == ("loss",)  # while it runs, too
        live.log_metrics(run.run_id, 2, {"loss": 0.4})
        ended = live.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert (ended.metrics, ended.diverged) == ({"loss": 0.4}, ())


def test_a_comparison_says_which_loss_diverged_and_which_metric_is_undefined(runs: Runs) -> None:
    for value in (0.4, float("nan")):
        run = runs.start(name="nightly", actor=ANA)
        runs.log_metrics(run.run_id, 1, {"loss": value, "auc": value})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    compared = runs.compare(["r-0001", "r-0002"])
    assert next(row.values for row in compared.rows if row.name == "loss") == (0.4, "diverged")
    assert next(row.values for row in compared.rows if row.name == "auc") == (0.4, "undefined")


def test_a_run_cannot_end_as_running(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA)
    with pytest.raises(UsageError, match="finished, failed, stopped or lost"):
        runs.finish(run.run_id, RunStatus.RUNNING, actor=ANA)


@pytest.mark.parametrize("run_id", ["r-0404", "", "../r-0001", "r-x"])
def test_an_unknown_run_is_answered_with_the_known_runs(runs: Runs, run_id: str) -> None:
    runs.start(name="nightly", actor=ANA)
    with pytest.raises(RunNotFoundError, match=r"Runs to choose from: r-0001"):
        runs.get(run_id)


def test_parameters_that_json_cannot_keep_are_refused(runs: Runs) -> None:
    with pytest.raises(UnstorableValueError, match="threshold"):
        runs.start(name="nightly", actor=ANA, parameters={"threshold": float("nan")})
    assert runs.all() == []


def test_pruning_removes_the_oldest_runs_that_nothing_refers_to(runs: Runs) -> None:
    for number in range(5):
        run = runs.start(name=f"night {number}", actor=ANA)
        if number != 2:
            runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert runs.prune(keep=2, referenced={"r-0001"}, actor=ANA) == 3
    assert [run.run_id for run in runs.all()] == ["r-0001", "r-0003"]
    assert runs.prune(keep=2, referenced=(), actor=ANA) == 0


def test_every_change_of_a_run_is_in_the_audit_log(runs: Runs, workspace: Workspace) -> None:
    run = runs.start(name="nightly", actor=ANA, reason="the new data came")
    runs.finish(run.run_id, RunStatus.STOPPED, actor=ANA, reason="enough")
    started, stopped = AuditLog(workspace).tail(2)
    assert (started.verb, started.reason) == ("run.start", "the new data came")
    assert (stopped.verb, stopped.object, stopped.after["status"]) == ("run.finish", "r-0001", "stopped")


def test_a_run_whose_part_stays_is_not_pruned(runs: Runs) -> None:
    whole = runs.start(name="whole", actor=ANA)
    part = runs.start(name="part", actor=ANA, parent_id=whole.run_id)
    other = runs.start(name="other", actor=ANA)
    for run in (whole, part, other):
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert [run.name for run in runs.prunable(keep=0, referenced={part.run_id})] == ["other"]
    assert runs.prune(keep=1, referenced=(), actor=ANA) == 2
    assert [run.name for run in runs.all()] == ["other"]


def test_a_part_needs_an_existing_parent(runs: Runs) -> None:
    with pytest.raises(RunNotFoundError):
        runs.start(name="part", actor=ANA, parent_id="r-0404")


def test_tags_may_change_after_a_run_has_ended(runs: Runs) -> None:
    run = runs.start(name="nightly", actor=ANA)
    runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    assert runs.set_tags(run.run_id, {"good": "yes"}, actor=ANA).tags == {"good": "yes"}


def metrics_of(workspace: Workspace) -> dict[str, int]:
    """Count the rows of each run in the telemetry, heartbeats included."""
    with closing(connect_to_read(workspace.telemetry_file)) as connection:
        rows = connection.execute("SELECT CASE WHEN run = '~heartbeats' THEN name ELSE run END FROM epoch").fetchall()
    return Counter(run_id for (run_id,) in rows)


def log_three_runs(workspace: Workspace) -> None:
    with Runs(workspace) as runs:
        for number in (1, 2, 3):
            run = runs.start(name=f"night {number}", actor=ANA)
            runs.beat(run.run_id)
            for epoch in (1, 2):
                runs.log_metrics(run.run_id, epoch, {"mae": 0.1, "rmse": 0.2})
            runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)


def test_a_removed_run_leaves_no_metrics_and_no_heartbeat(workspace: Workspace, caplog) -> None:
    log_three_runs(workspace)
    assert metrics_of(workspace) == {"r-0001": 5, "r-0002": 5, "r-0003": 5}
    with caplog.at_level("INFO"):
        assert Runs(workspace).prune(keep=1, referenced=(), actor=ANA) == 2
    assert metrics_of(workspace) == {"r-0003": 5}
    assert "removed 2 runs, r-0001 to r-0002: only 1 runs are kept" in caplog.text


def test_rows_of_a_large_run_are_deleted_in_slices(workspace: Workspace, monkeypatch) -> None:
    monkeypatch.setattr("core.telemetry.forgetting._SLICE", 1)
    log_three_runs(workspace)
    assert Runs(workspace).prune(keep=2, referenced=(), actor=ANA) == 1
    assert metrics_of(workspace) == {"r-0002": 5, "r-0003": 5}


def test_a_prune_of_many_runs_writes_no_more_often_than_one_of_few(workspace: Workspace, monkeypatch) -> None:
    written: list[str] = []

    def counted(owner, name):
        original = getattr(owner, name)

        def noted(self, *args, **kwargs):
            written.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, noted)

    counted(GenerationStorage, "write_table")
    counted(WriteConnection, "transaction")
    n_written = []
    for n_runs in (2, 20):
        with Runs(workspace) as runs:
            for _ in range(n_runs):
                runs.finish(runs.start(name="night", actor=ANA).run_id, RunStatus.FINISHED, actor=ANA)
            written.clear()
            assert runs.prune(keep=0, referenced=(), actor=ANA) == n_runs
        n_written.append(Counter(written))
    few, many = n_written
    assert few == many


def test_every_table_that_belongs_to_runs_is_emptied(workspace: Workspace) -> None:
    log_three_runs(workspace)
    with closing(connect_to_read(workspace.telemetry_file)) as connection:
        statement = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE c.name = 'run'"
        assert {name for (name,) in connection.execute(statement)} == set(BY_RUN)


def test_the_number_of_a_removed_run_is_never_given_again(workspace: Workspace) -> None:
    log_three_runs(workspace)
    runs = Runs(workspace)
    assert runs.prune(keep=0, referenced=(), actor=ANA) == 3
    assert runs.start(name="next", actor=ANA).run_id == "r-0004"


def test_a_run_that_must_stay_by_now_is_not_removed(workspace: Workspace, monkeypatch) -> None:
    log_three_runs(workspace)
    runs = Runs(workspace)
    plans = iter([runs.all()[:2], runs.all()[:1]])
    monkeypatch.setattr(runs, "prunable", lambda **_: next(plans))
    with pytest.raises(RefusedError, match="r-0002 must stay now; nothing was removed"):
        runs.prune(keep=1, referenced=(), actor=ANA)
    assert len(runs.all()) == 3
    assert metrics_of(workspace) == {"r-0001": 5, "r-0002": 5, "r-0003": 5}


@pytest.mark.crash
def test_kill_9_in_the_middle_of_a_prune_leaves_what_the_next_completes(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "git_state", lambda _: None)  # git would run three times at every point
    n_removals = 0
    for point in count(1):
        log_three_runs(workspace)
        before = [run.run_id for run in Runs(workspace).all()]
        was_killed = dies(point, lambda: Runs(workspace).prune(keep=1, referenced=(), actor=ANA))
        AuditLog(workspace).drain()
        runs = Runs(workspace)
        stored = [run.run_id for run in runs.all()]
        assert stored in (before, before[-1:])
        n_removals += was_killed and stored != before
        runs.complete_removals(actor=ANA)
        assert list(metrics_of(workspace)) == stored
        assert AuditLog(workspace).verify().ok
        if not was_killed:
            break
        runs.prune(keep=1, referenced=(), actor=ANA)
    assert 0 < n_removals < point


def test_an_ended_run_is_held_in_brief_by_who_lists_runs_and_whole_by_everybody_else(
    workspace: Workspace, runs: Runs
) -> None:
    ended = runs.start(name="sweep", actor=ANA, parameters={"depth": 3})
    runs.finish(ended.run_id, RunStatus.FINISHED, actor=ANA)
    going = runs.start(name="goes on", actor=ANA, parameters={"depth": 4})
    newest, oldest = Runs(workspace).latest_in_brief()

    assert (type(newest), newest.run_id) == (Run, going.run_id), "what still changes is whole"
    assert isinstance(oldest, Run)
    assert type(oldest) is not Run
    assert (oldest.parameters, oldest.environment) == ({"depth": 3}, runs.get(ended.run_id).environment)
    for found in (runs.all(), runs.latest(), runs.search("params.depth = 3")):
        assert {type(run) for run in found} == {Run}, "anybody may encode it"
