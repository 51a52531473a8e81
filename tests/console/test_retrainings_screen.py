"""The retrainings: their steps, what waits for a person, and the keys and commands that decide."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from console.dialogs.change import ChangeDialog
from console.dialogs.text import TextDialog
from console.presentation import retrainings
from console.presentation.leaderboard import NO_LIVE_VERSION, leaderboard_lines
from console.presentation.rehearsal import NOTHING_DIFFERS, NOTHING_RECORDED, rehearsal_lines
from console.verbs.retraining import RETRAINED
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.retraining.document import DesiredRetraining, RetrainingPhase, TriggerKind
from core.retraining.leaderboard import LeaderboardEntry, MetricReading
from core.retraining.rehearsal.documents import Rehearsal, RehearsedEvent, RehearsedKind, Would
from core.retraining.retrainings import Retrainings
from core.settings import Settings
from core.state import Workspace
from core.view.source import SnapshotSource
from tests.console.conftest import NOW
from tools.demo_retraining import retrain_demo
from widgets.glyphs import ASCII

BEN = Actor("ben", "desk-7", Origin.COMMAND_LINE)


@pytest.fixture(scope="session")
def retrained_root(demo_root, tmp_path_factory) -> Path:
    """The demo workspace with three retrainings."""
    root = tmp_path_factory.mktemp("retrained") / "desk-risk"
    shutil.copytree(demo_root, root)
    retrain_demo(Workspace.open(root), NOW)
    return root


@pytest.fixture
def workspace(retrained_root, tmp_path):
    root = tmp_path / "desk-risk"
    shutil.copytree(retrained_root, root)
    return Workspace.open(root)


@pytest.fixture
def stored(workspace) -> Retrainings:
    return Retrainings(workspace)


async def on_retrainings(console, *keys: str) -> None:
    await console.press(*(keys or ("4", "e")))
    await console.until(lambda: console.screen.NAME == "retrainings" and console.screen.main_table().rows, "the list")
    await console.settled()


async def confirmed(console, *keys: str) -> str:
    """Open a question, and confirm it; return what was asked."""
    dialog = await console.dialog(*keys)
    assert isinstance(dialog, ChangeDialog)
    asked = console.text()
    console.time.pass_deafness()
    await console.press("Y")
    await console.until(lambda: not isinstance(console.app.screen, ChangeDialog), "the end of the question")
    return asked


async def test_what_waits_for_a_person_comes_first_with_its_steps_and_reasons(open_console):
    async with open_console((120, 40)) as console:
        await on_retrainings(console)
        assert [row.text(0) for row in console.screen.main_table().rows] == ["rt-0003", "rt-0002", "rt-0001"]
        text = console.text()
        for seen in (
            "awaiting approval",
            "1 of 2 approved; P approves it",
            "drift: cds_5y",
            "better on the newest rows",
        ):
            assert seen in text
        assert (
            "\u2713 collect  \u2713 check  \u2713 train  \u2713 validate  \u2713 register  \u25cb rollout  \u25cb watch"
            in text
        )


async def test_the_second_approval_lets_the_new_version_meet_traffic(open_console, stored):
    async with open_console((80, 24)) as console:
        await on_retrainings(console)
        asked = await confirmed(console, "P")
        assert "canary of 1.3.0" in asked
        assert "better on the newest rows" in asked
        assert console.sentence == "Approved rt-0003; a canary follows."
    assert [each.reason for each in stored.get("rt-0003").approvals] == ["drift is real", ""]
    assert stored.get("rt-0003").n_approvals_lacking == 0


async def test_an_approval_that_another_person_was_faster_with_is_asked_again(open_console, stored):
    async with open_console((80, 24)) as console:
        await on_retrainings(console)
        await console.dialog("P")
        stored.hold("rt-0003", actor=BEN, reason="release night")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: "ben" in console.text() or "ben" in console.sentence, "what changed")
    assert len(stored.get("rt-0003").approvals) == 1


async def test_a_key_holds_and_resumes_and_another_ends_it(open_console, stored):
    async with open_console((80, 24)) as console:
        await on_retrainings(console)
        await confirmed(console, "H")
        assert stored.get("rt-0003").desired is DesiredRetraining.HELD
        await console.until(lambda: "H resume" in console.text(), "the other meaning of the key")
        await confirmed(console, "H")
        assert stored.get("rt-0003").desired is DesiredRetraining.RUNNING
        await console.until(lambda: "H hold" in console.text(), "the first meaning of the key")
        asked = await confirmed(console, "A")
        assert "1.2.0 answers all requests of spread" in " ".join(asked.split())
        assert stored.get("rt-0003").desired is DesiredRetraining.CANCELLED


@pytest.mark.parametrize(
    ("command", "desired"),
    [
        ("hold rt-0003", DesiredRetraining.HELD),
        ("hold spread", DesiredRetraining.HELD),
        ("cancel rt-0003", DesiredRetraining.CANCELLED),
    ],
)
async def test_commands_name_a_retraining_by_its_id_or_its_model(open_console, stored, command, desired):
    async with open_console((80, 24)) as console:
        await confirmed(console, "colon", *command, "enter")
    assert stored.get("rt-0003").desired is desired


async def test_what_has_ended_is_decided_by_nobody(open_console):
    async with open_console((80, 24)) as console:
        await on_retrainings(console)
        await console.press("j")
        for key, says in (
            ("P", "rt-0002 does not await approval: it is rejected."),
            ("A", "rt-0002: it has ended (rejected)."),
            ("H", "rt-0002: it has ended (rejected)."),
        ):
            await console.press(key)
            assert console.sentence == says


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(("3", "slash", *"shock prod", "enter"), id="a version"),
        pytest.param(("1", "g", "j", "j", "j"), id="an alert about a candidate that was rolled back"),
        pytest.param(("6", "slash", *"shock", "enter"), id="a live model"),
    ],
)
async def test_a_model_is_trained_anew_from_wherever_it_is_shown(open_console, stored, keys):
    async with open_console((120, 40)) as console:
        await console.press(*keys)
        await console.until(lambda: console.screen.under_cursor().get(RETRAINED), "a model under the cursor")
        asked = " ".join((await confirmed(console, "T")).split())
        assert "1.2.0 stays live until the new version is proven" in asked
    newest = stored.all()[-1]
    assert (newest.retraining_id, newest.trigger) == ("rt-0004", TriggerKind.MANUAL)


async def test_a_model_that_is_being_trained_anew_says_so(open_console, stored):
    async with open_console((80, 24)) as console:
        await on_retrainings(console)
        await console.dialog("T")
        assert "rt-0003 trains spread anew already" in " ".join(console.text().split())
    assert len(stored.all()) == 3


async def test_the_overview_names_the_version_that_awaits_approval_and_its_alert_leads_there(open_console, workspace):
    alerts = Alerts(workspace, settings=Settings().alerts, clock=lambda: NOW)
    alerts.fire("retraining_waiting", labels={"model": "spread"}, summary="1.3.0 awaits approval", now=NOW)
    async with open_console((120, 40)) as console:
        await console.until(lambda: "approve 1.3.0" in console.text(), "the mark")
        await console.press("5", "slash", *"retraining_waiting", "enter", "enter")
        await console.until(lambda: console.screen.NAME in ("retrainings", "alerts"), "where the alert points")
        await console.press("1", "shift+tab")
        wrong = console.screen.query_one("#wrong")
        console.screen.set_focus(wrong)
        wrong.move_to(next(row.key for row in wrong.rows if "approval" in " ".join(map(str, row.texts))))
        await console.press("enter")
        await console.until(lambda: console.screen.NAME == "retrainings", "the retrainings")
        await console.until(lambda: console.screen.main_table().cursor_key == "rt-0003", "its row")


async def test_w_tells_every_figure_and_when_the_next_one_is_due(open_console):
    async with open_console((120, 40)) as console:
        await on_retrainings(console)
        await console.press("w")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the reasons")
        await console.until(lambda: "1.2.0" in console.text() or "collect" in console.text(), "the steps")
        await console.press("G")
        await console.until(lambda: "why not now: rt-0003 is under way" in console.text(), "the plan")


def test_without_an_engine_nothing_is_said_to_run(workspace):
    snapshot = SnapshotSource(workspace).take()
    assert snapshot.absence is not None
    running = [each for each in snapshot.retrainings if each.observed.phase is RetrainingPhase.AWAITING_APPROVAL]
    lines = retrainings.summary_lines(running[0], NOW, ASCII, absence=snapshot.absence)
    assert any("no engine is running" in line.text for line in lines)


async def test_leaderboard_ranks_the_live_version_of_a_model_and_its_challengers(open_console):
    async with open_console((120, 40)) as console:
        await console.press("colon", *"leaderboard spread", "enter")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the leaderboard")
        await console.until(lambda: "1.2.0  live" in console.text(), "the champion")


def test_a_proposed_challenger_stands_out(workspace):
    better = LeaderboardEntry(
        model="spread",
        version="1.3.0",
        role="shadow",
        estimated=MetricReading(metric="mae", value=6.1, low=5.8, high=6.4, n=900),
        verdict="better",
        is_proposed=True,
        reason="ro-0002: loss difference -0.4",
    )
    first, estimated, reason = (line.text for line in leaderboard_lines((better,), ASCII))
    assert first == "1  1.3.0  shadow  better  -> proposed"
    assert estimated.split() == ["estimated", "mae", "6.1", "(5.8", "to", "6.4)"]
    assert reason.strip() == "ro-0002: loss difference -0.4"
    assert [line.text for line in leaderboard_lines((), ASCII)] == [NO_LIVE_VERSION]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=str)
async def test_a_rehearsal_tells_what_another_policy_would_have_done(open_console, workspace, tmp_path, size):
    file = tmp_path / "strict.yaml"
    file.write_text("promotion: {min_accuracy: 0.9999}\n")
    before = {each: each.read_bytes() for each in workspace.state_dir.glob("*.json")}
    async with open_console(size) as console:
        await console.press("colon", *f"rehearse {file} 365d spread", "enter")
        await console.until(lambda: "How often" in console.text(), "the rehearsal")
        assert "Rehearsal of strict.yaml" in console.text()
        assert "What would have been otherwise" in console.text()
        assert "happened, would not have" in console.text()
        await console.press("G")
        await console.until(lambda: "What is unknown" in console.text(), "its end")
        await console.press("escape")
        await console.settled()
        await console.press("colon", *f"rehearse {tmp_path / 'none.yaml'}", "enter")
        await console.until(lambda: "none.yaml" in console.text() and "Reading" not in console.text(), "the refusal")
        await console.press("escape")
        await console.settled()
        await console.press("colon", *f"rehearse {file} soon", "enter")
        await console.until(lambda: "is not a duration" in console.text(), "the refusal of a length")
    assert before == {each: each.read_bytes() for each in before}, "a rehearsal changes nothing"


def test_a_rehearsed_event_says_whether_it_happened_and_what_it_would_cost():
    at = NOW - timedelta(days=1)

    def event(happened, would, **more):
        told = {"kind": RehearsedKind.RETRAINING, "model": "spread", "at": at, "what": "a retraining by drift"}
        return RehearsedEvent(**told, happened=happened, would=would, reason="drift: tenor moved", **more)

    new = event(False, Would.YES, seconds=120.0, is_estimate=True)
    same, unknown = event(True, Would.YES, seconds=60.0), event(True, Would.UNKNOWN)
    found = Rehearsal(
        since=at, until=NOW, recorded_since=at, events=(new, same, unknown), unknown=("What was refused.",)
    )
    text = "\n".join(line.text for line in rehearsal_lines(found, ASCII))
    assert "retraining  2 happened, 2 would have, 1 unknown; 1m computed, 3m under the other policy" in text
    assert "a retraining by drift: would have happened, about 2m" in text
    assert "1 event would have been the same." in text
    assert "What was refused." in text
    nothing = rehearsal_lines(Rehearsal(since=at, until=NOW, recorded_since=None, events=()), ASCII)
    assert {NOTHING_DIFFERS, NOTHING_RECORDED} <= {line.text.strip() for line in nothing}


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=str)
async def test_plan_tells_when_each_model_is_trained_anew_and_why_not_now(open_console, workspace, size):
    workspace.settings_file.write_text(
        "policy: {overrides: {spread: {retraining: {enabled: true, schedule: '0 2 * * 0', max_age_days: 1}}}}\n"
    )
    async with open_console(size) as console:
        await console.press("colon", *"plan", "enter")
        await console.until(lambda: "why not now" in console.text(), "the plans")
        assert "Next retrainings" in console.text()
        assert "retraining is not enabled for this model" in console.text()
        await console.press("G")
        await console.until(lambda: "rt-0003 is under way" in console.text(), "the plan of spread")
        await console.press("escape")
        await console.settled()
        await console.press("colon", *"plan spread", "enter")
        await console.until(lambda: "next by the clock" in console.text(), "one plan")
        await console.press("G")
        await console.until(lambda: "Start a canary." in console.text(), "what it would do")


async def test_p_on_the_overview_approves_what_the_model_proposes(open_console, stored):
    async with open_console((80, 24)) as console:
        await console.until(lambda: "approve 1.3.0" in console.text(), "the mark")
        live = console.screen.main_table()
        console.screen.set_focus(live)
        live.move_to("liquidity_shock")
        await console.press("P")
        assert "No new version of this model awaits approval." in console.sentence
        live.move_to("spread")
        assert "approval" in await confirmed(console, "P")
        await console.until(lambda: stored.get("rt-0003").n_approvals_lacking == 0, "the approval")
