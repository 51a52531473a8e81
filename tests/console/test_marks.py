"""Marked rows: an action is about what is shown, says what it leaves alone, and ends the marks of what it did."""

import pytest

from console.presentation.alerts import worst_key
from core.alerts import Alerts, AlertState, fingerprint_of
from core.registry import Registry, Stage
from tests.console.conftest import NOW
from tests.console.test_change_dialogs import at, stage_of
from tools.demo import OPERATOR

RULE = "hash_mismatch"


def key_of(version: str) -> str:
    return fingerprint_of(RULE, {"model": "spread", "version": version})


@pytest.fixture
def two_of_one_rule(workspace) -> tuple[str, str]:
    for version in ("1.0.0", "1.1.0"):
        labels = {"model": "spread", "version": version}
        Alerts(workspace).fire(RULE, labels=labels, summary=f"spread {version} is not what was registered", now=NOW)
    return key_of("1.0.0"), key_of("1.1.0")


async def on_alert(console, key: str) -> None:
    await console.press("5")
    await console.until(lambda: console.screen.NAME == "alerts" and console.screen.main_table().move_to(key))
    await console.settled()


async def confirm(console) -> None:
    console.time.pass_deafness()
    await console.press("Y")


def state_of(workspace, key: str) -> AlertState:
    return next(alert.state for alert in Alerts(workspace).all() if alert.fingerprint == key)


async def test_a_folded_model_is_not_marked_and_says_what_to_do(open_console):
    async with open_console() as console:
        await console.press("3", "f", "space")
        assert console.sentence == "f unfolds the versions first: a mark is on one version."
        await console.press("asterisk")
        assert "unfolds the versions first" in console.sentence
        await console.press("f")
        assert "marked" not in console.text()


@pytest.mark.parametrize(
    "hide",
    [("slash", *"spread", "enter"), ("o",)],
    ids=["a filter", "only live"],
)
async def test_a_mark_that_is_not_shown_is_counted_and_not_acted_on(open_console, workspace, hide):
    async with open_console((160, 48)) as console:
        await at(console, "anomaly/1.3.0")
        await console.press("space", *hide)
        assert "1 marked (1 not shown), Esc clears" in console.text()
        assert console.screen.main_table().move_to("spread/1.2.0")
        await console.settled()
        await console.dialog("X")
        assert "Archive spread 1.2.0" in console.text()
        assert "1 marked version is not shown and stays as it is." in console.text()
        assert "anomaly" not in console.app.screen.query_one("#dialog-body").text
        console.time.pass_deafness()
        await console.press("escape", "escape")
        assert "marked" not in console.text(), "Esc clears the marks before it clears the filter"
        assert console.screen.main_table().filter_words == ("spread" if len(hide) > 1 else "")


async def test_marks_below_a_fold_are_counted(open_console):
    async with open_console() as console:
        await at(console, "anomaly/1.3.0")
        await console.press("space", "f")
        assert "1 marked (1 not shown), Esc clears" in console.text()
        await console.press("X")
        assert console.sentence == "No version is selected."


async def test_a_comparison_takes_no_mark_that_is_not_shown(open_console):
    async with open_console() as console:
        await at(console, "anomaly/1.3.0")
        await console.press("space", "slash", *"spread", "enter")
        assert console.screen.main_table().move_to("spread/1.3.0")
        await console.settled()
        await console.press("c")
        await console.until(lambda: console.app.screen is not console.screen, "the comparison")
        assert console.app.screen._title_text == "spread: 1.2.0 and 1.3.0"


async def test_the_marks_of_runs_are_counted_and_cleared(open_console):
    async with open_console((160, 48)) as console:
        await console.press("2", "r")
        await console.until(lambda: console.screen.NAME == "runs" and console.screen.main_table().rows, "runs")
        await console.press("space")
        assert "1 marked, Esc clears" in console.text()
        await console.press("slash", *"zzz", "enter")
        assert "1 marked (1 not shown), Esc clears" in console.text()
        await console.press("escape")
        assert "marked" not in console.text()
        assert console.screen.main_table().filter_words == "zzz"


async def test_marks_win_over_the_row_and_the_dialog_says_so(open_console, workspace, two_of_one_rule):
    first, second = two_of_one_rule
    Alerts(workspace).resolve(second, OPERATOR, reason="by hand")
    async with open_console((160, 48)) as console:
        await on_alert(console, first)
        await console.press("space")
        assert console.screen.main_table().move_to(second)
        await console.settled()
        await console.dialog("X")
        assert "Resolve 1 marked alert" in console.text()
        assert "hash_mismatch{model=spread,version=1.0.0}" in console.text()
        assert "Not marked, stays as it is: hash_mismatch{model=spread,version=1.1.0}, under the cursor." in (
            console.app.screen.query_one("#dialog-body").text
        )


async def test_x_on_a_resolved_row_touches_no_mark_that_is_not_shown(open_console, workspace, two_of_one_rule):
    first, second = two_of_one_rule
    Alerts(workspace).resolve(second, OPERATOR, reason="by hand")
    async with open_console((160, 48)) as console:
        await on_alert(console, first)
        await console.press("space", "slash", *"1.1.0", "enter", "X")
        assert console.app.screen is console.screen
        assert console.sentence == "This alert is already resolved."
    assert state_of(workspace, first) is AlertState.FIRING


async def test_marked_alerts_are_decided_together_and_none_is_if_one_refuses(open_console, workspace, two_of_one_rule):
    first, second = two_of_one_rule
    async with open_console((160, 48)) as console:
        await on_alert(console, first)
        await console.press("slash", *"not what was", "enter", "asterisk")
        assert console.screen._marks.keys == tuple(row.key for row in console.screen.main_table().rows)
        await console.dialog("K")
        Alerts(workspace).acknowledge(second, OPERATOR, reason="meanwhile")
        await confirm(console)
        await console.until(
            lambda: "Since the question was asked, this changed" in console.text(), "the question again"
        )
        await console.settled()
        told = console.app.screen.query_one("#dialog-body").text
        assert "Acknowledge 1 marked alert" in console.text()
        assert "hash_mismatch{model=spread,version=1.1.0}: This alert is already acknowledged." in told
        assert state_of(workspace, first) is AlertState.FIRING


async def test_alerts_of_one_rule_are_told_apart_in_the_dialog_and_in_its_report(
    open_console, workspace, two_of_one_rule
):
    names = [f"hash_mismatch{{model=spread,version={version}}}" for version in ("1.0.0", "1.1.0")]
    async with open_console((160, 48)) as console:
        await on_alert(console, two_of_one_rule[0])
        await console.press("slash", *"not what was", "enter", "asterisk")
        await console.dialog("X")
        body = console.app.screen.query_one("#dialog-body").text
        assert all(body.count(name) == 1 for name in names), "in the list; what will happen is the same for both"
        await confirm(console)
        await console.until(lambda: console.sentence.startswith("Resolved"), "the report")
        assert all(name in console.sentence for name in names)
        await console.until(lambda: "marked" not in console.text(), "marks gone with their alerts")


@pytest.mark.parametrize("key", ["X", "K"])
async def test_the_cursor_goes_on_to_the_next_open_alert(open_console, workspace, two_of_one_rule, key):
    async with open_console((160, 48)) as console:
        await console.press("5", "g")
        table = console.screen.main_table()
        before, following, *_ = [row.key for row in table.rows]
        assert table.cursor_key == before
        await console.dialog(key)
        await confirm(console)
        await console.until(lambda: table.cursor_key != before, "the next alert")
        assert table.cursor_key == following
        await console.until(lambda: table.rows[0].key == following, "the list in its new order")
        assert table.cursor_index == 0


async def test_the_cursor_of_the_overview_goes_on_to_the_next_open_alert(open_console, workspace, two_of_one_rule):
    async with open_console() as console:
        await console.until(lambda: console.screen.query_one("#wrong").rows, "the problems")
        wrong = console.screen.query_one("#wrong")
        wrong.focus()
        keys = [row.key for row in wrong.rows]
        at_first = keys.index(worst_key(console.app.snapshot))
        before, following = keys[at_first : at_first + 2]
        wrong.move_to(before)
        await console.settled()
        await console.dialog("K")
        await confirm(console)
        await console.until(lambda: wrong.rows[at_first].key == following, "the list in its new order")
        assert before in [row.key for row in wrong.rows]
        assert wrong.cursor_key == following


async def test_archiving_marked_versions_leaves_out_what_is_live_or_archived_and_says_so(open_console, workspace):
    async with open_console((160, 48)) as console:
        for key in ("spread/1.3.0", "spread/1.2.0", "spread/1.1.0"):
            await at(console, key)
            await console.press("space")
        dialog = await console.dialog("X")
        body = dialog.query_one("#dialog-body").text
        assert "Left out" in body
        assert "spread 1.2.0 is live; archive it alone." in body
        assert "spread 1.1.0 is already in Archived." in body
        assert "spread 1.3.0 goes from Staging to Archived." in body
        await confirm(console)
        await console.until(lambda: stage_of(workspace, "spread", "1.3.0") is Stage.ARCHIVED, "the suitable version")
        await console.until(lambda: console.sentence == "Archived spread 1.3.0.")
        assert stage_of(workspace, "spread", "1.2.0") is Stage.PRODUCTION


async def test_a_cursor_that_was_moved_meanwhile_stays(open_console, workspace, two_of_one_rule):
    async with open_console((160, 48)) as console:
        await on_alert(console, two_of_one_rule[0])
        await console.dialog("X")
        last = console.screen.main_table().rows[-2].key
        console.screen.main_table().move_to(last)
        await confirm(console)
        await console.until(lambda: console.screen.selected_alert() is not None and "Resolved" in console.sentence)
        await console.until(lambda: not console.app.snapshot.alerts or not console.screen._decided, "the new list")
        assert console.screen.main_table().cursor_key == last


async def test_mark_all_takes_what_is_shown_and_again_none(open_console, workspace, two_of_one_rule):
    async with open_console((160, 48)) as console:
        await console.press("5", "slash", *"not what was", "enter", "asterisk")
        assert set(console.screen._marks.keys) == set(two_of_one_rule)
        await console.press("asterisk")
        assert not console.screen._marks
        await console.press("3", "asterisk")
        await console.until(lambda: console.screen.NAME == "registry")
        await console.until(lambda: console.screen._marks, "marks")
        stages = {Registry(workspace).get(*key.split("/")).stage for key in console.screen._marks.keys}
        assert stages <= {Stage.DEVELOPMENT, Stage.STAGING}


async def test_archiving_several_says_what_happens_and_how_each_comes_back(open_console, workspace):
    async with open_console((160, 48)) as console:
        await at(console, "spread/1.3.0")
        await console.press("space")
        others = [v for v in console.app.snapshot.versions if v.stage in (Stage.DEVELOPMENT, Stage.STAGING)]
        same = next((v for v in others if v.model == "spread" and v.version != "1.3.0"), None)
        other = next(v for v in others if v.model != "spread" and v.model != "downgrade")
        for version in filter(None, (same, other)):
            assert console.screen.main_table().move_to(version.key)
            await console.settled()
            await console.press("space")
        dialog = await console.dialog("X")
        body = dialog.query_one("#dialog-body").text
        assert "What will happen" in body
        assert "spread 1.3.0 goes from Staging to Archived." in body
        assert f"U on a version of {other.model} undoes it." in body
        await confirm(console)
        await console.until(lambda: stage_of(workspace, other.model, other.version) is Stage.ARCHIVED, "the last")
        await console.until(lambda: "Archived" in console.sentence)
        await console.until(lambda: not console.screen._marks, "marks gone with what they were about")


def test_the_way_back_of_several_versions_of_one_model_is_in_the_order_of_undo(workspace):
    from console.verbs.version import _way_back

    registry = Registry(workspace)
    plans = [registry.plan_archive("spread", version) for version in ("1.3.0", "1.1.0")]
    assert _way_back("spread", plans) == "U on a version of spread, 2 times, undoes it: 1.1.0, then 1.3.0."


async def test_a_small_screen_without_frames_counts_the_marks_in_its_footer(open_console):
    async with open_console((40, 12)) as console:
        await at(console, "anomaly/1.3.0")
        await console.press("space")
        assert console.sentence == "1 marked, Esc clears"
        await console.press("o")
        assert console.sentence == "1 marked (1 not shown), Esc clears"
        await console.press("escape")
        assert console.sentence == ""
