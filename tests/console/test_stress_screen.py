"""Screen 8: stored stress tests, where a scenario hurts, how a figure comes about, and a test that is started here."""

import asyncio
import contextlib
import shutil
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from console.dialogs.change import ChangeDialog
from console.dialogs.text import TextDialog
from console.presentation import stress
from core.actor import Actor, Origin
from core.domains.registry import session_domain
from core.governance import AuditLog
from core.registry import Registry
from core.state import Workspace
from core.stress.model_figures import ErrorChange, FeatureBeyond, ModelCase, ModelUnderStress, StressedTraining
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test
from core.view.past.recorder import DocumentRecorder
from core.view.source import SnapshotSource
from tests.console.conftest import NOW
from tests.stressed import under_stress
from themes.palettes import THEMES
from tools.demo_stress import stress_demo
from widgets.glyphs import ASCII, UNICODE
from widgets.rows import Cell


@pytest.fixture(scope="session")
def stressed_root(demo_root, tmp_path_factory) -> Path:
    """The demo workspace with two stress tests."""
    root = tmp_path_factory.mktemp("stressed") / "desk-risk"
    shutil.copytree(demo_root, root)
    stress_demo(Workspace.open(root), NOW)
    return root


@pytest.fixture
def workspace(stressed_root, tmp_path):
    root = tmp_path / "desk-risk"
    shutil.copytree(stressed_root, root)
    return Workspace.open(root)


async def on_stress(console) -> None:
    await console.press("8")
    await console.until(lambda: console.screen.NAME == "stress" and console.screen.main_table().rows, "the tests")
    await console.until(lambda: "Waterfall" in console.screen.query_one("#case").text, "the report")
    await console.settled()


async def test_the_newest_test_its_heat_map_and_its_worst_case_are_on_the_screen(open_console, workspace):
    newest = StressTests(workspace).latest()
    async with open_console((160, 48)) as console:
        await on_stress(console)
        screen, text = console.screen, console.text()
        assert [row.text(0) for row in screen.main_table().rows] == ["st-0002", "st-0001"]
        assert screen.query_one("#heat").cursor_key == newest.worst.scenario
        for seen in ("mira@desk-4", "7m", "2h", "Waterfall", "Ladder", "Instruments by loss", "weekly limits"):
            assert seen in text
        assert f"{newest.worst.pnl_share:+.1%}" in text


async def test_the_sector_that_loses_most_comes_first_and_what_has_no_room_is_counted(open_console, workspace):
    report = StressTests(workspace).report("st-0002")
    levels = stress.sectors(report, "severe")
    worst = dict.fromkeys(levels, 0.0)
    for case in report.cases:
        for part in case.slices:
            if case.severity == "severe" and part.slicing == "sector":
                worst[part.level] = min(worst[part.level], part.metrics["pnl_share"])
    assert list(levels) == sorted(worst, key=worst.__getitem__)
    async with open_console((80, 24)) as console:
        await on_stress(console)
        heat = console.screen.query_one("#heat")
        n_shown = sum(column.key.startswith("in_") for column in heat.shown_columns)
        assert 0 < n_shown < len(levels)
        assert f"{len(levels) - n_shown} more lose less" in console.text()


async def test_energy_positions_are_shown_by_commodity(open_console, workspace):
    request = StressRequest(domain="etrm", n_rows=80, seed=3, scenarios=["price_spike"])
    StressTests(workspace).keep(run_stress_test(request), Actor("mira", "desk-4", Origin.CONSOLE))
    async with open_console((160, 48)) as console:
        await on_stress(console)
        await console.until(lambda: "gas_spike" in console.text(), "the newest test")
        await console.until(lambda: "of each commodity" in console.text(), "its heat map")
        for seen in ("POWER", "CRUDE", "gas_ttf", "By commodity", "EUR m"):
            assert seen in console.text()


async def test_enter_leads_from_test_to_scenario_to_case_and_esc_back(open_console):
    async with open_console((80, 24)) as console:
        await on_stress(console)
        await console.press("enter")
        assert console.screen.focused.id == "heat"
        await console.press("g", "enter")
        assert console.screen.focused.id == "case"
        assert "global_liquidity_freeze" in console.text()
        assert "Waterfall" in console.text()
        await console.press("escape")
        assert not console.screen.is_covered


async def test_m_shows_the_next_severity_and_the_cursor_stays(open_console):
    async with open_console((120, 40)) as console:
        await on_stress(console)
        key = console.screen.query_one("#heat").cursor_key
        assert "Heat map of st-0002, severe" in console.text()
        await console.press("m")
        assert "Heat map of st-0002, mild" in console.text()
        assert "mild  -" in console.text()
        assert "m severity" in console.text()
        assert console.screen.query_one("#heat").cursor_key == key


async def test_the_waterfall_ends_at_the_sum_and_the_ladder_has_every_severity(workspace):
    report = StressTests(workspace).report("st-0002")
    for case in report.cases:
        texts = [line.text for line in stress.case_lines(report, case, ASCII)]
        start = texts.index("Waterfall: profit by factor") + 1
        rows = texts[start : start + len(case.factors) + 1]
        assert [row.split()[0] for row in rows] == [*case.factors, "total"]
        assert f"{case.pnl:+,.0f}" in rows[-1]
        assert len({len(row) for row in rows}) == 1  # in line
        assert all(text.isascii() for text in texts)
        ladder = texts.index("Ladder: profit, its share and the impact by severity")
        assert [row.split()[0] for row in texts[ladder + 1 : ladder + 4]] == ["mild", "moderate", "severe"]


@pytest.mark.parametrize("glyphs", [ASCII, UNICODE], ids=["ascii", "unicode"])
def test_a_bucket_is_a_number_and_a_sign_not_only_a_colour(glyphs):
    cells = [stress.heat_cell(share, glyphs) for share in (0.03, -0.001, -0.02, -0.06, -0.15, -0.3)]
    assert [cell.text.split()[0] for cell in cells] == ["+3.0", "-0.1", "-2.0", "-6.0", "-15.0", "-30.0"]
    assert len({cell.text[-1] for cell in cells[1:]}) == 5
    assert len({cell.tone for cell in cells}) == 6


@pytest.mark.parametrize("glyphs", [ASCII, UNICODE], ids=["ascii", "unicode"])
@pytest.mark.parametrize("is_narrow", [True, False], ids=["narrow", "wide"])
def test_a_heat_map_can_be_read_without_any_colour(workspace, glyphs, is_narrow):
    """Whoever tells no red from green, or has no colour, tells losses from gains and each bucket from the others."""
    test, report = StressTests(workspace).latest(), StressTests(workspace).report("st-0002")
    levels = stress.sectors(report, "severe")
    tone_of_text, bucket_of_sign = {}, {}
    for row in stress.heat_rows(test.cases, report, levels, "severe", glyphs, narrow=is_narrow):
        for cell in row.cells:
            if not isinstance(cell, Cell) or (cell.tone == "" and not cell.text.endswith(tuple(glyphs.levels))):
                continue
            if not cell.text.startswith(("+", "-")):
                continue
            sign = cell.text[-1]
            assert (cell.value < 0) == cell.text.startswith("-") or abs(cell.value) < 0.005
            tone_of_text.setdefault((sign, cell.text.startswith("-")), set()).add(cell.tone)
            bucket_of_sign.setdefault(cell.tone, set()).add(sign)
    # the sign beside the number says all that the colour says
    assert all(len(signs) == 1 for tone, signs in bucket_of_sign.items())
    alarming = {sign for tone, signs in bucket_of_sign.items() for sign in signs if tone in ("warn", "bad", "alarm")}
    assert len(alarming) == len({"warn", "bad", "alarm"} & set(bucket_of_sign))
    assert " " not in alarming


@pytest.mark.parametrize("theme", THEMES)
async def test_the_screen_without_colour_has_the_same_text(open_console, theme, monkeypatch):
    async with open_console((120, 40), theme=theme) as console:
        await on_stress(console)
        coloured = console.text()
    monkeypatch.setenv("NO_COLOR", "1")
    async with open_console((120, 40), theme=theme) as console:
        await on_stress(console)
        strips = console.app.screen._compositor.render_strips(console.app.size)
        styles = [segment.style for strip in strips for segment in strip if segment.style]
        assert all(not each or each.is_default for style in styles for each in (style.color, style.bgcolor))
        assert console.text() == coloured


async def test_the_past_shows_the_tests_of_then_and_their_reports(open_console, workspace):
    at = [NOW + timedelta(minutes=n) for n in (1, 2)]
    for when in at:
        if when == at[1]:
            request = StressRequest(domain="bonds", n_rows=60, seed=3, scenarios=["rates_up"])
            tests = StressTests(workspace, clock=lambda when=when: when)
            tests.keep(run_stress_test(request), Actor("mira", "desk-4", Origin.CONSOLE))
        with contextlib.closing(DocumentRecorder(workspace, hours=24, clock=lambda when=when: when)) as recorder:
            recorder.look()
    async with open_console((120, 40), clock=lambda: NOW + timedelta(minutes=10)) as console:
        await on_stress(console)
        table = console.screen.main_table()
        assert [row.text(0) for row in table.rows] == ["st-0003", "st-0002", "st-0001"]
        await console.press("less_than_sign")
        await console.until(lambda: console.app.playback.at == at[0], "the moment before")
        await console.until(lambda: [row.text(0) for row in table.rows] == ["st-0002", "st-0001"], "the tests of then")
        await console.until(lambda: "global_liquidity_freeze" in console.text(), "the report of then")
        assert "[past" in console.text()


async def test_models_are_shown_below_the_case_that_they_were_stressed_by(workspace):
    report = StressTests(workspace).report("st-0002")
    calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 10.0})
    case = report.worst
    worse = ModelCase(
        scenario=case.scenario,
        family=case.family,
        severity=case.severity,
        figures={"error": 32.0, "ranking": 0.91},
        gates=("liquidity_index_median",),
        beyond=(FeatureBeyond("credit_cycle", 0.98, 0.01),),
    )
    model = ModelUnderStress(model="spread@1.2.0", panel="p", n_rows=100, calm=calm, cases=(worse,))
    report = msgspec.structs.replace(report, models=(model,))
    texts = [line.text for line in stress.case_lines(report, case, ASCII)]
    start = texts.index("Models against the truth of the scenario")
    assert texts[start + 1].split() == ["spread@1.2.0", "error", "x3.20,", "ranking", "0.91"]
    assert texts[start + 2].strip() == "fails gates: liquidity_index_median"
    assert texts[start + 3].strip() == "rows out of the trained range: credit_cycle 98%"
    other = next(each for each in report.cases if each.key != case.key)
    assert not any("Models against" in line.text for line in stress.case_lines(report, other, ASCII))


async def test_why_tells_how_the_figure_comes_about(open_console, workspace):
    case = StressTests(workspace).report("st-0002").worst
    async with open_console((120, 40)) as console:
        await on_stress(console)
        await console.press("w")
        await console.until(
            lambda: (
                isinstance(console.app.screen, TextDialog)
                and "Impact" in console.app.screen.query_one("#dialog-body").text
            ),
            "the reasoning",
        )
        text = console.app.screen.query_one("#dialog-body").text
    assert f"= {case.pnl:+,.0f} USD m, {case.pnl_share:+.2%} of the market value" in text
    assert text.count("= min(1, ") == len(case.parts)
    for seen in ("source  ", "Figures", "By region", "Assumed or left out", "reports/stress/st-0002.json", "SHA-256"):
        assert seen in text


async def test_a_test_is_started_here_and_appears_on_top(open_console, workspace):
    async with open_console((120, 40)) as console:
        await on_stress(console)
        dialog = await console.dialog("S")
        assert isinstance(dialog, ChangeDialog)
        assert "right arrow: global_liquidity_freeze" in console.text()
        console.time.pass_deafness()
        await console.press("right")
        await console.until(lambda: "global_liquidity_freeze  right arrow: downgrade_cascade" in console.text())
        await console.settled()
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: "Stored st-0003" in console.sentence, "the answer")
        await asyncio.to_thread(console.app._poller.look)
        await console.until(lambda: console.screen.main_table().rows[0].key == "st-0003", "the test on top")
    kept = StressTests(workspace).latest()
    assert kept.test_id == "st-0003"
    assert {case.family for case in kept.cases} == {"global_liquidity_freeze"}
    assert kept.created_by == str(console.app.actor)
    assert next(iter(reversed(AuditLog(workspace).tail(5)))).verb == "stress.run"


async def test_live_versions_can_be_stressed_on_the_same_panel(open_console, workspace, monkeypatch):
    live = [f"{each.model}@{each.production}" for each in Registry(workspace).models() if each.production]
    known = [each for each in live if each.partition("@")[0] in session_domain("bonds").models]
    asked = []

    def stress(workspace, request, names, training):
        asked.append((request, names))
        return msgspec.structs.replace(run_stress_test(request), models=tuple(map(under_stress, names)))

    monkeypatch.setattr("core.training.version_stress.stress_versions", stress)  # the demo's versions have no files
    async with open_console((160, 48)) as console:
        await on_stress(console)
        await console.dialog("S")
        assert f"none  left arrow: all {len(known)} live" in console.text()
        console.time.pass_deafness()
        await console.press("left")
        await console.until(lambda: f"all {len(known)} live  left arrow: {known[0]}" in console.text(), "all live")
        await console.settled()
        console.time.pass_deafness()
        await console.press("left")
        await console.until(lambda: f"{known[0]}  left arrow: {known[1]}" in console.text(), "the first")
        await console.settled()
        console.time.pass_deafness()
        await console.press("right")
        await console.until(lambda: "global_liquidity_freeze  right arrow" in console.text(), "a family")
        await console.settled()
        assert f"{known[0]}  left arrow: {known[1]}" in console.text()  # the version stays
        console.time.pass_deafness()
        await console.press("Y")
        await console.until(lambda: "Stored st-0003, with 1 version" in console.sentence, "the answer")
    ((request, names),) = asked
    assert (request.scenarios, tuple(names)) == (("global_liquidity_freeze",), (known[0],))
    assert StressTests(workspace).latest().models == (known[0],)


async def test_what_stressed_rows_bought_is_beside_the_case(open_console, workspace):
    calm = ErrorChange(scenario="calm", family="", severity="", error=10.2, error_without=10.0, low=-0.1, high=0.5)
    request = StressRequest(domain="bonds", n_rows=80, seed=3, scenarios=["rates_up"], severities=["severe"])
    case = ErrorChange(
        scenario="rates_up", family="rate_shock", severity="severe", error=15.0, error_without=20.0, low=-6.0, high=-4.0
    )
    trained = StressedTraining(model="spread@1.2.0", n_rows=90, n_learned=500, n_stressed=100, calm=calm, cases=(case,))
    report = msgspec.structs.replace(run_stress_test(request), trained=(trained,))
    StressTests(workspace).keep(report, Actor.engine())
    async with open_console((160, 48)) as console:
        await on_stress(console)
        await console.until(lambda: "Stressed rows in training" in console.screen.query_one("#case").text, "the lines")
        text = console.screen.query_one("#case").text
    assert "error -25.0% (-30.0% to -20.0%), better" in text
    assert "in calm +2.0% (-1.0% to +5.0%), not clear" in text


async def test_a_read_only_console_starts_none_and_says_so(open_console):
    async with open_console((120, 40), read_only=True) as console:
        await on_stress(console)
        await console.press("S")
        assert not isinstance(console.app.screen, ChangeDialog)
        assert "read-only" in console.sentence


async def test_a_report_that_was_changed_is_not_shown(open_console, workspace):
    test = StressTests(workspace).latest()
    (workspace.root / test.report).write_text("{}")
    async with open_console((120, 40)) as console:
        await console.press("8")
        await console.until(lambda: "its SHA-256 differs" in console.screen.query_one("#case").text, "the fault")
        await console.settled()
        heat = console.screen.query_one("#heat")
        assert "its report cannot be read" in console.text()
        assert len(heat.rows) == sum(case.severity == "severe" for case in test.cases)  # the totals stay
        await console.press("j")
        await console.until(lambda: "Waterfall" in console.screen.query_one("#case").text, "the other report")


async def test_without_a_test_the_screen_says_how_to_get_one(open_console, workspace):
    tests = StressTests(workspace)
    tests.prune([test.test_id for test in tests.all()], Actor.engine())
    async with open_console((120, 40)) as console:
        await console.press("8")
        await console.until(lambda: "S starts one; bondx stress run" in console.text())
    assert SnapshotSource(workspace).take().stress_tests == ()


async def test_one_list_on_a_small_screen_and_enter_tells_the_worst_case(open_console, workspace):
    async with open_console((40, 12)) as console:
        await on_stress(console)
        await console.press("enter")
        assert console.screen.focused.id == "case"
        assert StressTests(workspace).latest().worst.scenario in console.screen.query_one("#case").text
        await console.press("escape")
        assert console.screen.focused is console.screen.main_table()
