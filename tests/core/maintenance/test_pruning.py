import json
import shutil
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from console.cli.main import main
from console.commands.prune import KINDS as ON_THE_COMMAND_LINE
from console.verbs.offer import OfferContext
from console.verbs.prune import Prune
from core.actor import Actor
from core.clock import utc_now
from core.errors import RefusedError, UsageError
from core.files import DiskFullError, FileAccessError, remove_tree
from core.governance import AuditLog
from core.maintenance.pruning import KINDS, KindNotPrunedError, KindPlan, Prunable, Pruning, WorkspacePlan
from core.settings import Settings, TrainingSettings
from core.settings.retention import RetentionSettings
from core.state.errors import DamagedFileError
from core.telemetry import TelemetryReader
from core.telemetry.errors import TelemetryError
from core.telemetry.schema import connect_to_read
from core.tracking import Runs, RunStatus
from core.training.session import SessionPhase
from core.training.sessions import Sessions
from tests.clocks import HandClock
from tests.processes import dies
from widgets.glyphs import UNICODE

SET = RetentionSettings(runs=2, epochs=10_000, report_days=30.0)


@pytest.fixture
def ana(person):
    return person


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def pruning(workspace, clock):
    return Pruning(workspace, SET, clock=clock)


@pytest.fixture
def runs(workspace, clock, person):
    """Four ended runs, a long one the last."""
    with Runs(workspace, clock=clock) as opened:
        for number, n_epochs in enumerate((3, 3, 3, 10_500), start=1):
            run = opened.start(name=f"n{number}", actor=person)
            for epoch in range(1, n_epochs + 1):
                opened.log_metrics(run.run_id, epoch, {"mae": 1 / epoch})
            opened._telemetry().flush()
            opened.finish(run.run_id, RunStatus.FINISHED, actor=person)
        yield opened


def keys(plan):
    return [item.key for item in plan.items]


def n_values(workspace, run_id):
    with closing(connect_to_read(workspace.telemetry_file)) as connection:
        return connection.execute("SELECT count(*) FROM epoch WHERE run = ?", (run_id,)).fetchone()[0]


def test_nothing_is_automatic_until_a_rule_is_set(workspace, runs):
    pruning = Pruning(workspace, RetentionSettings())
    assert pruning.automatic() == ()
    assert pruning.plan(pruning.automatic()).items == ()
    assert keys(pruning.plan()) == []


def test_a_plan_changes_nothing_and_is_carried_out_exactly(workspace, pruning, runs, person):
    assert pruning.automatic() == ("runs", "epochs", "reports")
    plan = pruning.plan()
    assert keys(plan) == ["runs:r-0001", "runs:r-0002", "epochs:r-0004"]
    assert keys(pruning.plan()) == keys(plan)
    said = pruning.carry_out(plan, actor=person, reason="tidy")
    assert said.summary == "deleted 2 runs with the metrics, single values of early epochs of 1 run"
    assert keys(pruning.plan()) == []
    assert [run.run_id for run in runs.all()] == ["r-0003", "r-0004"]
    records = AuditLog(workspace).tail(20)
    verbs = [record.verb for record in records if record.reason == "tidy"]
    assert verbs == ["run.prune", "run.prune", "run.thin"]


def test_curves_outlast_the_single_values_of_early_epochs(workspace, pruning, runs, person):
    reader = TelemetryReader(workspace.telemetry_file)
    spans = "SELECT level, epoch, n, total, low, high FROM epoch_span WHERE run = 'r-0004' ORDER BY level, epoch"
    with closing(connect_to_read(workspace.telemetry_file)) as connection:
        before = connection.execute(spans).fetchall()
        pruning.carry_out(pruning.plan(["epochs"]), actor=person, reason="")
        assert connection.execute(spans).fetchall() == before
    assert n_values(workspace, "r-0004") == 10_500 - 496 + 1
    assert reader.epochs("r-0004")["mae"][0][0] == 496
    assert reader.latest_metrics("r-0004") == {"mae": pytest.approx(1 / 10_500)}
    assert n_values(workspace, "r-0003") == 3


def test_reports_of_long_ended_sessions_go_and_final_reports_stay(workspace, pruning, clock, person):
    sessions = Sessions(workspace, clock=clock)
    old, young, running = (sessions.start(TrainingSettings(), name="", actor=person).session_id for _ in range(3))
    for session_id, days in ((old, 40), (young, 20)):
        sessions.observe(
            session_id,
            "session.test",
            actor=Actor.engine(),
            phase=SessionPhase.FINISHED,
            ended_at=clock() - timedelta(days=days),
        )
    for session_id in (old, young, running):
        folder = workspace.reports_dir / session_id / "epochs"
        folder.mkdir(parents=True)
        (folder / "epochs_000001.jsonl").write_text("{}")
        (folder.parent / "final_report.json").write_text("{}")
        (folder.parent / "datasets" / "test").mkdir(parents=True)
        (folder.parent / "datasets" / "test" / "data.csv").write_text("1\n")
    assert keys(pruning.plan(["reports"])) == [f"reports:{old}"]
    pruning.carry_out(pruning.plan(["reports"]), actor=person, reason="")
    assert not (workspace.reports_dir / old / "epochs").exists()
    assert not (workspace.reports_dir / old / "datasets").exists()
    assert (workspace.reports_dir / old / "final_report.json").exists()
    assert all((workspace.reports_dir / session_id / "epochs").is_dir() for session_id in (young, running))


@pytest.fixture
def old_reports(workspace, clock, person):
    """Reports of sessions that ended long ago, by session."""
    sessions, folders = Sessions(workspace, clock=clock), {}
    for _ in range(2):
        session_id = sessions.start(TrainingSettings(), name="", actor=person).session_id
        ended = clock() - timedelta(days=40)
        sessions.observe(session_id, "session.test", actor=Actor.engine(), phase=SessionPhase.FINISHED, ended_at=ended)
        folders[session_id] = workspace.reports_dir / session_id / "epochs"
        folders[session_id].mkdir(parents=True)
        (folders[session_id] / "epochs_000001.jsonl").write_text("{}")
    return folders


def test_a_plan_that_no_longer_holds_is_refused_and_removes_nothing(workspace, pruning, clock, person, old_reports):
    plan = pruning.plan(["reports"])
    _, last = old_reports
    Sessions(workspace, clock=clock).observe(
        last, "session.test", actor=Actor.engine(), phase=SessionPhase.FINISHED, ended_at=clock()
    )
    with pytest.raises(KindNotPrunedError, match=f"The reports of {last} must stay now; none were removed"):
        pruning.carry_out(plan, actor=person, reason="")
    assert all(folder.is_dir() for folder in old_reports.values())


def test_what_another_process_has_deleted_is_neither_refused_nor_counted(workspace, pruning, runs, person, old_reports):
    plan = pruning.plan()
    other = Pruning(workspace, RetentionSettings(runs=3, report_days=30.0), clock=pruning._kinds["runs"].clock)
    shutil.rmtree(old_reports["s-0002"])
    assert other.carry_out(other.plan(["runs"]), actor=person, reason="").summary == "deleted 1 run with the metrics"
    result = pruning.carry_out(plan, actor=person, reason="tidy")
    assert keys(WorkspacePlan(kinds=result.kinds)) == ["runs:r-0002", "epochs:r-0004", "reports:s-0001"]
    assert result.left == ()
    again = pruning.carry_out(plan, actor=person, reason="tidy")
    assert (again.summary, keys(WorkspacePlan(kinds=again.kinds))) == ("", [])


@pytest.mark.parametrize("kind", ["runs", "versions", "rollouts", "epochs", "reports", "stress"])
def test_a_prune_at_the_same_moment_leaves_the_rest_to_this_one(workspace, pruning, person, kind, monkeypatch):
    """Whatever the kind: what goes between the look and the deletion is left out, and the rest is deleted."""
    there, asked = {"a", "b", "c"}, []

    def remove(items, *, actor, reason):
        asked.append([item.name for item in items])
        if len(asked) == 1:
            there.remove("b")
        if any(item.name not in there for item in items):
            raise RefusedError("b must stay now")
        return []

    monkeypatch.setattr(pruning._kinds[kind], "present", lambda items: there)
    monkeypatch.setattr(pruning._kinds[kind], "remove", remove)
    items = tuple(Prunable(kind=kind, name=name, what="") for name in "abc")
    listed = KindPlan(kind=kind, rule="", is_automatic=True, items=items)
    result = pruning.carry_out(WorkspacePlan(kinds=(listed,)), actor=person, reason="")
    assert asked == [["a", "b", "c"], ["a", "c"]]
    assert [item.name for item in result.kinds[0].items] == ["a", "c"]


def test_on_a_full_disk_what_needs_no_room_makes_room_for_the_rest(pruning, runs, person, old_reports, monkeypatch):
    kind, tries = pruning._kinds["runs"], count(1)
    remove = kind.remove

    def remove_if_there_is_room(items, *, actor, reason):
        next(tries)
        if any(folder.exists() for folder in old_reports.values()):
            raise DiskFullError(Path("runs.json"), "write", "No space left on device")
        return remove(items, actor=actor, reason=reason)

    monkeypatch.setattr(kind, "remove", remove_if_there_is_room)
    result = pruning.carry_out(pruning.plan(["runs", "reports"]), actor=person, reason="")
    assert result.summary == "deleted 2 runs with the metrics, the reports of the epochs of 2 sessions"
    assert next(tries) == 3


@pytest.mark.parametrize(
    "error",
    [
        DiskFullError(Path("runs.json"), "write", "No space left on device"),
        TelemetryError("disk is full"),
        RefusedError("a run must stay now"),
        DamagedFileError(Path("runs.json"), "it is empty", None),
    ],
    ids=["full", "telemetry", "refused", "damaged"],
)
def test_a_kind_that_cannot_be_deleted_keeps_no_other_from_going(
    pruning, runs, person, old_reports, monkeypatch, error, caplog
):
    def refuse(items, *, actor, reason):
        raise error

    caplog.set_level("INFO")
    monkeypatch.setattr(pruning._kinds["runs"], "remove", refuse)
    with pytest.raises(KindNotPrunedError) as caught:
        pruning.carry_out(pruning.plan(["runs", "reports"]), actor=person, reason="")
    assert caught.value.first is error
    assert caught.value.exit_code == error.exit_code
    assert str(error) in str(caught.value)
    assert "Of the other kinds, the prune deleted the reports of the epochs of 2 sessions." in str(caught.value)
    assert not any(folder.exists() for folder in old_reports.values())
    assert "deleted the reports of the epochs of 2 sessions" in caplog.text
    assert len(runs.all()) == 4


@pytest.fixture
def damaged_runs(workspace, old_reports):
    """A workspace whose runs cannot be read, with reports to delete."""
    workspace.settings_file.write_text("retention: {runs: 5, report_days: 30}\n")
    file = workspace.state_file("runs")
    file.write_text("{")
    return file


def test_a_kind_that_cannot_be_listed_keeps_no_other_from_going(pruning, person, old_reports, damaged_runs):
    plan = pruning.plan(["runs", "reports"])
    assert [kind.kind for kind in plan.kinds] == ["reports"]
    (unlisted,) = plan.unlisted
    assert unlisted.kind == "runs"
    assert str(damaged_runs) in unlisted.why
    with pytest.raises(KindNotPrunedError, match="Of the other kinds, the prune deleted the reports") as caught:
        pruning.carry_out(plan, actor=person, reason="")
    assert isinstance(caught.value.first, DamagedFileError)
    assert not any(folder.exists() for folder in old_reports.values())


def test_a_kind_that_can_be_listed_again_waits_for_the_next_review(pruning, person, old_reports, damaged_runs):
    plan = pruning.plan(["runs", "reports"])
    damaged_runs.unlink()
    with pytest.raises(KindNotPrunedError, match="Review the plan again") as caught:
        pruning.carry_out(plan, actor=person, reason="")
    assert isinstance(caught.value.first, RefusedError)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_the_command_lists_and_deletes_the_other_kinds(workspace, called, old_reports, damaged_runs, form):
    for consent, is_there in ((), True), (("--yes",), False):
        code, out, err = called(main, "--workspace", workspace.root, "prune", *consent, *form)
        assert code == DamagedFileError(damaged_runs, "it is empty", None).exit_code
        assert str(damaged_runs) in err
        assert next(iter(old_reports)) in out or consent
        assert all(folder.exists() is is_there for folder in old_reports.values())


def test_the_console_and_the_control_api_name_the_kind(workspace, person, old_reports, damaged_runs, api):
    context = OfferContext(workspace=workspace, actor=person, glyphs=UNICODE, absence=None)
    offer = Prune().offer(context, None)
    assert offer.refusal is None
    assert any(str(damaged_runs) in str(line) for line in offer.lines)
    assert str(damaged_runs) in str(Prune().offer(context, None, "runs").refusal)
    plan = api.post("/api/v1/prunes/plans", json={}).json()
    assert [kind["kind"] for kind in plan["unlisted"]] == ["runs"]
    assert [kind["kind"] for kind in plan["kinds"]] == ["reports"]


def test_a_folder_that_two_remove_at_once_is_removed_by_both(workspace, pruning, person, old_reports, monkeypatch):
    calls = count(1)

    def remove_beside_another(path, *, root):
        if next(calls) == 1:
            (path / "epochs_000001.jsonl").unlink()
            raise FileAccessError(path, "remove", "No such file or directory") from FileNotFoundError()
        remove_tree(path, root=root)

    monkeypatch.setattr("core.maintenance.pruning.remove_tree", remove_beside_another)
    result = pruning.carry_out(pruning.plan(["reports"]), actor=person, reason="")
    assert result.left == ()
    assert not any(folder.exists() for folder in old_reports.values())


def test_the_command_says_that_everything_was_gone(workspace, person, capsys, monkeypatch, runs):
    monkeypatch.setattr("core.settings.settings_in_force", lambda root: Settings(retention=SET))
    carry_out = Pruning.carry_out

    def after_another(pruning, plan, *, actor, reason):
        carry_out(pruning, plan, actor=actor, reason="the other")
        return carry_out(pruning, plan, actor=actor, reason=reason)

    monkeypatch.setattr(Pruning, "carry_out", after_another)
    assert main(["--workspace", str(workspace.root), "prune", "runs", "--yes"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "deleted nothing: everything on the list was gone already"


@pytest.mark.parametrize("linked", ["reports", "reports/{}", "reports/{}/epochs", "reports/{}/datasets"])
def test_nothing_is_deleted_through_a_link(workspace, pruning, clock, person, tmp_path, caplog, linked):
    sessions = Sessions(workspace, clock=clock)
    name = sessions.start(TrainingSettings(), name="", actor=person).session_id
    ended = clock() - timedelta(days=40)
    sessions.observe(name, "session.test", actor=Actor.engine(), phase=SessionPhase.FINISHED, ended_at=ended)
    folder = workspace.reports_dir / name / ("datasets" if linked.endswith("datasets") else "epochs")
    folder.mkdir(parents=True)
    (folder / "precious").write_text("{}")
    link, victim = workspace.root / linked.format(name), tmp_path / "victim"
    link.rename(victim)
    link.symlink_to(victim)
    result = pruning.carry_out(pruning.plan(["reports"]), actor=person, reason="")
    assert result.summary.startswith(f"deleted nothing; left the reports of {name}: {link} is a link")
    assert [(thing.kind, thing.name) for thing in result.left] == [("reports", name)]
    assert "not deleted: the reports of" in caplog.text
    assert (folder / "precious").exists()
    with pytest.raises(FileAccessError):  # also where the link comes between the look and the deletion
        remove_tree(folder, root=workspace.root)
    assert (folder / "precious").exists()


def test_the_command_and_the_control_api_name_what_was_left_and_why(workspace, person, api, tmp_path, capsys):
    sessions = Sessions(workspace)
    name = sessions.start(TrainingSettings(), name="", actor=person).session_id
    ended = utc_now() - timedelta(days=40)
    sessions.observe(name, "session.test", actor=Actor.engine(), phase=SessionPhase.FINISHED, ended_at=ended)
    (tmp_path / "victim" / "epochs").mkdir(parents=True)
    link = workspace.reports_dir / name
    link.symlink_to(tmp_path / "victim")
    why = f"{link} is a link, and may lead to files of others"
    left = [{"kind": "reports", "name": name, "why": why}]
    assert main(["--workspace", str(workspace.root), "prune", "reports", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == left
    wish = {"kinds": ["reports"], "expected": [f"reports:{name}"]}
    assert api.post("/api/v1/prunes", json=wish).json()["left"] == left
    assert (tmp_path / "victim" / "epochs").is_dir()


def test_an_unknown_kind_is_refused_with_the_choices(pruning):
    with pytest.raises(
        UsageError, match="'models' cannot be pruned: choose of runs, versions, rollouts, epochs, reports, stress"
    ):
        pruning.plan(["models"])


@pytest.mark.crash
def test_kill_9_in_the_middle_of_a_prune_is_completed_by_the_next(workspace, pruning, runs, person):
    for point in count(1):
        was_killed = dies(point, lambda: pruning.carry_out(pruning.plan(), actor=person, reason=""))
        if not was_killed:
            break
        stored = {run.run_id for run in runs.all()}
        assert {"r-0003", "r-0004"} <= stored
    assert keys(pruning.plan()) == []
    assert n_values(workspace, "r-0001") == n_values(workspace, "r-0002") == 0
    assert n_values(workspace, "r-0004") == 10_500 - 496 + 1


def test_the_console_spells_every_kind_that_can_be_pruned():
    """It spells them itself, so that neither `--help` nor a completion imports what prunes."""
    (argument,) = Prune.command.options
    assert tuple(argument.choices(None, ())) == ON_THE_COMMAND_LINE == KINDS
