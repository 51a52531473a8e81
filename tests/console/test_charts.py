"""Charts on the whole screen: scales, a logarithmic axis, several runs over each other, one cursor in all charts."""

import re

import pytest

from console.dialogs.charts import ChartsDialog
from core.actor import Actor, Origin
from core.tracking import Runs, RunStatus
from widgets.line_chart import LineChart

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)


@pytest.fixture
def two_runs(workspace):
    """Two runs with a loss and a score at the steps 1 to 5."""
    with Runs(workspace) as runs:
        for name, first in (("wide", 1000.0), ("deep", 100.0)):
            run = runs.start(name=name, actor=ANA)
            for step in range(1, 6):
                runs.log_metrics(run.run_id, step, {"loss": first / 10**step, "score": step / 10})
            runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)


async def open_charts(console):
    await console.press("2", "r")
    await console.until(lambda: console.screen.NAME == "runs" and console.screen.main_table().rows, "the runs")
    await console.press("g", "space", "j", "space", "v")
    await console.until(lambda: "chart 1 of 2" in console.text(), "the charts")


def legends(console) -> list[str]:
    """The line of each chart that names its series."""
    return [line for line in console.text().splitlines() if "r-0006 wide" in line and "r-0007 deep" in line]


async def test_runs_are_drawn_over_each_other_and_one_cursor_moves_in_all_charts(open_console, two_runs):
    async with open_console((100, 30)) as console:
        await open_charts(console)
        assert "─ r-0007, r-0006 ─" in console.text().splitlines()[1]
        (loss, score) = legends(console)
        assert re.search(r"deep 0\.001 .*wide 0\.01\b", loss)
        assert re.search(r"deep 0\.5 .*wide 0\.5\b", score)
        await console.press("h")
        (loss, score) = legends(console)
        assert re.search(r"deep 0\.01 .*wide 0\.1\b", loss)
        assert re.search(r"deep 0\.4 .*wide 0\.4\b", score)
        assert "step 4" in console.text()
        await console.press("h", "l", "g")
        assert "step 1" in console.text()
        assert re.search(r"deep 10 .*wide 100\b", legends(console)[0])
        await console.press("G")
        assert "newest values" in console.text()


async def test_where_there_is_nothing_to_draw_nothing_is_being_read(open_console):
    async with open_console((100, 30)) as console:
        console.app.push_screen(ChartsDialog("s-0009", lambda window: ()))
        await console.until(lambda: "There is nothing to draw yet." in console.text(), "an answer")
        assert "Reading" not in console.text()


async def test_the_scale_is_chosen_for_each_chart_and_one_chart_fills_the_screen(open_console, two_runs):
    async with open_console((100, 30)) as console:
        await open_charts(console)
        charts = list(console.app.screen.query(LineChart))
        await console.press("x")
        assert (charts[0].view.is_log, charts[1].view.is_log) == (True, False)
        assert "log" in console.text()
        await console.press("j", "s")
        assert charts[1].view.from_zero
        assert "from zero" in console.text()
        await console.press("s")
        assert charts[1].view.y_range is not None
        await console.press("s")
        assert charts[1].view.y_range is None
        await console.press("plus")
        assert len(legends(console)) == 1
        await console.press("plus", "escape")
        assert console.app.screen is console.screen


@pytest.mark.parametrize("size", [(40, 12), (160, 48)], ids=str)
@pytest.mark.parametrize("key", ["2", "7"], ids=["training", "resources"])
async def test_charts_open_at_every_size_from_every_screen_that_has_them(open_console, size, key):
    async with open_console(size) as console:
        await console.press(key, "v")
        await console.until(lambda: "chart 1 of" in console.text(), "the charts")
        await console.press("h", "s", "x", "plus", "escape")
        assert console.app.screen is console.screen


async def test_a_part_of_a_long_run_is_looked_at_at_its_own_resolution(open_console, workspace):
    with Runs(workspace) as runs:
        run = runs.start(name="long", actor=ANA)
        for step in range(4_000):
            runs.log_metrics(run.run_id, step, {"loss": 9.0 if step == 1_234 else step % 10 / 10})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=ANA)
    async with open_console((100, 30)) as console:
        await console.press("2", "r")
        await console.until(lambda: console.screen.NAME == "runs" and console.screen.main_table().rows, "the runs")
        await console.press("g", "v")
        await console.until(lambda: "chart 1 of 1" in console.text(), "the charts")
        chart = console.app.screen.query(LineChart).first()

        def places() -> list[float]:
            return [x for x, _ in chart._series[0].points]

        assert len(places()) <= 1_024
        assert (1_234.0, 9.0) in chart._series[0].points
        for _ in range(4):
            await console.press("i")
        await console.until(lambda: len(places()) > 8 and places() == [*range(int(places()[0]), 4_000)], "single steps")
        assert "step 3,983 to 3,999" in console.text()
        before = places()[0]
        await console.press("h", *["h"] * len(places()))
        await console.until(lambda: places()[0] < before, "the part before")
        for _ in range(5):
            await console.press("o")
        await console.until(lambda: places()[0] == 0.0, "the whole run")
        assert " to 3,999" not in console.text()
