"""Slices, pairs and the differences of answers, on screen 4, in `w` and on the command line."""

import json

import msgspec
import pytest

from console.cli.main import main
from console.presentation import rollout_evidence
from core.rollout import Disagreement, GuardReading, GuardSource, GuardVerdict, Rollouts
from core.rollout.slices import Slice, SliceLevel
from widgets.glyphs import UNICODE

ACTIVE = "ro-0002"
REGION = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))


def a_level(name: str, verdict: GuardVerdict, effect: float, harm_share: float) -> GuardReading:
    level = SliceLevel(column="region", level=name)
    said = "under suspicion" if verdict is GuardVerdict.SUSPECT else "no sign of harm"
    return GuardReading(
        guard=f"loss {level}",
        source=GuardSource.LOSS,
        required=False,
        verdict=verdict,
        reason=f"loss {level}: {0.2 * effect:.4g} (190) against 0.2 (2,000), {said}",
        stable_value=0.2,
        candidate_value=0.2 * effect,
        n_stable=2000,
        n_candidate=190,
        effect=effect,
        is_ratio=True,
        harm_share=harm_share,
        slice=level,
    )


@pytest.fixture
def sliced(workspace):
    """The canary of the demo, as if it compared pairs and had slices."""
    rollouts = Rollouts(workspace)
    active = rollouts.get(ACTIVE)
    levels = (a_level("US", GuardVerdict.SUSPECT, 1.62, 0.71), a_level("EU", GuardVerdict.UNDECIDED, 0.93, 0.0))
    differing = (
        Disagreement(n=9450, n_different=388, mean=0.0123, p95=0.0871, n_class_changed=57),
        Disagreement(level=levels[0].slice, n=940, n_different=301, mean=0.0611, p95=0.31),
    )
    plan = msgspec.structs.replace(
        active.plan, slices=(REGION,), answer_changes_outcome=False, difference_tolerance=0.05
    )
    observed = msgspec.structs.replace(active.observed, slices=levels, disagreement=differing)
    return rollouts._documents.replace(msgspec.structs.replace(active, plan=plan, observed=observed))


async def test_a_small_screen_shows_the_worst_slice_below_the_guards(open_console, sliced):
    async with open_console((80, 24)) as console:
        await console.press("4")
        await console.until(lambda: "region=US" in console.text())
        (worst,) = [line for line in console.text().splitlines() if "region=US" in line]
        assert "1.62" in worst
        assert "suspect" in worst


def test_the_worst_slice_and_the_difference_come_before_the_other_slices(sliced):
    rows = {row.key: row for row in rollout_evidence.guard_rows(sliced, UNICODE)}
    names = list(rows)
    assert names.index("loss") < names.index("loss region=US") < names.index("differ") < names.index("loss region=EU")
    cells = [cell if isinstance(cell, str) else cell.text for cell in rows["differ"].cells]
    assert cells[2] == "4.1%"
    assert cells[3:5] == ["0.0123", "p95 0.0871"]
    assert cells[-1] == "most on region=US: 32.0%"


def test_w_lists_every_level_worst_first_and_where_answers_differ_most(sliced):
    lines = rollout_evidence.evidence_lines(sliced, sliced.updated_at, UNICODE, absence=None)
    written = [line.text for line in lines]
    worst = next(index for index, line in enumerate(written) if "loss region=US" in line)
    assert "By slice, the worst first" in written[worst - 1]
    assert "loss region=EU" in written[worst + 1]
    assert any("Different: by more than 0.05" in line for line in written)
    assert any("4.1% all rows" in line and "class 0.6%" in line for line in written)
    assert any("32.0% region=US" in line for line in written)
    assert any("region (EU, US, other)" in line for line in written)
    assert any("losses are compared row by row" in line for line in written)


def test_the_command_line_shows_slices_and_differences(called, workspace, sliced, monkeypatch):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    code, out, _ = called(main, "rollout", "show", ACTIVE)
    assert code == 0
    assert "loss region=US" in out
    assert "ANSWERS DIFFER ON" in out
    _, out, _ = called(main, "rollout", "show", ACTIVE, "--json")
    found = json.loads(out)
    assert [each["slice"]["level"] for each in found["observed"]["slices"]] == ["US", "EU"]
    assert found["observed"]["disagreement"][0]["n_different"] == 388
