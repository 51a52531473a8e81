"""A rollout of a model of language on screen 4 and in `w`: facts and ends of texts beside errors."""

import msgspec
import numpy as np
import pytest

from console.presentation import rollout_evidence
from core.rollout import Arm, Rollouts, Strategy, make_plan
from core.rollout.collector import Collector
from core.rollout.evidence import RolloutEvidence
from core.rollout.guard_reader import read_guards
from core.rollout.plan import TextRules
from core.rollout.readings import Pace
from core.telemetry.predictions import Batch, Cursor, ServedRequest, TextCounts
from widgets.glyphs import UNICODE

ACTIVE = "ro-0002"


def rollout_of_texts(workspace, texts: TextRules):
    """Return the canary of the demo, as if its model wrote texts."""
    rollouts = Rollouts(workspace)
    active = rollouts.get(ACTIVE)
    plan = make_plan(Strategy.CANARY, share=0.2, texts=texts)
    served = []
    for number, place in enumerate(np.linspace(0.0005, 0.9995, 1_000).tolist()):
        unit, arm = int(place * 2.0**64) - 2**63, Arm.CANDIDATE if place < 0.2 else Arm.STABLE
        n_contradicted = int(number % 5 == 0 or (arm is Arm.CANDIDATE and number % 2 == 0))
        counts = TextCounts(2, number % 2, 1, n_contradicted)
        served.append(ServedRequest(arm, 0.2, 40.0, False, unit, request=unit, texts=counts))
    collector = Collector(plan, RolloutEvidence())
    collector.add(Batch(served, [], [], Cursor(), True))
    pace = Pace(share=0.2, n_requests=1_000, seconds=600.0)
    readings = read_guards(plan, collector.evidence, collector.sums, pace)
    observed = msgspec.structs.replace(
        active.observed, readings=readings, evidence=collector.evidence, step=0, share=0.2, slices=(), disagreement=()
    )
    return rollouts._documents.replace(msgspec.structs.replace(active, plan=plan, observed=observed))


@pytest.fixture
def of_texts(workspace):
    return rollout_of_texts(workspace, TextRules(grammar="etrm", contradicted_share=0.05))


async def test_a_small_screen_shows_facts_and_ends_of_texts(open_console, of_texts):
    async with open_console((80, 24)) as console:
        await console.press("4")
        await console.until(lambda: "contradicts" in console.text())
        rows = {
            name: line for line in console.text().splitlines() for name in ("contradicts ", "cut off ") if name in line
        }
        assert len(rows) == 2, console.text()
        assert "20.00%" in rows["contradicts "]
        assert "60.00%" in rows["contradicts "]
        assert "+40 pt" in rows["contradicts "]
        assert "harmful" in rows["contradicts "]


async def test_a_large_screen_says_in_full_that_texts_are_contradictory(open_console, of_texts):
    async with open_console((120, 40)) as console:
        await console.press("4")
        await console.until(lambda: "contradictory " in console.text())
        assert "cut off " in console.text()


def test_w_says_what_is_judged_of_texts(of_texts):
    written = [
        line.text for line in rollout_evidence.evidence_lines(of_texts, of_texts.updated_at, UNICODE, absence=None)
    ]
    text = "\n".join(written)
    assert "120 of 200 contradictory against 160 of 800, shown to be more frequent" in text
    assert "facts     whole texts that contradict themselves, read by the grammar of etrm; below +3 points" in text
    assert "cut       texts cut off by the usual limit or time; below +10 points" in text
    assert "counts as 800 equally active callers stable, 200 candidate" in text
    assert "not judged after a switch" not in text


def test_w_says_that_no_grammar_reads_the_facts(workspace):
    rollout = rollout_of_texts(workspace, TextRules(why_no_facts="1.1.0 learned documents of no grammar alone"))
    text = "\n".join(line.text for line in rollout_evidence.rule_lines(rollout))
    assert "facts     not judged: 1.1.0 learned documents of no grammar alone" in text
    assert "facts (1.1.0 learned documents of no grammar alone)" in ", ".join(map(str, rollout.not_judged))
