"""What `w` and the command line say of an effect, of a check, of the risks and of the time that verdicts take."""

import json

import msgspec
import pytest

from console.cli.main import main
from console.presentation import rollout_evidence
from core.rollout import GuardReading, GuardSource, GuardVerdict, Rollouts
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE

ACTIVE = "ro-0002"
EXPECTED = "Expected on loss: a loss 10% worse, found after about 3.1 h; an equal loss, shown safe after about 5 h."

RATIO = GuardReading(
    guard="loss", source=GuardSource.LOSS, required=True, verdict=GuardVerdict.SAFE, is_ratio=True, level=0.95,
    reason="loss: 2.004 (400) against 2 (3,600), shown to be less than 1.1 times the stable mean",
    stable_value=2.0, candidate_value=2.004, n_stable=3_600, n_candidate=400, effect=1.002, low=0.991, high=1.02,
    callers_stable=120.4, callers_candidate=13.2, safety_share=1.0,
    cannot_exclude="a loss of 180 or more, less often than once in 668 answers",
)  # fmt: skip
DIFFERENCE = msgspec.structs.replace(RATIO, is_ratio=False, effect=0.004, low=-0.018, high=0.04)
CHECK = GuardReading(
    guard="arrivals", source=GuardSource.ARRIVALS, required=False, verdict=GuardVerdict.UNEVEN, harm_share=1.0,
    reason="arrivals: outcomes arrived for 7.2% of the candidate's answers, losses cannot be compared",
    n_stable=9_000, n_candidate=36, stable_value=0.95, candidate_value=0.072,
)  # fmt: skip


@pytest.fixture
def with_readings(workspace):
    """The canary of the demo with other readings."""
    rollouts = Rollouts(workspace)

    def stored(*readings):
        active = rollouts.get(ACTIVE)
        observed = msgspec.structs.replace(active.observed, readings=readings)
        return rollouts._documents.replace(msgspec.structs.replace(active, observed=observed, expected=(EXPECTED,)))

    return stored


def written(rollout) -> str:
    lines = rollout_evidence.evidence_lines(rollout, rollout.updated_at, UNICODE, absence=None)
    return "\n".join(line.text for line in lines)


def test_a_ratio_is_written_as_a_ratio_and_a_difference_as_a_difference(with_readings):
    assert "ratio 1.00x, 95% interval 0.99 to 1.02x" in written(with_readings(RATIO))
    cells = {row.key: row.cells for row in rollout_evidence.guard_rows(with_readings(RATIO), UNICODE)}["loss"]
    assert cells[3:5] == ("1.00x", "0.99 to 1.02x")
    assert "difference +0.004, 95% interval -0.018 to +0.04" in written(with_readings(DIFFERENCE))


def test_a_check_only_holds_a_rollout(with_readings):
    told = written(with_readings(CHECK, RATIO))
    (head,) = [line for line in told.splitlines() if "arrivals: outcomes arrived" in line and "uneven" in line]
    assert "checked before losses are compared" in head
    assert "evidence of a difference 100%" in told
    assert "of harm 100%" not in told
    assert "can only roll it back" not in told


def test_the_rules_say_the_margin_that_applies_and_the_condition_of_each_risk(with_readings):
    active = with_readings(RATIO)
    guards = tuple(
        msgspec.structs.replace(guard, margin_difference=0.3) if guard.source is GuardSource.LOSS else guard
        for guard in active.plan.guards
    )
    plan = msgspec.structs.replace(active.plan, guards=guards)
    rules = "\n".join(line.text for line in rollout_evidence.rule_lines(msgspec.structs.replace(active, plan=plan)))
    assert "loss below +0.3" in rules
    assert "loss below 1.1x" not in rules
    assert "false alarm at most 1.0% for the whole rollout" in rules
    assert "missed harm at most 5.0% per guard, for losses like those seen" in rules


def test_the_command_line_gives_every_guard_with_reason_callers_and_what_is_not_excluded(
    called, workspace, with_readings, monkeypatch
):
    with_readings(RATIO, CHECK)
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    code, out, _ = called(main, "rollout", "show", ACTIVE)
    assert code == 0
    for each in (RATIO, CHECK):
        assert each.reason.removeprefix(f"{each.guard}: ") in out
    for fact in ("CALLERS_STABLE", "120", "13.2", "NOT_EXCLUDED", "less often than once in 668 answers"):
        assert fact in out, fact
    assert "missed harm at most 5.0% per guard, for losses like those seen" in out
    readings = json.loads(called(main, "rollout", "show", ACTIVE, "--json")[1])["observed"]["readings"]
    assert (readings[0]["cannot_exclude"], readings[0]["callers_stable"]) == (RATIO.cannot_exclude, 120.4)
    assert [each["reason"] for each in readings] == [RATIO.reason, CHECK.reason]


def test_a_running_rollout_says_how_long_each_verdict_takes(called, workspace, with_readings, monkeypatch):
    assert "loss: a loss 10% worse, found after about 3.1 h" in written(with_readings(RATIO))
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    assert EXPECTED in called(main, "rollout", "show", ACTIVE)[1]
    assert json.loads(called(main, "rollout", "show", ACTIVE, "--json")[1])["expected"] == [EXPECTED]


def test_nothing_is_still_to_come_once_a_rollout_has_ended(with_readings, workspace, called):
    missing = msgspec.structs.replace(
        RATIO, verdict=GuardVerdict.NO_DATA, reason="loss: no candidate answer yet", effect=None
    )
    active = with_readings(missing)
    assert "no candidate answer yet" in written(active)
    Rollouts(workspace).abort(active.rollout_id, actor=OPERATOR, reason="", expected_revision=active.revision)
    ended = Rollouts(workspace).get(ACTIVE)
    assert not ended.is_active
    assert "loss: no candidate answer" in written(ended)
    assert "answer yet" not in written(ended)
    assert "answer yet" not in str([row.cells for row in rollout_evidence.guard_rows(ended, UNICODE)])
    assert "answer yet" not in called(main, "--workspace", workspace.root, "rollout", "show", ACTIVE)[1]
