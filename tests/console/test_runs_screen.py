"""Runs in the console: those of other processes live, nested, lost, searched, laid side by side."""

import json
import os
import re
import subprocess
import sys

import pytest

from console.cli.main import main
from console.dialogs.compare import CompareDialog
from core.actor import Actor, Origin
from core.clock import utc_now
from core.tracking import Runs, RunStatus


def ids(console) -> list[str]:
    return [row.key for row in console.screen.main_table().rows]


def changed(console, name: str) -> str:
    """The line of a comparison that tells how something differs."""
    return next((line for line in console.text().splitlines() if re.search(rf"± +{name} ", line)), "")


async def open_runs(console):
    await console.press("2", "r")
    await console.until(lambda: console.screen.NAME == "runs" and ids(console), "the runs")


async def test_runs_are_read_only_while_they_are_shown(open_console):
    async with open_console((80, 24)) as console:
        assert console.app.snapshot.runs is None
        await open_runs(console)
        assert "[2 Training]" in console.text()
        assert ids(console) == ["r-0002", "r-0003", "r-0004", "r-0005", "r-0001"]
        assert [
            line.split()[0] for line in console.text().splitlines() if " depth " in line and "search" not in line
        ] == ["│"] * 3
        await console.press("escape")
        await console.until(lambda: console.screen.NAME == "training", "the sessions")
        await console.press("r", "r")
        await console.until(lambda: console.screen.NAME == "training", "the sessions again")


async def test_the_sessions_follow_the_session_under_the_cursor_again_after_the_runs(open_console, monkeypatch):
    async with open_console((120, 40)) as console:
        followed = []
        monkeypatch.setattr(console.app, "follow", followed.append)
        await console.press("2")
        await console.until(
            lambda: console.screen.NAME == "training" and console.screen.selected_session(), "a session"
        )
        run_id = console.screen.selected_session().run_id
        await console.press("r")
        await console.until(lambda: console.screen.NAME == "runs" and ids(console), "the runs")
        await console.press("j")
        await console.until(lambda: followed and followed[-1] != run_id, "another run")
        await console.press("escape")
        await console.until(lambda: console.screen.NAME == "training", "the sessions")
        await console.until(lambda: followed[-1] == run_id, "the run of the session")


async def test_keys_about_a_run_are_dim_only_without_one(open_console):
    async with open_console((200, 40)) as console:
        await open_runs(console)
        await console.settled()
        assert all(hint in console.text() for hint in (" d details  ", " c compare  Space mark"))
        await console.press("slash", *"nothing", "enter")
        assert "(c compare)  (Space mark)" in console.text(), console.text()[-260:]


async def test_a_run_whose_process_is_silent_is_lost(open_console):
    async with open_console((80, 24)) as console:
        await open_runs(console)
        statuses = {run.run_id: run.status for run in console.app.snapshot.runs}
        assert (statuses["r-0003"], statuses["r-0004"]) == (RunStatus.FINISHED, RunStatus.LOST)
        assert "depth 6" in next(line for line in console.text().splitlines() if "lost" in line)


async def test_details_show_metrics_and_parameters(open_console):
    async with open_console((120, 40)) as console:
        await open_runs(console)
        await console.press("j")
        await console.until(lambda: "r-0003" in console.app.snapshot.epochs, "its metrics by step")
        details = console.screen.query_one("#details").text
        for words in ("part of  r-0002", "mae   ", "depth  4", "desk  credit", "Environment", "python"):
            assert words in details, words


async def test_a_loss_that_became_nan_says_diverged_where_its_value_would_stand(open_console, workspace, called):
    with Runs(workspace) as runs:
        run = runs.start(name="unstable", actor=Actor("ana", "desk", Origin.COMMAND_LINE))
        runs.log_metrics(run.run_id, 1, {"loss": 0.5})
        runs.log_metrics(run.run_id, 2, {"loss": float("nan")})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=Actor("ana", "desk", Origin.COMMAND_LINE))
    async with open_console((120, 40)) as console:
        await open_runs(console)
        await console.press("g")
        await console.until(lambda: re.search(r"loss +diverged", console.text()), "the details")
        assert re.search(r"unstable +✓ finished +loss diverged", console.text())
    command = ["--workspace", workspace.root, "runs"]
    assert "loss diverged" in called(main, *command, "list")[1]
    assert re.search(r"^metrics\.loss +diverged$", called(main, *command, "show", run.run_id)[1], re.MULTILINE)
    assert json.loads(called(main, *command, "show", run.run_id, "--json")[1])["diverged"] == ["loss"]


async def test_a_metric_that_became_nan_says_undefined_where_its_value_would_stand(open_console, workspace, called):
    with Runs(workspace) as runs:
        run = runs.start(name="empty class", actor=Actor("ana", "desk", Origin.COMMAND_LINE))
        for epoch, accuracy in enumerate((0.9, 0.95, float("nan"))):
            runs.log_metrics(run.run_id, epoch, {"accuracy": accuracy, "depth": 3.0})
        runs.finish(run.run_id, RunStatus.FINISHED, actor=Actor("ana", "desk", Origin.COMMAND_LINE))
    async with open_console((120, 40)) as console:
        await open_runs(console)
        await console.press("g")
        await console.until(lambda: re.search(r"accuracy +undefined", console.text()), "the details")
        assert re.search(r"empty class +✓ finished +accuracy undefined", console.text())
    command = ["--workspace", workspace.root, "runs"]
    assert "accuracy undefined" in called(main, *command, "list")[1]
    assert re.search(r"^metrics\.accuracy +undefined$", called(main, *command, "show", run.run_id)[1], re.MULTILINE)
    shown = json.loads(called(main, *command, "show", run.run_id, "--json")[1])
    assert (shown["metrics"], shown["undefined"]) == ({"depth": 3.0}, ["accuracy"])
    filtered = called(main, *command, "list", "--filter", "metrics.accuracy > 0.5", "--json")[1]
    assert json.loads(filtered) == []


async def test_two_marked_runs_are_compared_and_without_marks_the_row_with_the_one_below(open_console):
    async with open_console((120, 40)) as console:
        await open_runs(console)
        await console.press("j", "space", "j", "j", "space", "c")
        await console.until(lambda: isinstance(console.app.screen, CompareDialog) and console.app.screen._comparison)
        await console.until(lambda: changed(console, "depth"), "the parameter that differs")
        assert "r-0003 and r-0005" in console.text()
        assert "better" in changed(console, "mae")
        await console.press("escape", "space", "k", "k", "space", "c")
        await console.until(lambda: isinstance(console.app.screen, CompareDialog) and console.app.screen._comparison)
        await console.until(lambda: "r-0003 and r-0004" in console.text(), "the row and the one below it")


async def test_keys_about_a_run_are_dim_while_no_run_is_listed(open_console):
    async with open_console((200, 40)) as console:
        await open_runs(console)
        assert "(c compare)" not in console.text()
        await console.press("slash", *"no such run", "enter")
        assert "(c compare)" in console.text()


async def test_a_single_run_cannot_be_compared(open_console):
    async with open_console((80, 24)) as console:
        await open_runs(console)
        await console.press("G", "c")
        assert "Mark two runs with Space" in console.sentence


async def test_an_expression_keeps_the_matching_runs(open_console):
    async with open_console((120, 40)) as console:
        await console.press("colon", *"runs metrics.mae < 11.5 and params.model = 'spread'", "enter")
        await console.until(lambda: console.screen.NAME == "runs" and ids(console) == ["r-0005", "r-0004"], "two")
        assert "metrics.mae < 11.5 and params.model = 'spread': 2 of 5 runs" in console.text()
        await console.press("escape")
        await console.until(lambda: len(ids(console)) == 5, "all of them")
        assert console.screen.NAME == "runs"


async def test_a_wrong_expression_changes_no_screen(open_console):
    async with open_console((120, 40)) as console:
        await console.press("colon", *"runs metrics.mae <", "enter")
        await console.until(lambda: console.sentence, "the answer")
        assert console.screen.NAME == "overview"


@pytest.mark.parametrize("size", [(20, 5), (80, 24), (200, 60)], ids=str)
async def test_runs_are_shown_at_every_size(open_console, size):
    async with open_console(size) as console:
        await open_runs(console)
        await console.press("d", "escape", "plus", "escape", "slash", *"depth", "enter", "question_mark", "escape")
        assert console.app.return_code is None


PROGRAM = """
import sys
from pathlib import Path
from core.state import Workspace
from core.tracking import track
with track(Workspace.open(Path(sys.argv[1])), "my [own]", parameters={"depth": 3}) as run:
    run.log_metric("mae", 0.5)
    sys.stdin.readline()
    run.log_metric("mae", 0.25)
"""


async def test_metrics_of_another_program_appear_while_it_runs(open_console, workspace, tmp_path):
    def line_of_it():
        return next((line for line in console.text().splitlines() if "my [own]" in line), "")

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    async with open_console((120, 40), clock=utc_now) as console:
        await open_runs(console)
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(workspace.root)],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            await console.until(lambda: "mae 0.5 " in line_of_it(), "its first metric")
            assert "running" in line_of_it()
            process.stdin.write("\n")
            process.stdin.flush()
            await console.until(lambda: "mae 0.25" in line_of_it() and "finished" in line_of_it(), "its end")
