"""Dialogs before a change: nothing confirms by accident, and nothing is done that was not shown."""

import asyncio
import re
import threading
from concurrent import futures

import pytest

from console.dialogs.change import HELD_SECONDS, ChangeDialog
from console.dialogs.text import TextDialog
from console.presentation.offer import AskAgainError, Offer
from console.verbs.stage_move import plan_offer
from core.actor import Actor
from core.alerts import Alerts, AlertState, fingerprint_of
from core.domains.bonds.data import PanelSettings, generate
from core.domains.catalogue import create
from core.errors import RefusedError
from core.governance import AuditLog
from core.monitoring.documents import EarlierVersion, HealthState, ModelMonitoring
from core.monitoring.monitoring_store import MonitoringStore
from core.registry import Quarantine, Registry, Stage
from core.registry.holds import RunningRollout
from core.registry.planning import with_rollout
from core.rollout import Rollouts, Strategy
from core.training.session import DesiredSession, SessionPhase
from core.training.sessions import Sessions
from tests.console.conftest import NOW
from tests.monitored import ENERGY, a_version, health
from tools.demo import OPERATOR
from widgets.glyphs import UNICODE
from widgets.line import Line


def stage_of(workspace, model, version) -> Stage:
    return Registry(workspace).get(model, version).stage


async def at(console, key: str) -> None:
    """Put the registry's cursor on a version."""
    await console.press("3")
    await console.until(lambda: console.screen.NAME == "registry" and console.screen.main_table().rows)
    assert console.screen.main_table().move_to(key)
    await console.settled()


async def test_a_promotion_to_production_is_confirmed_by_typing_its_version_and_y(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        assert "Staging" in console.text()
        assert "Production" in console.text()
        await console.press(*"1.3.0")
        assert isinstance(console.app.screen, ChangeDialog), "typing alone must not confirm"
        await console.press("Y")
        await console.until(lambda: stage_of(workspace, "spread", "1.3.0") is Stage.PRODUCTION, "the promotion")
        assert stage_of(workspace, "spread", "1.2.0") is Stage.ARCHIVED
        await console.until(lambda: "Production" in console.sentence, "the sentence that says so")
        assert not dialog.is_current


@pytest.mark.parametrize("part", ["dialog-body", "confirm"])
async def test_a_closing_dialog_survives_a_judgement_that_was_still_due(open_console, part):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("P")
        await dialog.query_one(f"#{part}").remove()
        dialog.on_resize()
        await console.settled()
        assert dialog.is_current


async def test_the_dialog_of_a_new_session_asks_for_its_domain(open_console, workspace):
    async with open_console() as console:
        await console.dialog("colon", *"start", "enter")
        console.time.pass_deafness()
        assert "bonds  right arrow: etrm" in console.text()
        await console.press("right")
        await console.until(lambda: "etrm  right arrow: text" in console.text(), "the other domain")
        assert "all of etrm: etrm_risk" in console.text()
        await console.settled()
        console.time.pass_deafness()
        before = {session.session_id for session in Sessions(workspace).all()}
        await console.press("Y")
        await console.until(lambda: len(Sessions(workspace).all()) > len(before), "the new session")
        [begun] = [session for session in Sessions(workspace).all() if session.session_id not in before]
        assert begun.settings["domain"] == "etrm"
        assert set(begun.settings["models"]) == {"etrm_risk", "etrm_breach", "etrm_off_market"}


async def test_the_dialog_of_a_new_session_says_what_core_would_refuse(open_console, workspace):
    workspace.settings_file.write_text("dataset_size: 2\n")
    async with open_console() as console:
        await console.dialog("colon", *"start", "enter")
        assert "dataset_size is 2: fewer than 18 bonds" in console.text()


async def test_the_dialog_of_a_new_session_keeps_the_named_experiment_for_every_domain(open_console, workspace):
    async with open_console() as console:
        words = [{" ": "space"}.get(key, key) for key in "start bonds night desk"]
        await console.dialog("colon", *words, "enter")
        console.time.pass_deafness()
        assert "night desk" in console.text()
        await console.press("right")
        await console.until(lambda: "etrm  right arrow: text" in console.text(), "the other domain")
        await console.settled()
        console.time.pass_deafness()
        before = len(Sessions(workspace).all())
        await console.press("Y")
        await console.until(lambda: len(Sessions(workspace).all()) > before, "the new session")
        begun = Sessions(workspace).all()[-1]
        assert (begun.training.domain, begun.experiment) == ("etrm", "night desk")


@pytest.mark.parametrize("typed", ["", "1.3", "1.3.01", "1.2.0"], ids=lambda typed: typed or "nothing")
async def test_a_version_typed_wrongly_promotes_nothing(open_console, workspace, typed):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.dialog("P")
        console.time.pass_deafness()
        await console.press(*typed, "Y", "tab", "tab", "Y")
        assert isinstance(console.app.screen, ChangeDialog)
        assert stage_of(workspace, "spread", "1.3.0") is Stage.STAGING


@pytest.mark.parametrize(
    "keys",
    [("enter",), ("y",), ("Y",), ("1", "full_stop", "3", "full_stop", "0", "Y"), ("tab", "enter")],
    ids=["enter", "y", "Y", "the version and Y", "tab and enter"],
)
async def test_keys_typed_ahead_neither_confirm_nor_cancel(open_console, workspace, keys):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        await console.press(*keys)
        console.time.seconds += 0.39
        await console.press(*keys)
        assert console.app.screen is dialog
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_keys_behind_the_capital_in_one_burst_reach_nothing_else(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.burst("R", "Y", "U", "Y", "q", "enter")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog))
        await console.settled()
        assert isinstance(console.app.screen, ChangeDialog)
        assert console.screen.NAME == "registry"
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_a_capital_acts_on_the_row_that_earlier_keys_selected(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.burst("j", "R")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog) and console.app.screen._offer)
        assert console.screen.main_table().cursor_key == "spread/1.2.0"


@pytest.mark.parametrize("keys", [("enter",), ("escape",), ("ctrl+c",)], ids=["enter on cancel", "escape", "ctrl+c"])
async def test_cancel_has_the_focus_and_closes_the_dialog(open_console, workspace, keys):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        console.time.pass_deafness()
        assert dialog.focused.id == "cancel"
        await console.press(*keys)
        await console.until(lambda: console.app.screen is console.screen, "the way out")
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_enter_on_the_dangerous_button_confirms_nothing(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        console.time.pass_deafness()
        dialog.query_one("#confirm").focus()
        await console.press("enter", "space")
        assert console.app.screen is dialog
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_a_version_arrives_whole_and_in_order_however_fast_it_is_typed(open_console):
    """Keys that come while the focus is on its way to the field, after any number of turns of the loop."""
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        typed, cancel = dialog.query_one("#typed"), dialog.query_one("#cancel")
        for n_turns in range(30):
            typed.value = ""
            cancel.focus()
            await console.until(lambda: dialog.focused is cancel, "Cancel in focus")
            for sign in "1.3.0":
                console.send(sign)
                for _ in range(n_turns):
                    await asyncio.sleep(0)
            await console.until(lambda: dialog.focused is typed, "the field in focus")
            await console.settled()
            assert typed.value == "1.3.0", n_turns


async def test_a_version_in_the_reason_is_text(open_console):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        dialog.query_one("#reason").focus()
        await console.press(*"as 1.2")
        await console.until(lambda: dialog.query_one("#reason").value == "as 1.2", "the reason")
        assert dialog.query_one("#typed").value == ""


async def test_a_y_in_the_reason_is_text_and_the_reason_is_recorded(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        console.time.pass_deafness()
        dialog.query_one("#reason").focus()
        await console.press(*"Yields")
        await console.until(lambda: "Enter ends the reason, then Y confirms: roll back." in console.text())
        await console.press("enter")
        await console.until(lambda: "Enter ends the reason" not in console.text())
        await console.press("Y")
        await console.until(lambda: stage_of(workspace, "spread", "1.1.0") is Stage.PRODUCTION, "the rollback")
        assert Registry(workspace).history("spread")[0].reason == "Yields"


async def test_a_rollback_is_undone_by_u(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        for key, live in (("R", "1.1.0"), ("U", "1.2.0")):
            await console.dialog(key)
            console.time.pass_deafness()
            await console.press("Y")
            await console.until(
                lambda live=live: stage_of(workspace, "spread", live) is Stage.PRODUCTION, f"{live} live"
            )


@pytest.mark.parametrize("size", [(80, 24), (40, 12)], ids=str)
async def test_the_dialog_of_a_rollback_says_how_the_version_did_when_it_was_live(open_console, workspace, size):
    known = EarlierVersion(version="1.1.0", live_until=NOW, health=health(HealthState.DEGRADED, ENERGY))
    live = ModelMonitoring(model="spread", versions=(a_version("1.2.0"),), earlier=(known,), updated_at=NOW)
    MonitoringStore(workspace).write([live])
    async with open_console(size) as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        lines = " ".join(line.text for line in dialog._offer.lines)
        assert "1.1.0 was degraded when it was last live" in lines
        assert "Requests have moved (sector)." in lines


async def test_a_stale_plan_is_refused_with_what_changed(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        registry = Registry(workspace)
        registry.apply(registry.plan_promotion("spread", "1.3.0"), actor=OPERATOR, reason="meanwhile")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the conflict")
        await console.settled()
        assert "1.3.0" in console.text()
        assert "someone else changed it first" in console.text()
        assert stage_of(workspace, "spread", "1.3.0") is Stage.PRODUCTION


async def test_a_refused_change_has_nothing_to_confirm(open_console, workspace):
    async with open_console() as console:
        await at(console, "anomaly/1.3.0")
        dialog = await console.dialog("colon", *"rollback anomaly", "enter")
        console.time.pass_deafness()
        assert "anomaly has no version in Production, and none to roll back to." in console.text()
        assert not dialog.query_one("#confirm").display
        await console.press("Y")
        assert console.app.screen is dialog


async def test_the_dialog_is_about_the_version_under_the_cursor_at_the_key_press(open_console, workspace):
    async with open_console() as console:
        await at(console, "downgrade/1.3.0")
        await console.dialog("P")
        console.screen.main_table().move_to("spread/1.3.0")
        console.time.pass_deafness()
        await console.press(*"1.3.0", "Y")
        await console.until(lambda: stage_of(workspace, "downgrade", "1.3.0") is Stage.PRODUCTION, "the promotion")
        assert stage_of(workspace, "spread", "1.3.0") is Stage.STAGING


async def test_a_session_is_paused_and_resumed_by_h(open_console, workspace):
    async with open_console() as console:
        await console.press("2")
        for desired in (DesiredSession.PAUSED, DesiredSession.RUNNING):
            await console.until(
                lambda desired=desired: (
                    console.screen.NAME == "training" and console.app.snapshot.session("s-0002").desired is not desired
                )
            )
            await console.dialog("H")
            console.time.pass_deafness()
            assert "No engine is running; this takes effect when an engine starts" in console.text()
            await console.press("Y")
            await console.until(lambda desired=desired: Sessions(workspace).get("s-0002").desired is desired, desired)


async def test_s_stops_the_running_session_and_else_starts_one(open_console, workspace):
    async with open_console() as console:
        await console.press("2")
        await console.dialog("S")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: Sessions(workspace).get("s-0002").desired is DesiredSession.STOPPED, "the stop")
        await console.until(lambda: console.app.snapshot.session("s-0002").desired is DesiredSession.STOPPED)
        await console.dialog("S")
        console.time.pass_deafness()
        assert "max_epochs" in console.text()
        await console.press("Y")
        await console.until(lambda: len(Sessions(workspace).all()) == 3, "the new session")


async def test_start_with_arguments_starts_a_session_whatever_the_cursor_is_on(open_console, workspace):
    finishing = {"phase": SessionPhase.STOPPING, "stop_reason": "converged"}
    Sessions(workspace).observe("s-0002", "session.end", actor=Actor.engine(), **finishing)
    async with open_console((80, 24)) as console:
        await console.press("2")
        await console.dialog("colon", *"start text prose", "enter")
        console.time.pass_deafness()
        assert re.search(r"model +prose", console.text())
        await console.press("Y")
        await console.until(lambda: len(Sessions(workspace).all()) == 3, "the new session")
    assert Sessions(workspace).all()[-1].text.model == "prose"


async def test_someone_elses_request_wins_over_a_stale_pause(open_console, workspace):
    async with open_console() as console:
        await console.press("2")
        await console.dialog("H")
        Sessions(workspace).request("s-0002", DesiredSession.STOPPED, actor=OPERATOR, reason="meanwhile")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the conflict")
        assert Sessions(workspace).get("s-0002").desired is DesiredSession.STOPPED


async def test_k_acknowledges_the_alert_under_the_cursor(open_console, workspace):
    async with open_console() as console:
        await console.press("5")
        await console.until(lambda: console.screen.NAME == "alerts" and console.screen.selected_alert())
        fingerprint = console.screen.selected_alert().fingerprint
        await console.dialog("K")
        console.time.pass_deafness()
        await console.press("Y")

        def state():
            return next(a.state for a in Alerts(workspace).all() if a.fingerprint == fingerprint)

        await console.until(lambda: state() is AlertState.ACKNOWLEDGED, "the acknowledgement")


async def test_r_on_a_version_that_is_not_live_leaves_the_healthy_live_version_alone(open_console, workspace):
    Alerts(workspace).fire(
        "hash_mismatch", labels={"model": "spread", "version": "1.3.0"}, summary="spread 1.3.0: changed", now=NOW
    )
    async with open_console() as console:
        for screen, key in (
            ("5", fingerprint_of("hash_mismatch", {"model": "spread", "version": "1.3.0"})),
            ("3", "spread/1.3.0"),
        ):
            await console.press(screen)
            await console.until(lambda: console.screen.main_table().rows)
            assert console.screen.main_table().move_to(key)
            await console.settled()
            await console.press("R")
            assert console.sentence == "spread 1.3.0 is in Staging; live 1.2.0 is not affected."
            assert console.app.screen is console.screen


async def test_r_on_a_candidate_aborts_its_rollout(open_console, workspace):
    async with open_console() as console:
        await at(console, "downgrade/1.3.0")
        await console.dialog("R")
        assert "Abort ro-0002" in console.text()


async def test_a_promotion_says_which_rollout_it_ends(open_console, workspace):
    async with open_console() as console:
        await at(console, "downgrade/1.3.0")
        await console.dialog("P")
        assert "Ends rollout ro-0002, 1.3.0 at 10%: 1.3.0 goes live without its verdict." in console.text()


async def test_a_wrong_version_is_told_from_the_expected_one(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.dialog("P")
        console.time.pass_deafness()
        await console.until(lambda: "Type 1.3.0, then Y confirms" in console.text(), "the hint")
        await console.press(*"1.3", "Y")
        assert "You typed 1.3, not 1.3.0." in console.text()
        await console.press("backspace", "2")
        assert "You typed 1.2, not 1.3.0." in console.text()


async def test_marked_alerts_are_resolved_together_or_not_at_all_and_a_failure_is_named(open_console, workspace):
    async with open_console() as console:
        await console.press("5", "space", "j", "space", "j", "space")
        marked = console.screen._marks.keys
        assert len(marked) == 3
        assert "3 marked, Esc clears" in console.text()
        await console.press("escape")
        assert "marked" not in console.text()
        await console.press("g", "space", "j", "space", "j", "space")
        await console.dialog("X")
        assert "Resolve 3 marked alerts" in console.text()
        Alerts(workspace).resolve(marked[1], OPERATOR, reason="meanwhile")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(
            lambda: "Since the question was asked, this changed" in console.text(), "the question again"
        )
        await console.settled()
        assert "Resolve 2 marked alerts" in console.text()
        assert resolvers(workspace, marked) == [None, str(OPERATOR), None]
        console.time.pass_deafness()
        await console.press("escape")
        await console.until(lambda: console.app.screen is console.screen, "the list")
        await console.until(lambda: "2 marked, Esc clears" in console.text(), "the mark of the resolved one is gone")
        await console.dialog("X")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: "marked" not in console.text(), "marks gone with their alerts")
        assert resolvers(workspace, marked) == [str(console.app.actor), str(OPERATOR), str(console.app.actor)]


def resolvers(workspace, fingerprints):
    by = {alert.fingerprint: alert.resolved_by for alert in Alerts(workspace).all()}
    return [by[fingerprint] for fingerprint in fingerprints]


async def test_marked_versions_are_archived_in_one_dialog_and_live_ones_only_alone(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.press("space")
        console.screen.main_table().move_to("anomaly/1.3.0")
        await console.settled()
        await console.press("space")
        await console.dialog("X")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: stage_of(workspace, "anomaly", "1.3.0") is Stage.ARCHIVED, "the last")
        assert stage_of(workspace, "spread", "1.3.0") is Stage.ARCHIVED
        await console.until(lambda: console.app.screen is console.screen and "Archived" in console.sentence)
        for key in ("spread/1.2.0", "anomaly/1.2.0"):
            assert console.screen.main_table().move_to(key)
            await console.settled()
            await console.press("space")
        await console.dialog("X")
        assert "spread 1.2.0 is live; archive it alone." in console.text()


async def test_a_quarantined_version_says_so_and_is_released_with_a_reason(open_console, workspace):
    quarantine = Quarantine(key="spread/1.3.0", model="spread", version="1.3.0", problem="it hangs", at=NOW)
    workspace.database("registry").documents("quarantine", Quarantine, "key").insert(quarantine)
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.until(lambda: "quarantined" in console.text(), "the word")
        row = next(line for line in console.text().splitlines() if "spread  " in line and "1.3.0  " in line)
        assert "✗  spread" in row, "the sign stands where a mark would, since this list has no room for the word"
        assert "it hangs" in console.text()
        await console.dialog(":", *"release", "space", *"spread", "space", *"1.3.0", "enter")
        assert "it hangs" in console.text()
        console.time.pass_deafness()
        await console.press(*"looked", "Y")
        await console.until(lambda: not Registry(workspace).quarantined(), "the release")
        await console.until(lambda: "1.3.0 is released" in console.sentence, "the sentence that says so")
        assert AuditLog(workspace).tail(1)[0].verb == "version.release"
        await console.until(lambda: "quarantined" not in console.text(), "the row without the word")


async def test_a_version_that_is_not_quarantined_is_not_released(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.dialog(":", *"release", "space", *"spread", "space", *"1.3.0", "enter")
        assert "spread 1.3.0 is not quarantined." in console.text()


@pytest.mark.parametrize("size", [(40, 12), (80, 16)], ids=str)
async def test_y_confirms_only_what_was_on_the_screen(open_console, workspace, size):
    async with open_console(size) as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        await console.press(*"1.3.0")
        body = dialog.query_one("#dialog-body")
        hint = dialog.query_one("#dialog-hint")
        await console.until(lambda: " more line" in hint.text, "the hint")
        assert body.n_unseen, "a plan that is longer than the dialog"
        await console.press("Y")
        await console.settled()
        assert dialog.is_current
        while body.n_unseen:
            await console.press("Y")
            await console.settled()
        await console.press("Y", "Y")
        assert dialog.is_current, "a Y that is held down only scrolls"
        assert stage_of(workspace, "spread", "1.3.0") is Stage.STAGING
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: stage_of(workspace, "spread", "1.3.0") is Stage.PRODUCTION, "the promotion")


@pytest.mark.parametrize("size", [(40, 12), (80, 16), (80, 24)], ids=str)
async def test_a_question_longer_than_the_screen_says_from_the_start_what_y_does_next(open_console, workspace, size):
    async with open_console(size) as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        body, hint, typed = (dialog.query_one(name) for name in ("#dialog-body", "#dialog-hint", "#typed"))
        dialog.query_one("#dialog-body").show([*body.lines, *(Line(((f"effect {n}", ""),)) for n in range(20))])
        await console.settled()
        console.time.pass_deafness()
        dialog.begin_to_listen()
        await console.settled()

        def drawn() -> str:
            rows = (line.text.strip() for line in hint.paint(hint.size.width, hint.size.height))
            return " ".join(rows)

        n_unseen, is_wide = body.n_unseen, size[0] == 80
        more = f"Y shows {n_unseen} more lines"
        assert drawn() == (f"{more}, then type 1.3.0, then Y confirms. Esc cancels." if is_wide else f"{more}.")
        assert f"{n_unseen} more lines: Y, PgDn" in console.text()
        assert "Show more" in console.text()
        while body.n_unseen:
            await console.press("Y")
        assert dialog.is_current
        assert typed.value == ""
        assert drawn() == ("Type 1.3.0, then Y confirms. Esc cancels." if is_wide else "Type 1.3.0, then Y.")
        console.time.pass_deafness()
        await console.press("Y")
        assert dialog.is_current, "nothing is confirmed before the version was typed"
        await console.press(*"1.3.0")
        assert drawn() == "Y confirms: promote. Esc cancels."
        assert "effect 19" in console.text()


async def test_a_smaller_terminal_leaves_lines_to_show_before_y_confirms(open_console, workspace):
    async with open_console((120, 40)) as console:
        await at(console, "spread/1.3.0")
        dialog = await console.dialog("P")
        console.time.pass_deafness()
        await console.press(*"1.3.0")
        await console.until(lambda: "Y confirms: promote." in console.text(), "the hint")
        await console.pilot.resize_terminal(40, 12)
        await console.until(lambda: "Show more" in console.text(), "the hint")
        assert dialog.query_one("#dialog-body").n_unseen


async def test_the_worst_effect_is_the_first_line(open_console, workspace):
    async with open_console((40, 12)) as console:
        await at(console, "spread/1.2.0")
        await console.dialog("X")
        assert "Leaves spread without a live" in console.text()


def test_the_end_of_a_rollout_is_the_first_line(workspace):
    plan = Registry(workspace).plan_promotion("spread", "1.3.0")
    rollout = RunningRollout(rollout_id="ro-0001", stable="1.2.0", candidate="1.3.0", share=0.1)
    offer = plan_offer(with_rollout(plan, rollout), UNICODE, str)
    assert offer.lines[0].text.startswith("Ends rollout ro-0001")


async def test_a_question_that_became_old_is_asked_again_and_a_y_held_down_does_not_answer_it(open_console):
    done = []

    def new_question() -> Offer:
        return Offer(
            title="The new question",
            lines=(),
            confirm="Go",
            asks_reason=False,
            commit=lambda _: done.append(1) or "Done.",
        )

    def refuse(_reason: str) -> str:
        raise AskAgainError("It changed.", new_question)

    async with open_console() as console:
        console.app.offer(
            lambda: Offer(title="The old question", lines=(), confirm="Go", asks_reason=False, commit=refuse)
        )
        await console.dialog()
        old = console.app.screen
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog) and console.app.screen is not old)
        new = await console.dialog()
        assert "The new question" in console.text()
        for _ in range(20):  # the key repeats, first after a longer while
            console.time.pass_by(HELD_SECONDS - 0.01)
            await console.press("Y")
        assert console.app.screen is new
        assert done == []
        console.time.pass_by(HELD_SECONDS)
        await console.press("Y")
        await console.until(lambda: done, "the answer")
        await console.until(lambda: console.sentence == "Done.", "the sentence that says so")


async def test_a_dialog_opened_while_a_rollout_is_being_started_knows_it(open_console, monkeypatch):
    begun, may_start, start = threading.Event(), threading.Event(), Rollouts.start
    waits_for, plan, seen = futures.wait, Registry.plan_promotion, []

    def slow_start(*args, **options):
        begun.set()
        may_start.wait()
        return start(*args, **options)

    def seen_to_wait(*args, **options):
        seen.append("waits")
        return waits_for(*args, **options)

    def seen_to_plan(*args, **options):
        seen.append("plans")
        return plan(*args, **options)

    monkeypatch.setattr(Rollouts, "start", slow_start)
    monkeypatch.setattr(Registry, "plan_promotion", seen_to_plan)
    monkeypatch.setattr("console.app.changes.wait", seen_to_wait, raising=False)
    async with open_console() as console:
        try:
            await at(console, "spread/1.3.0")
            dialog = await console.dialog("C")
            console.time.pass_deafness()
            await console.press(*"1.3.0")
            while dialog.query_one("#dialog-body").n_unseen:
                await console.press("Y")
            console.time.pass_deafness()
            console.send("Y")
            await console.until(begun.is_set, "the start")
            seen.clear()
            console.send("P")
            await console.until(lambda: seen, "the look at the state")
            assert seen == ["waits"], "no plan is made while the start is under way"
        finally:
            may_start.set()
        await console.until(lambda: getattr(console.app.screen, "_offer", None), "the plan")
        await console.settled()
        assert "Ends rollout" in console.text()


async def test_a_plan_that_omits_a_rollout_is_asked_again(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        old = await console.dialog("P")
        assert "Ends rollout" not in console.text()
        rollouts = Rollouts(workspace)
        rollouts.start(rollouts.plan("spread", "1.3.0", Strategy.CANARY), actor=OPERATOR, reason="meanwhile")
        console.time.pass_deafness()
        await console.press(*"1.3.0", "Y")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog) and console.app.screen is not old)
        await console.until(lambda: console.app.screen._offer, "the new plan")
        await console.settled()
        assert "Ends rollout" in console.text()
        assert stage_of(workspace, "spread", "1.3.0") is Stage.STAGING


async def test_alerts_hidden_by_a_filter_are_not_called_well(open_console):
    async with open_console((160, 48)) as console:
        await console.press("5")
        await console.until(lambda: console.screen.NAME == "alerts" and console.screen.main_table().rows)
        await console.press("/", *"zzz", "enter")
        assert "No alert matches /zzz/" in console.text()
        assert "No alert is open" not in console.text()
        assert "No alert matches /zzz/" in console.text()


async def test_what_was_still_being_read_is_not_shown_in_a_dialog_that_was_left(open_console):
    may_read = threading.Event()

    def look() -> Offer:
        may_read.wait()
        return Offer(title="A question", lines=(), confirm="Go", commit=lambda _: "Done.")

    async with open_console() as console:
        await at(console, "spread/1.2.0")
        try:
            console.app.offer(look)
            await console.until(lambda: isinstance(console.app.screen, ChangeDialog), "the dialog")
            dialog = console.app.screen
            await console.until(lambda: dialog.query("#dialog-hint"), "its parts")
            dialog._is_left = True  # closing is not at its end yet
            await dialog.query_one("#dialog").remove()
            may_read.set()
            await console.settled()
            dialog.dismiss(None)
            await console.until(lambda: console.app.screen is console.screen, "the way out")
        finally:
            may_read.set()
        await console.settled()
        assert console.app.screen is console.screen


@pytest.mark.parametrize("is_read", [False, True], ids=["deaf", "still being read"])
async def test_esc_leaves_at_any_time_and_the_key_behind_it_is_about_the_screen(open_console, workspace, is_read):
    may_read = threading.Event()

    def look() -> Offer:
        may_read.wait()
        return Offer(title="A question", lines=(), confirm="Go", commit=lambda _: "Done.")

    async with open_console() as console:
        await at(console, "spread/1.2.0")
        try:
            if is_read:
                console.app.offer(look)
                await console.pilot.pause(0)
            else:
                await console.dialog("R")
            console.send("escape")
            await console.until(lambda: console.app.screen is console.screen, "the way out")
        finally:
            may_read.set()
        await console.settled()
        await console.dialog("U")
        assert "Undo spread" in console.text()
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: AuditLog(workspace).tail(1)[0].verb == "version.undo", "the undo")


async def test_esc_in_a_burst_leaves_before_the_next_key(open_console):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        await console.bytes("\x1bU")
        await console.until(lambda: getattr(console.app.screen, "_offer", None), "the next question")
        await console.settled()
        assert "Undo spread" in console.text()


async def test_a_question_is_not_suspended_and_ctrl_l_draws_it_again_before_it_listens(open_console, monkeypatch):
    suspended, drawn = [], []
    async with open_console() as console:
        monkeypatch.setattr(console.app, "action_suspend_process", lambda: suspended.append(True))
        monkeypatch.setattr("console.app.app.refusal_to_suspend", lambda *_, **__: "")
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        monkeypatch.setattr(console.app, "action_redraw", lambda: drawn.append(True))
        await console.press("ctrl+l")
        assert drawn
        console.time.pass_deafness()
        await console.press("ctrl+z")
        assert not suspended
        await console.press("escape", "ctrl+z")
        assert suspended


@pytest.mark.parametrize("behind", ["2", "-", "=", "b", "f", "!", ":", "[", "O", "\r", "\t", "\x7f"], ids=repr)
async def test_esc_cancels_the_question_whatever_key_is_behind_it_in_the_burst(open_console, workspace, behind):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        console.time.pass_deafness()
        await console.bytes(f"\x1b{behind}")
        await console.until(lambda: not isinstance(console.app.screen, ChangeDialog), "the way out")
        await console.press("Y")
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


@pytest.mark.parametrize("is_deaf", [True, False], ids=["deaf", "listening"])
async def test_after_the_key_of_another_change_y_confirms_nothing(open_console, workspace, is_deaf):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        if not is_deaf:
            console.time.pass_deafness()
        await console.press("U")
        console.time.pass_by(HELD_SECONDS * 10)
        assert "U is the key of another change, but this asks: Roll back" in console.text()
        await console.press("Y")
        assert console.app.screen is dialog
        await console.press("escape")
        assert console.app.screen is console.screen
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_the_key_of_the_change_itself_may_be_held_down_and_a_reason_may_have_any_capital(open_console, workspace):
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("R")
        await console.press(*"RRR")
        console.time.pass_deafness()
        dialog.query_one("#reason").focus()
        await console.press(*"UP", "enter", "Y")
        await console.until(lambda: stage_of(workspace, "spread", "1.1.0") is Stage.PRODUCTION, "the rollback")
        assert Registry(workspace).history("spread")[0].reason == "UP"


@pytest.mark.parametrize(("before", "after"), [((50, 16), (80, 24)), ((120, 40), (40, 12))], ids=["larger", "smaller"])
async def test_the_hint_is_true_after_the_terminal_has_changed_its_size(open_console, before, after):
    async with open_console(before) as console:
        await at(console, "spread/1.2.0")
        dialog = await console.dialog("U")
        console.time.pass_deafness()
        dialog.begin_to_listen()
        await console.settled()
        body, hint = dialog.query_one("#dialog-body"), dialog.query_one("#dialog-hint")
        assert ("more line" in hint.text) is (before == (50, 16))
        await console.pilot.resize_terminal(*after)
        await console.settled()
        assert ("more line" in hint.text) is bool(body.n_unseen) is (after == (40, 12))
        await console.press("Y")
        assert dialog.is_current, "a Y for the screen as it was is too early for the new one"


async def test_a_promotion_that_names_a_rollout_asks_again_once_that_was_aborted(open_console, workspace):
    async with open_console() as console:
        await at(console, "downgrade/1.3.0")
        old = await console.dialog("P")
        assert "Ends rollout ro-0002, 1.3.0 at 10%" in console.text()
        Rollouts(workspace).abort("ro-0002", actor=OPERATOR, reason="no")
        console.time.pass_deafness()
        await console.press(*"1.3.0")
        while old.query_one("#dialog-body").n_unseen:
            await console.press("Y")
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: isinstance(console.app.screen, ChangeDialog) and console.app.screen is not old)
        await console.until(lambda: console.app.screen._offer, "the new plan")
        await console.settled()
        assert "Since the question was asked, this changed:" in console.text()
        assert "Rollout ro-0002, 1.3.0 at 10% has ended since." in console.text()
        assert stage_of(workspace, "downgrade", "1.3.0") is not Stage.PRODUCTION


@pytest.fixture
def slow_change(monkeypatch):
    """Let a rollback wait until the test lets it end, well or badly."""
    begun, may_end, apply, fault = threading.Event(), threading.Event(), Registry.apply, []

    def slow_apply(*args, **options):
        begun.set()
        may_end.wait()
        if fault:
            raise fault[0]
        return apply(*args, **options)

    monkeypatch.setattr(Registry, "apply", slow_apply)
    yield begun, may_end, fault
    may_end.set()


async def test_a_change_says_what_it_is_doing_and_q_waits_for_its_end(open_console, workspace, slow_change):
    begun, may_end, _fault = slow_change
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        console.time.pass_deafness()
        console.send("Y")
        await console.until(begun.is_set, "the rollback")
        await console.until(lambda: console.sentence == "Rolling back spread to 1.1.0…", "what is done")
        console.send("q")
        await console.until(lambda: "The console leaves once that has ended." in console.sentence, "the answer to q")
        assert console.sentence.startswith("Rolling back spread to 1.1.0… ")
        assert console.app.is_running
        console.send("q")
        may_end.set()
        await console.until(lambda: console.app._exit, "the way out")
        assert "spread 1.1.0 is in Production" in console.app.farewell
    assert stage_of(workspace, "spread", "1.1.0") is Stage.PRODUCTION


async def test_the_console_stays_if_the_change_it_waits_for_is_refused(open_console, workspace, slow_change):
    begun, may_end, fault = slow_change
    fault.append(RefusedError("A gate says no."))
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("R")
        console.time.pass_deafness()
        console.send("Y")
        await console.until(begun.is_set, "the rollback")
        console.send("q")
        await console.until(lambda: "leaves once" in console.sentence, "the answer to q")
        may_end.set()
        await console.until(lambda: isinstance(console.app.screen, TextDialog), "the refusal")
        await console.settled()
        assert not console.app._exit
        assert "A gate says no." in console.text()


async def test_an_undo_says_first_that_it_is_of_another_version_than_that_of_the_row(open_console, workspace):
    registry = Registry(workspace)
    registry.apply(registry.plan_archive("spread", "1.0.0"), actor=OPERATOR)
    told = "The last change of spread was of 1.0.0, not of 1.2.0."
    async with open_console() as console:
        await at(console, "spread/1.2.0")
        await console.dialog("U")
        assert told in console.text()
        await console.press("escape")
        await at(console, "spread/1.0.0")
        await console.dialog("U")
        assert "Undo spread" in console.text()
        assert "The last change of" not in console.text()


async def test_a_member_of_an_ensemble_is_registered_and_the_answer_says_how_it_was_measured(
    open_console, workspace, tmp_path
):
    model = create("spread", algorithm="voting", settings={"members": "linear, lightgbm"})
    model.update(generate(PanelSettings(n_rows=150, seed=1)), seed=1)
    model.save(tmp_path / "voting")
    registry = Registry(workspace)
    found = registry.register("spread", tmp_path / "voting", metrics={}, lineage={}, gates=(), actor=OPERATOR)
    async with open_console() as console:
        await at(console, "spread/1.3.0")
        await console.dialog(":", *"member", "space", *"spread", "space", *found.version, "space", *"forest", "enter")
        assert f"spread {found.version} has no member forest" in console.text().replace("'", "")
        assert "Only an ensemble" not in console.text()
        await console.press("escape")
        await console.dialog(":", *"member", "space", *"spread", "space", *found.version, "space", *"linear", "enter")
        console.time.pass_deafness()
        await console.press(*"compare", "Y")
        await console.until(lambda: "is registered in Development" in console.sentence, "the sentence that says so")
        assert "no figures of its own" in console.sentence
        newest = registry.get("spread", registry.numbers("spread")[-1])
        assert newest.lineage["member"] == {"of": found.key, "member": "linear"}
        await console.dialog(":", *"member", "space", *"spread", "space", *found.version, "space", *"linear", "enter")
        assert f"spread {newest.version} is this member already" in " ".join(console.text().replace("│", "").split())
