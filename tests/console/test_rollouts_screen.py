"""Screen 4: what an operator sees of a rollout, and what its keys ask for, never more than was shown."""

from datetime import timedelta

import msgspec
import pytest

from console.dialogs.change import ChangeDialog
from console.dialogs.text import TextDialog
from console.presentation import rollout_evidence, rollout_progress
from console.presentation.phrases import NOTHING
from console.presentation.rollouts import COLUMNS, seconds_to_decision
from console.verbs.rollout import ADVANCE, HOLD, HOLD_OR_RESUME, RESUME_ROLLOUT
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.registry import Registry, Stage
from core.rollout import DesiredRollout, GuardSource, RolloutPhase, Rollouts, Strategy
from core.rollout.rollout import END, RolloutEvent
from core.state import Lease
from tests.console.conftest import NOW
from tools.demo import OPERATOR
from widgets.columns import fit_columns
from widgets.glyphs import UNICODE

ACTIVE, TAKEN_BACK = "ro-0002", "ro-0001"


@pytest.fixture
def rollouts(workspace) -> Rollouts:
    return Rollouts(workspace)


@pytest.fixture
def engine(workspace):
    with Lease.acquire(workspace, OPERATOR, "headless"):
        yield


@pytest.fixture
def rollout(rollouts):
    """The canary of the demo at its second step; a test changes what it is about."""

    def changed(desired: DesiredRollout = DesiredRollout.RUNNING, **observed):
        active = rollouts.get(ACTIVE)
        observed = msgspec.structs.replace(active.observed, **observed)
        return msgspec.structs.replace(active, observed=observed, desired=desired)

    return changed


async def at(console, rollout_id: str) -> None:
    """Put the cursor on a rollout."""
    await console.press("4")
    await console.until(lambda: console.screen.NAME == "rollouts" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(rollout_id)
    await console.settled()


async def confirm(console, *keys: str) -> None:
    console.time.pass_deafness()
    await console.press(*keys, "Y")


async def test_stable_and_candidate_stand_side_by_side_with_the_time_to_a_decision(open_console, engine):
    async with open_console((160, 48)) as console:
        await at(console, ACTIVE)
        text = console.text()
        for fact in (
            "ro-0002 downgrade 1.2.0 → 1.3.0  ● running",
            "step 2 of 3, 10%",
            "✓ 5% → ● 10% → ○ 20% → ○ live",
            "in about 7m; deadline in",
            "waiting at 10%",
            "of 667 this step",
            "8,793 : 767",
            "0.10 to 2.48x",
            "✓ safe",
            "○ undecided",
            "701 answers at 5% with no sign",
        ):
            assert fact in text, fact


async def test_the_reason_of_a_rollback_is_shown(open_console):
    async with open_console((120, 40)) as console:
        await at(console, TAKEN_BACK)
        assert "errors: 9 of 100 against 1 of 1,900, shown to be more frequent" in console.text()
        assert "✗ 5%" in console.text()


async def test_without_an_engine_no_decision_is_promised(open_console):
    async with open_console((80, 24)) as console:
        await at(console, ACTIVE)
        assert "no engine is running, so nothing is judged" in console.text()


async def test_w_shows_the_evidence_and_the_rules(open_console, engine):
    async with open_console((160, 48)) as console:
        await at(console, ACTIVE)
        await console.press("w")
        text = console.text()
        for fact in ("ratio 0.71x, 95% interval 0.10 to 2.48x", "evidence of safety", "below 1.5x", "at most"):
            assert fact in text, fact


async def test_p_asks_for_the_step_that_was_shown(open_console, rollouts):
    async with open_console() as console:
        await at(console, ACTIVE)
        await console.dialog("P")
        assert "step 3 of 3, 20%" in console.text()
        await confirm(console)
        await console.until(lambda: rollouts.get(ACTIVE).desired_step == 2)
        await console.until(lambda: "advancing" in console.text())
        await console.until(lambda: "to advance" in console.sentence)  # said later, it would hide the next
        await console.press("P")
        assert "has already asked ro-0002 to advance" in console.sentence


@pytest.mark.parametrize("key", ["A", "R"])
async def test_one_key_rolls_the_candidate_back(open_console, rollouts, key, engine):
    async with open_console() as console:
        await at(console, ACTIVE)
        await console.dialog(key)
        assert "1.2.0 answers all requests" in console.text()
        await confirm(console)
        await console.until(lambda: rollouts.get(ACTIVE).desired is DesiredRollout.ABORTED)
        assert rollouts.get(ACTIVE).share == 0.0
        await console.until(lambda: "aborting" in console.text())


async def test_without_an_engine_an_abort_ends_the_rollout_immediately(open_console, rollouts):
    async with open_console() as console:
        await at(console, ACTIVE)
        await console.dialog("A")
        assert "Abort ro-0002 of downgrade" in console.text()
        await confirm(console)
        await console.until(lambda: rollouts.get(ACTIVE).observed.phase is RolloutPhase.ABORTED)
        await console.until(lambda: "while no engine was running" in console.text())


async def test_h_holds_and_resumes(open_console, rollouts):
    async with open_console() as console:
        await at(console, ACTIVE)
        for desired in (DesiredRollout.PAUSED, DesiredRollout.RUNNING):
            await console.dialog("H")
            await confirm(console)
            await console.until(lambda desired=desired: rollouts.get(ACTIVE).desired is desired)
            await console.until(
                lambda desired=desired: console.app.snapshot.rollout(ACTIVE).desired is desired, "the news of it"
            )


async def test_a_change_by_someone_else_first_is_named_and_nothing_is_changed(open_console, rollouts):
    async with open_console() as console:
        await at(console, ACTIVE)
        await console.dialog("P")
        rollouts.hold(ACTIVE, actor=OPERATOR, reason="meanwhile")
        await confirm(console)
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the conflict")
        await console.settled()
        assert "someone else changed it first" in console.text()
        assert rollouts.get(ACTIVE).desired_step == 0


async def test_after_the_last_step_p_goes_live_only_by_typing_the_version(open_console, rollouts):
    active = rollouts.get(ACTIVE)
    rollouts.save(active, msgspec.structs.replace(active.observed, step=2, share=0.2))
    async with open_console((160, 48)) as console:
        await at(console, ACTIVE)
        await console.dialog("P")
        for fact in ("without waiting for proof", "Not proven yet", "verified_artifact", "10"):
            assert fact in console.text(), fact
        await confirm(console)
        assert isinstance(console.app.screen, ChangeDialog)
        await confirm(console, *"1.3.0")
        await console.until(lambda: rollouts.get(ACTIVE).desired is DesiredRollout.PROMOTE_NOW)


async def test_the_cursor_moves_to_a_new_rollout_but_never_leaves_an_active_one(open_console, rollouts, engine):
    async with open_console() as console:
        await at(console, TAKEN_BACK)
        first = rollouts.start(rollouts.plan("spread", "1.3.0"), actor=OPERATOR)
        await console.until(lambda: console.screen.main_table().cursor_key == first.rollout_id)
        assert console.screen.main_table().move_to(ACTIVE)
        second = rollouts.start(rollouts.plan("liquidity_shock", "1.3.0", Strategy.SHADOW), actor=OPERATOR)
        await console.until(lambda: second.rollout_id in console.text())
        assert console.screen.main_table().cursor_key == ACTIVE


@pytest.mark.parametrize(
    ("key", "said"),
    [("P", "has ended: rolled back"), ("A", "has ended"), ("H", "has ended"), ("U", "no promotion to undo")],
)
async def test_a_rollout_that_has_ended_says_why_a_key_does_nothing(open_console, key, said):
    async with open_console() as console:
        await at(console, TAKEN_BACK)
        await console.press(key)
        assert said in console.sentence
        assert console.app.screen is console.screen


async def test_a_promoted_candidate_is_rolled_back_in_the_registry(open_console, workspace, rollouts):
    active = rollouts.get(ACTIVE)
    registry = Registry(workspace)
    registry.apply(registry.plan_promotion("downgrade", "1.3.0", Stage.PRODUCTION), actor=OPERATOR)
    rollouts.save(active, msgspec.structs.replace(active.observed, phase=RolloutPhase.PROMOTED, share=1.0))
    async with open_console() as console:
        await at(console, ACTIVE)
        await console.dialog("R")
        await confirm(console)
        await console.until(lambda: Registry(workspace).production("downgrade").version == "1.2.0")


@pytest.mark.parametrize(
    ("phase", "verb", "shares"),
    [
        (RolloutPhase.ABORTED, END, [NOTHING, NOTHING, "moved in registry"]),
        (RolloutPhase.ROLLED_BACK, "rollout.roll_back", ["100.0%", "0.0%", ""]),
    ],
    ids=["by a move in the registry", "by its guards"],
)
def test_the_shares_of_an_ended_rollout_are_of_its_end_and_unknown_after_a_registry_move(rollout, phase, verb, shares):
    event = RolloutEvent(at=NOW, verb=verb, reason="1.1.0 is in Production now", step=1, share=0.0, by="engine")
    row = rollout_evidence.guard_rows(rollout(phase=phase, share=0.0, events=(event,)), UNICODE)[0]
    assert row.text(0) == "final share"
    assert [row.text(1), row.text(2), row.text(4)] == shares


async def test_a_canary_starts_in_the_registry_by_typing_the_version(open_console, rollouts):
    async with open_console((160, 48)) as console:
        await console.press("3")
        assert console.screen.main_table().move_to("spread/1.3.0")
        await console.dialog("C")
        for fact in (
            "0% → 5% → 10% → 20% → all",
            "verified_artifact",
            "Abort immediately returns all traffic to 1.2.0",
        ):
            assert fact in console.text(), fact
        await confirm(console)
        assert rollouts.active("spread") is None
        await confirm(console, *"1.3.0")
        await console.until(lambda: rollouts.active("spread") is not None)
        assert rollouts.active("spread").created_by == str(console.app.actor)


async def test_resume_takes_the_model_of_a_held_rollout(open_console, rollouts):
    rollouts.hold("downgrade", actor=Actor("ana", "desk", Origin.COMMAND_LINE))
    async with open_console() as console:
        console.app.commands.run("resume downgrade")
        await console.dialog()
        assert "Resume ro-0002 of downgrade" in console.text()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("canary spread 1.3.0", "Start a rollout (canary) of spread 1.3.0"),
        ("canary spread 1.3.0 shadow", "Start a rollout (shadow) of spread 1.3.0"),
        ("canary downgrade 1.3.0", "already has an active rollout: ro-0002"),
        ("canary spread 1.2.0", "1.2.0 is live already"),
        ("advance ro-0002", "step 3 of 3, 20%"),
        ("hold ro-0002", "Hold ro-0002"),
        ("hold downgrade", "Hold ro-0002"),
        ("abort downgrade", "Abort ro-0002 of downgrade"),
        ("abort ro-0002", "all traffic to 1.2.0"),
    ],
)
async def test_a_command_opens_the_dialog_of_its_key(open_console, line, shown):
    async with open_console() as console:
        console.app.commands.run(line)
        await console.dialog()
        assert shown in console.text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "abort ro-0009",
            "There is no rollout ro-0009, and no model ro-0009 with a rollout. Active rollouts: ro-0002 (downgrade).",
        ),
        ("abort ro-0001", "has ended"),
        ("resume ro-0002", "is neither held nor inconclusive"),
        ("canary spread 1.3.0 purple", "There is no strategy purple."),
    ],
)
async def test_a_refused_command_is_answered_in_the_footer(open_console, line, said):
    async with open_console() as console:
        console.app.commands.run(line)
        await console.settled()
        assert said in console.sentence


async def test_an_alert_about_a_rollout_leads_to_it(open_console, workspace):
    labels = {"model": "liquidity_shock", "rollout": TAKEN_BACK}
    alert = next(alert for alert in Alerts(workspace).all() if alert.labels == labels)
    async with open_console() as console:
        await console.press("5")
        assert console.screen.main_table().move_to(alert.fingerprint)
        await console.press("enter")
        await console.until(lambda: console.screen.NAME == "rollouts")
        await console.until(lambda: console.screen.main_table().cursor_key == TAKEN_BACK)


@pytest.mark.parametrize(
    ("desired", "observed", "words"),
    [
        (DesiredRollout.RUNNING, {"phase": RolloutPhase.PENDING, "verdict": None}, "until the first step opens"),
        (DesiredRollout.PAUSED, {"phase": RolloutPhase.PAUSED}, "none while held, unless harm is shown"),
        (DesiredRollout.RUNNING, {"phase": RolloutPhase.INCONCLUSIVE}, "up to you: H sets a new deadline"),
        (DesiredRollout.RUNNING, {"verdict": None}, "no request has been answered"),
        (DesiredRollout.ABORTED, {"verdict": None}, "it is being aborted"),
    ],
    ids=["pending", "held", "inconclusive", "no request", "aborting"],
)
def test_an_unknown_decision_time_has_a_reason(rollout, desired, observed, words):
    shown = rollout(desired, **observed)
    assert seconds_to_decision(shown, shown.updated_at) is None
    lines = rollout_progress.summary_lines(shown, shown.updated_at, UNICODE, absence=None)
    assert words in "\n".join(line.text for line in lines)


def test_the_countdown_continues_between_two_verdicts(rollout):
    shown = rollout()
    first = seconds_to_decision(shown, shown.updated_at)
    assert seconds_to_decision(shown, shown.updated_at + timedelta(seconds=60)) == first - 60
    assert seconds_to_decision(shown, shown.updated_at + timedelta(days=1)) == 0


def test_a_decision_that_comes_after_the_deadline_is_not_promised(rollout):
    shown = rollout()
    ends_at = shown.updated_at + timedelta(seconds=seconds_to_decision(shown, shown.updated_at))
    for deadline_at, warns in ((ends_at - timedelta(seconds=1), True), (ends_at + timedelta(seconds=1), False)):
        shown = rollout(deadline_at=deadline_at)
        lines = rollout_progress.summary_lines(shown, shown.updated_at, UNICODE, absence=None)
        assert ("comes first: then an operator decides" in "\n".join(line.text for line in lines)) is warns


def test_an_interval_that_rules_nothing_out_is_not_drawn(rollout):
    errors = next(reading for reading in rollout().observed.readings if reading.source.is_rate)
    for low, high, text in ((0.0, None, "–"), (0.5, None, "from 0.50x"), (0.0, 1.2, "0.00 to 1.20x")):
        assert rollout_evidence.interval_text(msgspec.structs.replace(errors, low=low, high=high)) == text


def test_large_differences_are_written_out(rollout):
    loss = msgspec.structs.replace(
        rollout().observed.readings[0], source=GuardSource.LOSS, is_ratio=False, low=-1302.4, high=1440.6
    )
    assert rollout_evidence.interval_text(loss) == "-1,302 to +1,441"


def test_a_shadow_has_copies_instead_of_a_share(rollout):
    shown = rollout()
    plan = msgspec.structs.replace(shown.plan, strategy=Strategy.SHADOW, steps=shown.plan.steps[:1], mirror_share=0.5)
    shadow = msgspec.structs.replace(shown, plan=plan, observed=msgspec.structs.replace(shown.observed, step=0))
    assert rollout_evidence.guard_rows(shadow, UNICODE)[0].cells[2].text == "50%"
    assert rollout_progress.steps_line(shadow, UNICODE).text.endswith("○ finding")
    assert "ends with a finding" in ADVANCE.refusal(shadow)


def test_a_key_means_what_is_possible_next(rollout):
    assert (rollout().is_at_last_step, rollout(step=2).is_at_last_step) == (False, True)
    choose = HOLD_OR_RESUME.choose
    assert (choose(rollout()), choose(rollout(DesiredRollout.PAUSED))) == (HOLD, RESUME_ROLLOUT)
    assert choose(rollout(phase=RolloutPhase.INCONCLUSIVE)) is RESUME_ROLLOUT
    assert RESUME_ROLLOUT.refusal(rollout(phase=RolloutPhase.INCONCLUSIVE)) is None


def test_the_number_of_a_rollout_is_whole_on_the_smallest_screen():
    longest = (7, 15, 8, 9, 10, 14, 4, 5, 8, 4)
    for width in range(36, 60):
        widths = dict(fit_columns(COLUMNS, width, longest=longest))
        assert widths[0] == 7, f"ro-0001 and ro-0002 look the same in {width} cells"
