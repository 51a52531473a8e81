"""`bondx rollout` from the shell: start, look, hold, go on, take back; scripts get JSON and exit codes."""

import functools
import json
import shutil

import pytest

from console.cli.main import main
from core.rollout import DesiredRollout, Rollouts
from tools.demo import OPERATOR


@pytest.fixture
def rollouts(workspace, monkeypatch) -> Rollouts:
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    return Rollouts(workspace)


@pytest.fixture
def answer(rollouts, called):
    """Run a command and return its exit code, stdout and stderr."""
    return functools.partial(called, main, "rollout")


def test_rollouts_are_listed_newest_first(answer):
    code, out, _ = answer("list", "--json")
    assert code == 0
    assert [(row["rollout_id"], row["phase"], row["share"]) for row in json.loads(out)] == [
        ("ro-0002", "running", 0.1),
        ("ro-0001", "rolled_back", 0.0),
    ]
    code, out, _ = answer("list", "--active")
    assert "ro-0002" in out
    assert "ro-0001" not in out


def test_a_rollout_is_shown_with_guards_and_events(answer):
    code, out, _ = answer("show", "ro-0001")
    assert code == 0
    for fact in ("liquidity_shock", "roll_back", "harmful", "9 of 100 against 1 of 1,900", "on the new panel"):
        assert fact in out
    assert json.loads(answer("show", "ro-0001", "--json")[1])["observed"]["phase"] == "rolled_back"


def test_a_dry_run_says_what_would_happen_and_starts_nothing(answer, rollouts):
    code, out, _ = answer("start", "spread", "1.3.0", "--dry-run")
    assert code == 0
    assert "5% → 10% → 20% of the requests" in out
    assert "verified_artifact" in out
    assert rollouts.active("spread") is None


def test_a_canary_is_started_held_resumed_advanced_and_aborted(answer, rollouts):
    code, out, err = answer("start", "spread", "1.3.0", "--share", "0.1", "--reason", "more data", "--json")
    assert code == 0
    assert "no engine runs here" in err
    rollout_id = json.loads(out)["rollout_id"]
    assert [step.share for step in rollouts.get(rollout_id).plan.steps] == [0.1, 0.2]
    for forward in ("advance", "promote"):
        code, out, err = answer(forward, rollout_id)
        assert (code, out, "its first step is not open yet" in err) == (3, "", True)
    for verb, desired in (
        ("hold", DesiredRollout.PAUSED),
        ("resume", DesiredRollout.RUNNING),
        ("abort", DesiredRollout.ABORTED),
    ):
        assert answer(verb, rollout_id, "--reason", "drill")[0] == 0
        assert rollouts.get(rollout_id).desired is desired
    assert answer("advance", "ro-0002")[0] == 0
    assert rollouts.get("ro-0002").desired_step == 2
    code, out, err = answer("promote", "ro-0002", "--yes")
    assert (code, "promote requested; it waits: " in out, "no engine runs here" in err) == (0, True, True)
    assert rollouts.get("ro-0002").desired is DesiredRollout.PROMOTE_NOW


def test_a_verb_takes_the_name_of_a_model_for_its_active_rollout(answer, rollouts):
    for verb, desired in (("hold", DesiredRollout.PAUSED), ("resume", DesiredRollout.RUNNING)):
        assert answer(verb, "downgrade")[0] == 0
        assert rollouts.get("ro-0002").desired is desired
    assert answer("advance", "downgrade")[0] == 0
    assert rollouts.get("ro-0002").desired_step == 2
    assert answer("promote", "downgrade", "--yes")[0] == 0
    assert rollouts.get("ro-0002").desired is DesiredRollout.PROMOTE_NOW
    code, out, _ = answer("abort", "downgrade")
    assert (code, "ro-0002 is aborted" in out) == (0, True)
    code, _, err = answer("abort", "downgrade")
    assert code == 2
    assert "No rollout of downgrade is active; the newest, ro-0002, has ended. No rollout is active; ended: " in err
    assert "ro-0002" in answer("show", "downgrade")[1]


def test_status_shows_active_rollouts_and_that_none_is_judged_without_an_engine(answer, capsys):
    assert main(["status", "--json"]) == 1
    (rollout,) = json.loads(capsys.readouterr().out)["rollouts"]
    assert (rollout["rollout_id"], rollout["phase"], rollout["step"], rollout["share"]) == (
        "ro-0002",
        "running",
        2,
        0.1,
    )
    main(["status", "--plain"])
    told = "rollout: ro-0002 downgrade 1.2.0 -> 1.3.0 running, step 2 of 3, 10% of the requests"
    assert f"{told}; not judged: no engine is running" in capsys.readouterr().out.splitlines()


def test_an_abort_without_an_engine_makes_room_for_the_next_rollout(answer, rollouts):
    code, out, _ = answer("abort", "ro-0002", "--reason", "odd")
    assert code == 0
    assert out.startswith("ro-0002 is aborted: 1.2.0 answers all requests")
    assert ", and the rollout has ended." in out.splitlines()[0]
    assert answer("start", "downgrade", "1.3.0")[0] == 0
    assert [rollout.rollout_id for rollout in rollouts.all() if rollout.is_active] == ["ro-0003"]


def test_a_rollout_follows_the_named_policy(answer, rollouts, tmp_path, workspace, monkeypatch):
    policy = "overrides: {spread: {canary: {initial_share: 0.02, max_share: 0.03}}}\n"
    (tmp_path / "careful.yaml").write_text(policy)
    (workspace.root / "careful_policy.yaml").write_text(policy)
    named = answer("start", "spread", "1.3.0", "--config", str(tmp_path / "careful.yaml"), "--dry-run", "--json")
    monkeypatch.setenv("BONDX_ENV", "careful")
    selected = answer("start", "spread", "1.3.0", "--dry-run", "--json")
    for code, out, _ in (named, selected):
        assert code == 0
        assert [step["share"] for step in json.loads(out)["plan"]["steps"]] == [0.02, 0.03]
    rollout = json.loads(answer("start", "spread", "1.3.0", "--json")[1])
    assert rollout["policy_sha256"] == json.loads(named[1])["policy_sha256"]
    assert "careful_policy.yaml" in answer("show", rollout["rollout_id"])[1]
    code, _, err = answer("start", "spread", "1.3.0", "--config", str(tmp_path / "nowhere.yaml"))
    assert code == 2
    assert "nowhere.yaml" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(("start", "downgrade", "1.3.0"), 3, "already has an active rollout: ro-0002", id="one is active"),
        pytest.param(("start", "spread", "1.2.0"), 3, "spread 1.2.0 is live already", id="live already"),
        pytest.param(("start", "spread", "9.9.9"), 2, "no version 9.9.9", id="no such version"),
        pytest.param(("start", "spread", "1.3.0", "--share", "0.9"), 3, "ceiling", id="beyond the ceiling"),
        pytest.param(("start", "spread", "1.3.0", "--share", "2"), 2, "'2' must be a share", id="no share"),
        pytest.param(("hold", "ro-0001"), 3, "it has ended", id="ended"),
        pytest.param(("resume", "ro-0002"), 3, "already asked for that", id="runs already"),
        pytest.param(("show", "ro-0404"), 2, "ro-0404", id="unknown"),
        pytest.param(("abort", "ro-0404"), 2, "Active rollouts: ro-0002 (downgrade).", id="unknown to abort"),
        pytest.param(("hold", "liquidity_shock"), 2, "the newest, ro-0001, has ended. Active", id="none is active"),
    ],
)
def test_a_refusal_has_a_sentence_and_an_exit_code(answer, arguments, code, says):
    found, _, err = answer(*arguments)
    assert (found, says in err) == (code, True), err


def test_a_workspace_without_rollouts_says_how_to_start_one(answer, workspace):
    shutil.rmtree(workspace.root)
    assert main(["init"]) == 0
    assert "bondx rollout start MODEL VERSION" in answer("list")[1]


def test_a_promotion_whose_rollout_ended_while_it_was_being_confirmed_is_refused_with_exit_code_4(
    rollouts, called, monkeypatch
):
    def confirmed_late(*_names: str, yes: bool) -> None:
        rollouts.abort("ro-0002", actor=OPERATOR, reason="no")

    monkeypatch.setattr("console.cli.consent.require_typed", confirmed_late)
    code, out, err = called(main, "registry", "promote", "downgrade", "1.3.0", "--yes")
    assert code == 4
    assert "Ends rollout ro-0002, 1.3.0 at 10%" in out
    assert "Rollout ro-0002, 1.3.0 at 10% has ended since." in err
    assert "downgrade 1.3.0 was not moved; review the plan again." in err
