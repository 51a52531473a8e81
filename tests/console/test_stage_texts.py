"""What is said about a move between stages: the truth, also where there is no further stage."""

import functools

import pytest

from console.cli.main import main
from console.presentation.gates import promotion_lines
from console.verbs.stage_move import plan_offer
from core.registry import Registry, Stage
from core.registry.stages import TransitionVerb, reachable
from widgets.glyphs import choose_glyphs


@pytest.fixture
def answer(workspace, monkeypatch, called):
    monkeypatch.setenv("BONDX_HOME", str(workspace.root))
    return functools.partial(called, main)


@pytest.mark.parametrize("dry", [("--dry-run",), ()], ids=["dry run", "for real"])
def test_to_promote_the_live_version_again_says_that_it_is_live(answer, dry):
    code, out, err = answer("registry", "promote", "spread", "1.2.0", *dry)
    assert code == 3
    assert "spread 1.2.0 is live already." in out + err
    assert "None" not in out + err


def test_no_text_about_a_move_names_none(workspace, answer):
    registry = Registry(workspace)
    texts, glyphs = [], choose_glyphs({"LANG": "C.UTF-8"})
    for version in registry.versions("spread"):
        for stage in (None, *Stage):
            plan = registry.plan_promotion("spread", version.version, stage)
            lines = [*promotion_lines(plan, glyphs), *plan_offer(plan, glyphs, str).lines]
            texts += [line.text for line in lines] + [plan.refusal or "", *plan.effects]
            asked = ("--stage", str(stage)) if stage in reachable(TransitionVerb.PROMOTE) else ()
            texts += answer("registry", "promote", "spread", version.version, *asked, "--dry-run")[1:]
        texts += answer("registry", "archive", "spread", version.version, "--dry-run")[1:]
    texts += [*answer("registry", "rollback", "spread", "--dry-run")[1:], *answer("registry", "undo", "spread")[1:]]
    assert [text for text in texts if "None" in text] == []
