"""The screens: every key does what the help says, at every size, whatever the data say."""

import re
from datetime import UTC, datetime

import pytest
from textual.widgets import OptionList

from console.app.app import BondxApp
from console.dialogs.compare import CompareDialog
from console.dialogs.logs import LogDialog
from console.dialogs.text import TextDialog
from console.runtime.engine_host import Hosting
from console.screen_catalog import IN_ROW, SCREENS
from core.alerts import Alerts, fingerprint_of
from core.registry import Registry
from core.settings import Settings
from core.state import Lease, Workspace
from core.training.sessions import Sessions
from tests.console.conftest import NOW
from tools.demo import OPERATOR

SIZES = [(20, 5), (40, 12), (80, 24), (120, 40), (200, 60), (200, 5), (20, 60)]
NOW_LATER = datetime(2026, 3, 2, 3, 9, tzinfo=UTC)
HOSTILE = "[/] [@click=app.exit]x[/] \x1b[2J\x07 日本 [b"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_screen_and_dialog_works_at_every_size(open_console, size):
    async with open_console(size) as console:
        for screen in IN_ROW:
            await console.press(screen.key)
            assert screen.name == console.screen.NAME
            assert console.text()
            await console.press("G", "plus", "escape", "w", "escape", "d", "escape")
        await console.press("3", "P")
        await console.settled()
        await console.press("escape", "question_mark", "escape", "colon", "tab", "escape", "ctrl+p")
        assert console.app.return_code is None


async def test_resizing_while_running_changes_the_layout_and_loses_nothing(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "j", "j")
        chosen = console.screen.main_table().cursor_key
        for width, height in [(160, 48), (30, 8), (120, 40), (80, 24)]:
            await console.pilot.resize_terminal(width, height)
            await console.settled()
            assert console.screen.main_table().cursor_key == chosen
        assert "MODEL" in console.text()


@pytest.mark.parametrize("screen", IN_ROW, ids=lambda screen: screen.name)
async def test_a_digit_leads_to_its_screen(open_console, screen):
    async with open_console((80, 24)) as console:
        await console.press(screen.key)
        await console.until(lambda: screen.name == console.screen.NAME)
        assert f"[{screen.key} " in console.text()


@pytest.mark.parametrize("key", [*sorted({*"123456789"} - {screen.key for screen in IN_ROW}), "A", "E"])
async def test_keys_of_missing_screens_do_nothing(open_console, key):
    async with open_console((80, 24)) as console:
        await console.press(key)
        assert console.app.screen is console.screen
        assert console.screen.NAME == "overview"


async def test_the_overview_shows_the_time_left_only_with_an_engine(open_console, workspace):
    with Lease.acquire(workspace, OPERATOR, "headless"):
        async with open_console((80, 24)) as console:
            assert "30m left" in console.text()


async def test_the_overview_shows_problems_live_models_and_training(open_console):
    async with open_console((120, 40)) as console:
        text = console.text()
        for fact in (
            "critical",
            "live 1.2.0 ok; downgrade 1.0.0: model",
            "spread",
            "1.2.0",
            "epoch 41 of 100",
            "○ no engine",
            "not judged: downgrade 1.3.0 at 10%",
            "59%",
        ):
            assert fact in text


async def test_a_small_screen_shows_the_top_line_and_one_list(open_console):
    async with open_console((60, 10)) as console:
        text = console.text()
        assert "ARMED" in text
        assert "MODEL" in text
        assert "Training" not in text


async def test_lowercase_keys_change_nothing(open_console, workspace):
    async with open_console() as console:
        before = [workspace.database(name).signature() for name in ("registry", "sessions", "alerts")]
        for screen in IN_ROW:
            await console.press(screen.key)
            for key in "abcdefghijklmnorstuvwxyz":
                await console.press(key, "escape")
        await console.settled()
        assert [workspace.database(name).signature() for name in ("registry", "sessions", "alerts")] == before


@pytest.mark.parametrize("key", ["P", "R", "U", "H", "S", "K"])
async def test_a_read_only_console_never_arms_and_says_why(open_console, key):
    async with open_console(read_only=True) as console:
        screen = {"P": "3", "R": "3", "U": "3", "H": "2", "S": "2", "K": "5"}[key]
        await console.press(screen, "exclamation_mark", key)
        assert console.app.screen is console.screen
        assert "read-only" in console.sentence
        assert not console.app.standing.armed
        assert "RO" in console.text()


async def test_writes_are_disarmed_and_armed_by_one_key(open_console):
    async with open_console() as console:
        await console.press("3", "exclamation_mark", "P")
        assert "press !" in console.sentence
        assert "(P promote)" not in console.sentence
        await console.press("exclamation_mark")
        assert console.app.standing.armed


async def test_a_key_that_does_not_work_is_dim_in_the_footer(open_console):
    async with open_console((200, 60)) as console:  # a dim key goes first where room is short
        await console.press("3", "exclamation_mark")
        console.screen.say("")
        await console.settled()
        assert "(P promote)" in console.text()


async def test_the_filter_narrows_the_list_and_esc_clears_it(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "slash", *"spread prod")
        rows = [row.key for row in console.screen.main_table().rows]
        assert rows == ["spread/1.2.0"]
        await console.press("enter")
        assert "/spread prod: 1 of 16" in console.text()
        await console.press("escape")
        assert len(console.screen.main_table().rows) == 16


async def test_digits_typed_into_the_filter_stay_there(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "slash", *"1.2", "enter")
        assert console.screen.NAME == "registry"
        assert console.screen.main_table().filter_words == "1.2"


async def test_a_line_that_arrives_in_one_burst_is_typed_where_it_belongs(open_console):
    async with open_console() as console:
        await console.burst("3", "slash", *"spread prod", "enter")
        await console.until(lambda: [row.key for row in console.screen.main_table().rows] == ["spread/1.2.0"])
        await console.burst("colon", *"theme light", "enter")
        await console.until(lambda: console.app.theme == "bondx-light")
        await console.burst("colon", *"quit")
        assert console.app.return_code is None


async def test_keys_over_a_burst_of_screens_end_on_the_last(open_console):
    async with open_console() as console:
        await console.burst(*"1235791235793")
        assert console.screen.NAME == "registry"


async def test_the_command_line_completes_and_opens_the_same_dialog(open_console):
    async with open_console() as console:
        await console.press("colon", *"pro", "tab", *"spr", "tab", *"1.3", "tab")
        assert console.screen.query_one("#prompt-input").value == "promote spread 1.3.0 "
        await console.dialog("enter")
        assert "Promote spread 1.3.0" in console.text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("promot spread 1.0.0", "did you mean :promote?"),
        ("promote spread", "Usage: :promote MODEL VERSION [STAGE]"),
        ("pause s-0009", "There is no session s-0009. Sessions to choose from: s-0002, s-0001."),
        ("theme pink", "There is no theme pink."),
        ("promote spread 1.3.0 nowhere", "There is no stage nowhere."),
    ],
    ids=["a slip", "too few words", "an unknown session", "an unknown theme", "an unknown stage"],
)
async def test_a_wrong_command_is_answered_in_the_footer(open_console, line, said):
    async with open_console() as console:
        console.app.commands.run(line)
        await console.settled()
        assert said in console.sentence


async def test_a_command_for_a_missing_object_says_so_in_its_dialog(open_console):
    async with open_console() as console:
        console.app.commands.run("promote spread 9.9.9")
        await console.dialog()
        assert "spread has no version 9.9.9" in console.text()


async def test_earlier_commands_come_back_with_the_up_key(open_console):
    async with open_console() as console:
        await console.press("colon", *"theme light", "enter")
        assert console.app.theme == "bondx-light"
        await console.press("2", "colon", "up")
        assert console.screen.query_one("#prompt-input").value == "theme light"


async def test_help_names_the_keys_of_the_screen_in_plain_words(open_console):
    async with open_console((160, 48)) as console:
        await console.press("3", "question_mark")
        assert isinstance(console.app.screen, TextDialog)
        text = console.text()
        assert "Promote the version one stage (asks first)" in text
        assert "Enter never confirms" in text


async def test_two_marked_versions_are_compared(open_console):
    async with open_console() as console:
        await console.press("3", "slash", *"spread", "enter", "space", "j", "j", "space", "c")
        await console.until(lambda: isinstance(console.app.screen, CompareDialog) and console.app.screen._comparison)
        assert {console.app.screen._comparison.left, console.app.screen._comparison.right} == {"1.1.0", "1.3.0"}


async def test_versions_of_different_models_are_not_compared(open_console):
    async with open_console() as console:
        await console.press("3", "g", "space", "G", "space", "c")
        assert "are different models" in console.sentence


async def test_an_alert_leads_to_its_suspect_and_the_rollback_in_three_keys(open_console, workspace):
    live = {"model": "downgrade", "version": "1.2.0"}
    Alerts(workspace).fire("hash_mismatch", labels=live, summary="downgrade 1.2.0: changed", now=NOW)
    async with open_console() as console:
        await console.press("5")
        assert console.screen.main_table().move_to(fingerprint_of("hash_mismatch", live))
        await console.press("enter")
        await console.until(lambda: console.screen.NAME == "registry")
        await console.until(lambda: console.screen.main_table().cursor_key == "downgrade/1.2.0")
        await console.dialog("R")
        assert "Roll back downgrade" in console.text()


async def test_a_screen_is_frozen_and_unfrozen(open_console, workspace):
    async with open_console() as console:
        await console.press("3", "p")
        Registry(workspace).apply(Registry(workspace).plan_promotion("anomaly", "1.0.0"), actor=OPERATOR)
        console.app._poller.look()  # it sees the change, and tells the app, which keeps it to itself
        await console.settled()
        stage = {row.key: row.cells[3].text for row in console.screen.main_table().rows}["anomaly/1.0.0"]
        assert "Development" in stage
        assert "frozen at 03:04 UTC" in console.text()
        await console.press("p")
        await console.until(
            lambda: "Staging" in {r.key: r.cells[3].text for r in console.screen.main_table().rows}["anomaly/1.0.0"]
        )


async def test_a_change_by_someone_else_appears_automatically(open_console, workspace):
    async with open_console() as console:
        Registry(workspace).apply(Registry(workspace).plan_promotion("anomaly", "1.0.0"), actor=OPERATOR)
        await console.until(
            lambda: any(v.stage == "Staging" and v.model == "anomaly" for v in console.app.snapshot.versions)
        )


async def test_panes_turn_stale_after_three_missed_ticks(open_console):
    async with open_console((80, 24)) as console:
        console.screen.tick()
        await console.settled()
        assert "stale" not in console.screen.main_table().border_subtitle
        console.app._poller.stop()
        console.app._poller.join()
        console.time.seconds += 200
        console.screen.tick()
        await console.settled()
        assert "stale 3m" in console.screen.main_table().border_subtitle
        assert "state unreadable" in console.text()


async def test_samples_age_by_their_own_time(open_console):
    async with open_console((80, 24), clock=lambda: NOW_LATER) as console:
        await console.until(lambda: "stale" in str(console.screen.query_one("#resource-line").border_subtitle))
        assert "stale" not in str(console.screen.main_table().border_subtitle)


async def test_names_full_of_markup_and_escapes_are_shown_literally(open_console, workspace, demo_root):
    name = "".join(character for character in HOSTILE if character.isprintable())  # others are refused
    Sessions(workspace).start(Settings().training, name=name, actor=OPERATOR, reason=HOSTILE)
    Alerts(workspace).fire(
        "hash_mismatch", labels={"model": HOSTILE, "version": HOSTILE}, summary=HOSTILE, now=NOW_LATER
    )
    async with open_console() as console:
        for key in (screen.key for screen in IN_ROW):
            await console.press(key, "d", "w", "escape", "y")
            assert "\x1b[2J" not in console.text()
            assert "\x07" not in console.text()
        await console.press("5", "g")
        assert "[/] [@click=app.exit]x[/]" in console.text()
        await console.dialog("K")
        assert "[@click=app.exit]" in console.text()


async def test_an_empty_workspace_says_what_to_do(open_console, tmp_path, monkeypatch):
    empty = Workspace.create(tmp_path / "empty", settings_text="")
    async with open_console((80, 24), ready=False, workspace=empty) as console:
        await console.until(lambda: "No model is registered yet" in console.text())
        assert "No problem is known, but no engine is running, so nothing is checked." in console.text()
        assert "Nothing is wrong" not in console.text()
        for key in (screen.key for screen in IN_ROW):
            await console.press(key, "d", "w", "c", "space", "enter", "escape", "y", "P", "R", "U", "H", "K")
        assert console.app.return_code is None


async def test_a_damaged_file_is_one_sentence_and_the_rest_still_works(open_console, workspace):
    workspace.state_file("registry").write_bytes(b"{ this is not json")
    async with open_console((160, 48), ready=False) as console:
        await console.until(lambda: console.app.snapshot.problems, "the problem")
        await console.settled()
        assert "damage" in console.text()
        await console.press("w")
        await console.settled()
        assert "registry.json" in console.text()
        assert "bondx doctor --restore" in console.text()
        await console.press("escape")
        assert "epoch 41 of 100" in console.text()


async def test_the_copy_is_the_row_and_goes_out_as_osc_52(open_console, monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    async with open_console() as console:
        written = []
        console.app._driver.write = written.append
        await console.press("3", "y")
        assert any("\x1b]52;c;" in piece for piece in written)
        assert console.sentence.startswith("Sent to the terminal (unconfirmed): anomaly")


async def test_logs_are_shown_with_the_newest_at_the_end(open_console, workspace):
    (workspace.logs_dir / "engine.log").write_text("".join(f"line {n} [/]\n" for n in range(900)), encoding="utf-8")
    async with open_console((80, 24)) as console:
        await console.press("l")
        await console.until(lambda: isinstance(console.app.screen, LogDialog))
        await console.until(lambda: "line 899 [/]" in console.text())


async def test_the_palette_finds_commands(open_console):
    async with open_console() as console:
        await console.press("ctrl+p", *"theme light")
        found = console.app.screen.query_one(OptionList)
        await console.until(lambda: found.option_count == 1 and found.highlighted == 0, "the command")
        await console.press("enter", "enter")
        await console.until(lambda: console.app.theme == "bondx-light")


@pytest.mark.parametrize("theme", ["bondx-dark", "bondx-light", "bondx-ansi", "bondx-colourblind"])
async def test_every_theme_draws_every_screen(open_console, theme):
    async with open_console(theme=theme) as console:
        for key in (screen.key for screen in IN_ROW):
            await console.press(key)
            assert console.text()


async def test_ascii_glyphs_leave_no_other_sign(open_console, monkeypatch, workspace):
    text = workspace.settings_file.read_text(encoding="utf-8")
    workspace.settings_file.write_text(re.sub(r"(?m)^(\s*)glyphs: \w+", r"\1glyphs: ascii", text), encoding="utf-8")
    async with open_console() as console:
        assert console.app.glyphs.name == "ascii"
        for key in (screen.key for screen in IN_ROW):
            for keys in ((key,), ("w",), ("escape",)):
                await console.press(*keys)
                assert not set(console.text()) - set(map(chr, range(32, 127))) - {"\n"}
        for keys in (("ctrl+p",), tuple("promote"), ("x", "q")):
            await console.press(*keys)
            await console.until(lambda: "Search" in console.text() or console.app.screen.query("CommandInput"))
            await console.settled()
            assert console.text().isascii(), "the palette"


async def test_looking_writes_nothing_to_the_workspace(open_console, workspace: Workspace):
    before = {file: file.stat().st_mtime_ns for file in workspace.root.rglob("*") if file.is_file()}
    async with open_console() as console:
        for key in (screen.key for screen in IN_ROW):
            await console.press(key, "d", "w", "escape")
    now = {file: file.stat().st_mtime_ns for file in workspace.root.rglob("*") if file.is_file()}
    assert {f.name for f in now if now[f] != before.get(f)} <= {"telemetry.db-shm", "telemetry.db-wal"}


def test_every_screen_is_bound_once():
    assert len({screen.key for screen in IN_ROW}) == len(IN_ROW)
    assert set(BondxApp.MODES) == {screen.name for screen in SCREENS}


@pytest.mark.parametrize(("key", "says"), [("E", "E does nothing on this screen"), ("C", "C does nothing")], ids=str)
async def test_a_capital_without_a_meaning_is_answered(open_console, key, says):
    async with open_console((80, 24)) as console:
        await console.press(key)
        await console.until(lambda: says in console.sentence, "the answer")
        await console.press("slash", key)
        await console.until(lambda: console.screen.main_table().filter_words == key, "a letter of the filter")


async def test_without_marks_the_live_version_is_compared_with_the_one_before(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3", "slash", *"spread prod", "enter", "c")
        await console.until(lambda: isinstance(console.app.screen, CompareDialog) and console.app.screen._comparison)
        await console.until(lambda: "spread: 1.1.0 and 1.2.0" in console.text(), "both")
        assert "metrics" in console.text()
        assert "mae_bps" in console.text() or "attainment" in console.text()


async def test_ctrl_c_ends_nothing_and_says_how_to_leave(open_console):
    async with open_console() as console:
        await console.press("ctrl+c")
        assert console.sentence.startswith("q leaves.")
        assert console.app.is_running


async def test_a_y_that_arrives_too_late_leaves_the_answer_in_the_footer(open_console):
    async with open_console(read_only=True) as console:
        await console.burst("R", "Y", "Y")
        assert "read-only" in console.sentence


async def test_writes_are_not_armed_in_the_past(open_console):
    async with open_console() as console:
        await console.press("!")
        console.app.playback.at = console.app.frozen_at = NOW
        for keys in (("!",), ("colon", *"arm", "enter")):
            await console.press(*keys)
            assert console.sentence.startswith("This is the past.")
        assert not console.app.standing.armed


async def test_a_console_beside_a_running_engine_says_to_which_it_attaches(open_console, workspace):
    with Lease.acquire(workspace, OPERATOR, "headless", clock=lambda: NOW) as lease:
        async with open_console(embed=True) as console:
            await console.until(lambda: "Attached to the running engine: headless" in console.sentence, "the sentence")
            assert f"pid {lease.holder.pid}" in console.sentence


async def test_a_console_of_a_replica_starts_no_engine_and_leaves_changes_to_the_desk(open_console, workspace):
    workspace.settings_file.write_text("serving: {follow: {url: 'http://desk:8501'}}\n")
    async with open_console((160, 40), embed=True) as console:
        await console.until(lambda: "A replica of http://desk:8501" in console.sentence, "the sentence")
        assert console.app.host.hosting is Hosting.NONE
        assert "replica of http://desk:8501" in console.text().splitlines()[0]
        assert "no engine" not in console.text().splitlines()[0]
        assert "nothing is checked" not in console.text()
        refusal = console.app.rights.refusal(("version.rollback", "rollout.abort"))
        assert refusal.endswith("this workspace is a replica of http://desk:8501, and changes are made there.")
        assert console.app.rights.refusal(("alert.acknowledge",)) is None
        await console.press("colon", *"engine", "enter")
        await console.until(lambda: "changes are made there" in console.sentence, "the refusal")
        assert console.app.host.hosting is Hosting.NONE


async def test_the_audit_list_counts_the_records_that_came_while_its_cursor_rested(open_console, workspace):
    async with open_console((120, 40)) as console:
        await console.press("9", "j")
        rested_on = console.screen.main_table().cursor_key
        assert "newer" not in console.text()
        for number in range(2):
            labels = {"session": f"s-09{number:02d}"}
            Alerts(workspace).fire("epoch_failed", labels=labels, summary="no memory", now=NOW)
        await console.until(lambda: "2 newer: g" in console.text(), "the count of newer records")
        assert console.screen.main_table().cursor_key == rested_on

        await console.press("g")
        await console.until(lambda: "newer" not in console.text(), "the newest record")
        assert console.screen.main_table().cursor_key == str(console.app.snapshot.audit[0].sequence)


async def test_a_filter_starts_empty_and_arrow_up_recalls_the_last_one(open_console):
    async with open_console() as console:
        await console.press("3", "slash", *"spread prod", "enter", "slash")
        table, field = console.screen.main_table(), console.screen.query_one("#prompt-input")
        assert (field.value, table.filter_words) == ("", "spread prod")
        await console.press(*"anomaly", "enter", "slash", "up")
        assert (field.value, table.filter_words) == ("anomaly", "anomaly")
        await console.press("up")
        assert (field.value, table.filter_words) == ("spread prod", "spread prod")
        await console.press("escape", "1", "slash", "up")
        assert console.screen.query_one("#prompt-input").value == "anomaly", "every screen shares them"
        await console.press("escape", "colon", "up")
        assert console.screen.query_one("#prompt-input").value == "", "commands have a history of their own"


async def test_a_long_sentence_takes_three_lines_above_the_keys_and_shows_that_it_is_cut(open_console):
    async with open_console() as console:
        before = console.text().splitlines()
        console.screen.say("Acknowledged " + "a_long_rule{model=spread,version=1.3.0}, " * 15)
        await console.settled()
        after = console.text().splitlines()
        assert after[:2] == before[:2]
        assert after[-1] == before[-1]
        assert after[-2].rstrip().endswith("…")
        assert "Acknowledged" in after[-4]


async def test_alerts_at_40_columns_leave_the_room_to_what_is_wrong(open_console):
    async with open_console((40, 12)) as console:
        await console.press("5")
        assert "SEV ST WHAT" in console.text()
        lines = console.text().splitlines()
        row = next(index for index, line in enumerate(lines) if "✗ C F" in line)
        assert "live 1.2.0 ok; downgrade" in lines[row]
        assert "1.0.0: model" in lines[row + 1]
