"""What `bondx status`, `bondx logs` and `:export!` claim about times and files."""

import json
from argparse import ArgumentTypeError
from dataclasses import replace
from datetime import timedelta

import pytest

from console.cli.main import main
from console.commands.status import N_ALERTS, exit_code, facts_of
from console.commands.typed_numbers import count
from console.table_file import TableFile
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.clock import utc_now
from core.engine import Engine
from core.errors import RefusedError
from core.replication.contacts import host_headers, note_contact
from core.replication.standing import ReplicaStanding, standing_file, store_standing
from core.state import read_lease
from core.view.source import SnapshotSource
from tests.console.conftest import NOW

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


def test_the_future_has_no_status(workspace, called):
    code, out, err = called(main, "--workspace", workspace.root, "status", "--at", "2099-01-01T00:00")
    assert (code, out) == (2, "")
    assert "--at 2099-01-01T00:00 is in the future" in err


def test_figures_that_nobody_measures_any_more_say_when_they_were_measured(workspace):
    snapshot = SnapshotSource(workspace, clock=lambda: NOW).take()
    measured = replace(snapshot, engine=None, resources={"resource.cpu_percent": ((NOW.timestamp(), 12.0),)})
    assert facts_of(measured)["resources_at"] == NOW


def test_a_reader_may_wait_for_new_lines_alone(workspace, called):
    assert called(main, "--workspace", workspace.root, "logs", "-n", "0")[:2] == (0, "")


@pytest.mark.parametrize("text", ["٢", "1_0", "２", "0", "-1", "9" * 5000])
def test_a_count_is_written_in_ascii_digits(text):
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        count(text)


def test_a_link_is_not_replaced_by_a_list(tmp_path):
    target, link = tmp_path / "kept.csv", tmp_path / "link.csv"
    target.write_text("kept")
    link.symlink_to(target)
    with pytest.raises(RefusedError, match="is a link to"):
        TableFile(link, "a list", 1, 0, replaces=True)._write()
    assert (link.is_symlink(), target.read_text()) == (True, "kept")


def test_the_worst_alerts_are_listed_and_the_others_counted(workspace, called):
    alerts = Alerts(workspace)
    for number in range(30):
        alerts.fire("gate_failed", labels={"session": f"s-{number:04d}"}, summary=f"gate {number}", now=NOW)
    alerts.fire("hash_mismatch", labels={"session": "s-0001"}, summary="epoch_0002: forged", now=NOW)
    n_open = len(alerts.open())

    def lines(*options):
        out = called(main, "--workspace", workspace.root, "status", *options)[1]
        return [line.removeprefix("alert: ") for line in out.splitlines() if line.startswith("alert: ")]

    nobody, *worst = lines("--plain")
    assert nobody.endswith("no engine is running, so nothing is evaluated")
    assert worst[0].startswith("critical firing")
    assert "critical firing epoch_0002: forged" in worst
    assert len(worst) == N_ALERTS + 1
    assert worst[-1].startswith(f"and {n_open - N_ALERTS} more (")
    assert worst[-1].endswith("): --all lists them")
    assert len(lines("--plain", "--all")) == n_open + 1


def test_the_status_says_which_replicas_follow_and_which_are_behind(workspace, called):
    now = utc_now()
    for host, has_all, minutes in (("edge-1", True, 0), ("edge-2", False, 0), ("edge-3", True, 60)):
        asked = now - timedelta(minutes=minutes)
        note_contact(workspace, ANA, host_headers(host, 5.0), asked, has_all=has_all)
    out = called(main, "--workspace", workspace.root, "status", "--plain")[1]
    lines = [line for line in out.splitlines() if line.startswith("replica: ")]
    assert lines[0] == "replica: user:ana on edge-1: current"
    assert lines[1].startswith("replica: user:ana on edge-2: behind since 2")
    assert lines[2].startswith("replica: user:ana on edge-3: silent since 2")
    found = json.loads(called(main, "--workspace", workspace.root, "status", "--json")[1])
    assert [each["state"] for each in found["replicas"]] == ["current", "behind", "silent"]
    assert found["follows"] is None


def test_the_status_of_a_replica_that_is_cut_off_says_since_when_and_fails(workspace, called):
    workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501'}}\n")
    store_standing(standing_file(workspace.root), ReplicaStanding(url="http://desk:8501", contact_at=utc_now()))
    out = called(main, "--workspace", workspace.root, "status", "--plain")[1]
    assert "follows: http://desk:8501\n" in out
    assert "has not answered" not in out
    cut = ReplicaStanding(url="http://desk:8501", contact_at=utc_now() - timedelta(hours=1))
    store_standing(standing_file(workspace.root), cut)
    code, out, _ = called(main, "--workspace", workspace.root, "status", "--plain")
    assert code == 1
    assert "problem: http://desk:8501 has not answered since " in out


def test_the_status_of_a_replica_leaves_judging_to_the_engine_of_its_desk(workspace, called):
    workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501'}}\n")
    store_standing(standing_file(workspace.root), ReplicaStanding(url="http://desk:8501", contact_at=utc_now()))
    out = called(main, "--workspace", workspace.root, "status", "--plain")[1]
    assert "engine: none here: that of http://desk:8501 trains and judges\n" in out
    assert "no engine is running" not in out
    snapshot = SnapshotSource(workspace).take()
    assert (snapshot.follows, snapshot.absence) == ("http://desk:8501", None)
    facts = {"alerts": [], "sessions": [], "health": [], "rollouts": ["r"], "problems": [], "engine": None}
    assert exit_code({**facts, "follows": "http://desk:8501"}) == 0
    assert exit_code({**facts, "follows": None}) == 1


@pytest.mark.parametrize("flags", [(), ("--headless",), ("--headless", "--no-session")])
def test_a_replica_runs_no_engine(workspace, called, flags):
    workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501'}}\n")
    code, out, err = called(main, "--workspace", workspace.root, "run", *flags)
    assert (code, out) == (3, "")
    assert "No engine runs here: this workspace is a replica of http://desk:8501" in err
    with pytest.raises(RefusedError, match="replica of http://desk:8501"):
        Engine(workspace, mode="embedded", actor=ANA).start()
    assert read_lease(workspace) is None


def test_a_damaged_list_of_replicas_is_a_problem_of_the_status(workspace, called):
    workspace.state_file("replicas").write_text("{")
    code, out, _ = called(main, "--workspace", workspace.root, "status", "--plain")
    assert code == 1
    assert "problem: " in out
    assert "replicas" in out
