"""`bondx rollout status --wait` and `bondx session wait`: a script learns the end by the exit code."""

import functools
import json
import subprocess
import sys
import threading

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.rollout import Rollouts
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def answer(workspace, monkeypatch, called):
    """Run a command and return its exit code, stdout and stderr."""
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    return functools.partial(called, main)


def test_a_wait_ends_with_the_rollout_and_reports_each_change(answer, workspace, monkeypatch):
    rollouts, phases = Rollouts(workspace), []
    has_looked = threading.Event()
    get = Rollouts.get

    def looked(self, rollout_id):
        phases.append((found := get(self, rollout_id)).observed.phase)
        has_looked.set()
        return found

    monkeypatch.setattr(Rollouts, "get", looked)
    abort = threading.Thread(
        target=lambda: has_looked.wait() and rollouts.abort("ro-0002", actor=ANA, reason="a drill")
    )
    abort.start()
    code, out, err = answer("rollout", "status", "--wait")
    abort.join()
    assert code == 1
    assert (phases[0], phases[-1]) == ("running", "aborted")
    assert "ro-0002" in err.splitlines()[0]
    assert "running, step 2 of" in err.splitlines()[0]
    assert "no engine is running" in err.splitlines()[0]
    assert out.endswith(": a drill\n")
    assert out.count("\n") == 1
    assert "a drill" not in err  # the result is on stdout alone


@pytest.mark.parametrize(("phase", "code"), [("promoted", 0), ("finished", 0), ("rolled_back", 1), ("aborted", 1)])
def test_the_exit_code_says_how_a_rollout_ended(answer, workspace, phase, code):
    database = workspace.database("registry")
    with database.transaction():
        table = database.table("rollouts")
        document = next(each for each in table.all() if each["rollout_id"] == "ro-0001")
        table.update({"observed": {**document["observed"], "phase": phase}}, doc_ids=[document.doc_id])
    assert answer("rollout", "status", "ro-0001", "--wait")[0] == code
    found, out, _ = answer("rollout", "status", "ro-0001", "--json")
    assert (found, json.loads(out)["observed"]["phase"]) == (code, phase)


def test_a_wait_that_takes_too_long_exits_as_timeout_does(answer):
    code, out, err = answer("rollout", "status", "ro-0002", "--wait", "--timeout", "0s")
    assert code == 124
    assert err == ""
    assert "ro-0002" in out
    assert out.endswith("; not judged: no engine is running\n")
    assert answer("rollout", "status", "ro-0002")[0] == 0  # without a wait, a running rollout is no failure


def test_a_model_means_its_newest_rollout_and_an_unknown_name_lists_the_choices(answer):
    assert "ro-0001" in answer("rollout", "status", "liquidity_shock")[1]
    code, _, err = answer("rollout", "status", "nothing")
    assert code == 2
    assert "ro-0001 (liquidity_shock)" in err
    assert answer("rollout", "status", "--timeout", "5m")[0] == 2
    assert answer("session", "wait", "--timeout", "soon")[0] == 2


@pytest.mark.parametrize(
    ("phase", "code"), [(SessionPhase.FINISHED, 0), (SessionPhase.STOPPED, 1), (SessionPhase.FAILED, 1)]
)
def test_the_exit_code_says_how_a_session_ended(answer, workspace, phase, code):
    sessions = Sessions(workspace)
    session = next(one for one in sessions.all() if not one.has_ended)
    code_of_wait, out, _ = answer("session", "wait", "--timeout", "0s")
    assert code_of_wait == 124
    assert out.endswith("; waiting: no engine is running\n")
    asked = sessions.request(session.session_id, DesiredSession.STOPPED, actor=ANA)
    database = workspace.database("sessions")
    with database.transaction():
        table = database.table("sessions")
        document = next(each for each in table.all() if each["session_id"] == session.session_id)
        observed = {**document["observed"], "phase": phase, "gave_up_at": asked.revision, "stop_reason": "a drill"}
        table.update({"observed": observed}, doc_ids=[document.doc_id])
    found, out, err = answer("session", "wait", session.session_id)
    assert found == code
    assert f"{session.session_id} {phase}" in out
    assert "a drill" in out
    assert err == ""


@pytest.mark.parametrize("streams", [">&-", "2>&- >/dev/null", "> /dev/full 2>&1", "2>&1 | true"])
def test_the_exit_code_of_a_wait_survives_an_output_that_nobody_takes(workspace, streams):
    command = (
        f"{sys.executable} -m console.cli.main --workspace {workspace.root} rollout status ro-0001 --wait {streams}"
    )
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"], check=False)
    assert done.returncode == 1  # ro-0001 was rolled back
