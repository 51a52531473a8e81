"""The chaos run in short, and that it notices what is lost."""

import json

import pytest

from core.saved_views import SavedViews, checked_view
from tests.crash import chaos
from tests.crash.chaos_writer import reason_of


@pytest.mark.crash
def test_every_acknowledged_action_survives_kills_full_disks_clocks_slow_disks_and_lost_answers(
    tmp_path, is_long, capsys
):
    rounds = "50" if is_long else "3"
    code = chaos.main(["--rounds", rounds, "--seed", "7", "--folder", str(tmp_path / "chaos")])
    told = capsys.readouterr().out
    assert code == 0, told
    assert "every acknowledged action is in the workspace, and nothing is damaged" in told
    assert all(f"1 {fault}" in told for fault in chaos.FAULTS) or is_long


def line_of(n, verb, name, value, **more):
    return {"n": n, "outcome": "acknowledged", "verb": verb, "object": name, "value": value, "told": "", **more}


@pytest.fixture
def broken(tmp_path):
    """A chaos run before its first round, whose ledgers a test fills."""
    return chaos.Chaos(tmp_path, seed=1, disk=None)


def test_a_lost_action_is_named(broken):
    saved = SavedViews(broken.workspace)
    actor = chaos.OPERATOR
    for n, name in ((1, "core0-1"), (2, "core0-2")):
        wanted = checked_view(name, {"title": str(n), "panes": ["alerts"]})
        saved.save([wanted], actor=actor, reason=reason_of("core0", n))
    saved.delete("core0-2", actor=actor)
    lines = [
        line_of(1, "view.save", "core0-1", "1"),
        line_of(2, "view.save", "core0-2", "2"),
        line_of(3, "silence.add", "core0-3", "3"),
        line_of(4, "view.save", "core0-1", "0", outcome="unknown"),
        line_of(5, "run.finish", "core0-5", "5", outcome="refused", told="no space left. This change was not made."),
    ]
    broken.ledger("core0").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert broken.losses() == [
        "silence.add core0-3 = 3 (chaos core0 3) is 0 times in the audit log",
        "view.save core0-2 = 2 (chaos core0 2) is lost: the value is None, not 2 or a later one",
        "silence.add core0-3 = 3 (chaos core0 3) is lost: there is no such silence",
    ]


def test_what_was_refused_as_not_made_must_not_be_there(broken):
    wanted = checked_view("core0-1", {"title": "1", "panes": ["alerts"]})
    SavedViews(broken.workspace).save([wanted], actor=chaos.OPERATOR, reason=reason_of("core0", 1))
    line = line_of(1, "view.save", "core0-1", "1", outcome="refused", told="This change was not made.")
    broken.ledger("core0").write_text(f"{json.dumps(line)}\n")
    assert broken.losses() == ["view.save core0-1 = 1 (chaos core0 1) was refused as not made, and was made"]


def test_a_workspace_that_nobody_broke_has_lost_nothing(broken):
    assert broken.losses() == []
