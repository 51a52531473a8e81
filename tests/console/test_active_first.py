"""Newer objects that are idle must not hide the object at work."""

import re

import msgspec
import pytest

from console.presentation import rollouts, sessions
from core.actor import Actor
from core.rollout.rollouts import Rollouts
from core.settings import ModelSettings, TrainingSettings
from core.settings.agents import AgentsSettings
from core.training.sessions import Sessions
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE


def queue(workspace, n):
    for _ in range(n):
        Sessions(workspace).start(TrainingSettings(), name="later", actor=OPERATOR)


def test_sessions_at_work_come_first_then_the_queue_then_the_ended(workspace):
    queue(workspace, 3)
    shown = sessions.active_first(tuple(reversed(Sessions(workspace).all())))
    assert [each.session_id for each in shown] == ["s-0002", "s-0003", "s-0004", "s-0005", "s-0001"]


async def test_agents_stand_below_their_parent_which_shows_their_totals(open_console, workspace):
    agents = AgentsSettings(by="model", of=("spread", "anomaly"))
    models = {"spread": ModelSettings(), "anomaly": ModelSettings()}
    Sessions(workspace).start(TrainingSettings(models=models, agents=agents), name="all", actor=OPERATOR)
    observed = {"epoch": 3, "cpu_seconds": 90.0, "best_score": 0.75}
    for child in ("s-0004", "s-0005"):
        Sessions(workspace).observe(child, "session.test", actor=Actor.engine(), **observed)
    async with open_console((120, 40)) as console:
        await console.press("2")
        rows = {row.key: row.texts for row in console.screen.main_table().rows}
        assert list(rows)[1:4] == ["s-0003", "s-0004", "s-0005"]
        assert [rows[each][:2] for each in rows][1:4] == [
            ["s-0003", "all"],
            [f"{UNICODE.corner}s-0004", "spread"],
            [f"{UNICODE.corner}s-0005", "anomaly"],
        ]
        assert rows["s-0003"][3] == "6/200"
        await console.press("j")
        await console.until(lambda: console.screen.selected_session().session_id == "s-0003", "the parent")
        await console.until(lambda: console.text().count(sessions.AGENTS_HAVE) == 4, "gates, courses and epochs")
        await console.press("j")
        await console.until(lambda: sessions.AGENTS_HAVE not in console.text(), "the agent's own")
    parent = Sessions(workspace).get("s-0003")
    (totals,) = [line.text for line in sessions.summary_lines(parent, UNICODE)]
    assert totals == "2 agents  best 75.0%  processor 3m  registered 0"
    child = "\n".join(line.text for line in sessions.detail_lines(Sessions(workspace).get("s-0004"), UNICODE))
    assert "spread of s-0003" in child
    assert "priority 0, weight 1, niceness 10" in child


async def test_a_small_terminal_names_the_agents_and_shows_the_whole_tree(open_console, workspace):
    models = {name: ModelSettings() for name in ("spread", "anomaly", "downgrade")}
    agents = AgentsSettings(by="model", of=tuple(models))
    Sessions(workspace).start(TrainingSettings(models=models, agents=agents), name="all", actor=OPERATOR)
    async with open_console((80, 24)) as console:
        await console.press("2")
        drawn = console.text()
        for place in ("s-0003 +all", *(f"{UNICODE.corner}s-000{i} +{name}" for i, name in enumerate(models, 4))):
            assert re.search(place, drawn), drawn


@pytest.mark.parametrize("width", [100, 110, 120, 122, 126, 130, 140, 160])
async def test_agents_have_their_names_at_every_width(open_console, workspace, width):
    models = {name: ModelSettings() for name in ("liquidity_shock", "spread", "downgrade")}
    agents = AgentsSettings(by="model", of=tuple(models))
    Sessions(workspace).start(TrainingSettings(models=models, agents=agents), name="all", actor=OPERATOR)
    Sessions(workspace).observe("s-0004", "session.test", actor=Actor.engine(), score=-267.312, best_score=-2.5)
    async with open_console((width, 40)) as console:
        await console.press("2")
        table = console.screen.main_table()
        titles = [column.title for column in table.shown_columns]
        assert "NAME" in titles
        drawn = console.text()
        assert re.search(rf"{UNICODE.corner}s-0004 +liqui", drawn), drawn
        assert re.search(r" -3e4% | -26731\.2% ", drawn), drawn
        assert "-267…" not in drawn


async def test_a_fresh_console_stands_on_the_running_session(open_console, workspace):
    queue(workspace, 3)
    async with open_console((80, 24)) as console:
        await console.press("2")
        assert console.screen.selected_session().session_id == "s-0002"
        assert [row.key for row in console.screen.main_table().rows][:3] == ["s-0002", "s-0003", "s-0004"]


async def test_a_fresh_console_stands_on_the_active_rollout(open_console, workspace):
    active = next(each for each in Rollouts(workspace).all() if each.is_active)
    async with open_console((80, 24)) as console:
        await console.press("4")
        assert console.screen.main_table().cursor_key == active.rollout_id


def test_active_rollouts_come_before_newer_ended_ones(workspace):
    every = Rollouts(workspace).all()
    active = next(each for each in every if each.is_active)
    ended = msgspec.structs.replace(next(each for each in every if not each.is_active), rollout_id="ro-0009")
    assert [each.rollout_id for each in rollouts.active_first([ended, active])] == [active.rollout_id, "ro-0009"]
