"""What an epoch sends over the line: the cells that change, and little more."""

import re
from datetime import timedelta
from statistics import fmean

import pyte
import pytest
from textual._compositor import CompositorUpdate

from core.actor import Actor
from core.quality.gate import judge
from core.telemetry import TelemetryWriter
from core.training.criterion import Criterion
from core.training.sessions import Sessions
from tests.console.conftest import NOW
from tools.demo import N_EPOCHS, epoch_metrics
from widgets.live_table import LiveTable

LARGE, SMALL = (120, 40), (80, 24)
MOST_BYTES_A_SECOND = {LARGE: 1_500, SMALL: 1_000}
EPOCH_SECONDS = 0.8
N_SCRIPTED = 12
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\)")


class Line:
    """The line to a terminal: what was sent, and how many cells of the terminal it changed."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.terminal = pyte.Screen(*size)
        self._stream = pyte.Stream(self.terminal)
        self._before = self.cells()
        self.sent = ""

    def send(self, sequence: str) -> None:
        self.sent += sequence
        self._stream.feed(sequence)

    def cells(self) -> list[tuple]:
        return [tuple(self.terminal.buffer[y][x]) for y in range(self.size[1]) for x in range(self.size[0])]

    def measure(self) -> tuple[int, int, int]:
        """Return the bytes, the signs and the changed cells since the last time."""
        now = self.cells()
        n_changed = sum(old != new for old, new in zip(self._before, now, strict=True))
        n_signs = len(_SEQUENCE.sub("", self.sent))
        n_bytes = len(self.sent.encode())
        self._before, self.sent = now, ""
        return n_bytes, n_signs, n_changed


@pytest.fixture
def size(request) -> tuple[int, int]:
    return getattr(request, "param", LARGE)


@pytest.fixture
def line(monkeypatch, size) -> Line:
    """Catch what the console would send to a terminal."""
    found = Line(size)

    def display(app, screen, renderable) -> None:
        if isinstance(renderable, CompositorUpdate) and not app._batch_count:
            found.send(renderable.render_segments(app.console))

    monkeypatch.setattr("console.app.app.BondxApp._display", display)
    return found


def complete(workspace, run_id: str, epoch: int) -> None:
    """Complete an epoch as the engine does; the figures of the gates change, as they do for new data."""
    metrics = epoch_metrics(epoch)
    gates = tuple(judge(f"gate_{number}", 40 + 7.3 * number + epoch / 7, ">=", 30.0, unit="%") for number in range(18))
    with TelemetryWriter(workspace.telemetry_file, clock=lambda: NOW) as telemetry:
        telemetry.add_epoch(run_id, epoch, metrics, NOW)
    Sessions(workspace, clock=lambda: NOW).observe(
        "s-0002",
        "epoch.complete",
        actor=Actor.engine(),
        run_id=run_id,
        epoch=epoch,
        score=metrics.get("score"),
        quality_score=metrics["quality.score"],
        metrics=metrics,
        gates=gates,
        last_progress_at=NOW + timedelta(seconds=epoch),
        eta_seconds=1720.0 - epoch,
        criteria=criteria_after(epoch),
    )


def criteria_after(epoch: int) -> tuple[Criterion, ...]:
    """The four criteria as they are while scores improve: the earliest epoch of each moves with the epochs."""
    figures = (("improvement", 0.02, 0.001), ("patience", 0.0, 10.0), ("quality", 0.4, 0.1), ("plateau", 1.0, 20.0))
    return tuple(
        Criterion(name=name, value=value / epoch, limit=limit, is_met=False, at_epoch=epoch + n, text=f"{name} {epoch}")
        for n, (name, value, limit) in enumerate(figures, start=9)
    )


@pytest.mark.parametrize("size", [LARGE, SMALL], indirect=True, ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    ("run_id", "first"),
    [
        pytest.param("r-0001", N_EPOCHS + 1, id="a session of some epochs"),
        pytest.param("r-0099", 1, id="a session that has just begun, whose curves rise"),
    ],
)
async def test_an_epoch_on_the_training_screen_sends_the_cells_that_change(
    open_console, workspace, line, size, run_id, first
):
    async with open_console(size) as console:
        await console.press("2")
        table = console.screen.query_one("#epochs", LiveTable)
        found = []
        for epoch in range(first, first + N_SCRIPTED):
            with console.app._poller._look_lock:  # seen whole: two halves would be drawn one after the other
                complete(workspace, run_id, epoch)
            await console.until(
                lambda n=epoch: table.n_all_rows == n and console.screen.selected_session().observed.epoch == n,
                "the epoch and its gates",
            )
            await console.settled()
            found.append(line.measure())
        assert "\n".join(line.terminal.display) == console.text(), "the terminal shows the screen"
        assert size == SMALL or "until" in console.text().lower(), "the line of the criteria is on the screen"

    n_bytes, n_signs, n_changed = (fmean(column) for column in zip(*found[2:], strict=True))
    assert n_changed > (60 if size == LARGE else 20), "an epoch changes figures, curves and rows"
    assert n_signs < 1.35 * n_changed
    assert n_bytes <= MOST_BYTES_A_SECOND[size] * EPOCH_SECONDS


async def test_a_screen_that_is_shown_again_without_news_sends_no_cell(open_console, line):
    async with open_console(line.size) as console:
        for key in "1234579":
            await console.press(key)
            await console.until(lambda: console.app.snapshot.epochs, "the epochs")
            await console.caught_up()
            line.measure()
            console.screen.show(console.app.snapshot)
            console.screen.tick()
            await console.settled()
            assert line.measure()[1:] == (0, 0), f"screen {key}"
