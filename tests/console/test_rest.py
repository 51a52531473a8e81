"""A screen beside an engine that samples the machine once a second: it does what it shows, and no more."""

from datetime import timedelta

import pytest

from console.presentation.resources import newest_at
from console.screens.frame import REST_SECONDS, FramedScreen
from core.alerts import Alerts
from core.telemetry import TelemetryWriter
from tests.clocks import HandClock
from tests.console.conftest import NOW

CPU = "resource.cpu_percent"


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    """Note each time that a screen brings its panes in line with a snapshot."""
    found: list[str] = []
    show_now = FramedScreen.show_now

    def noting(screen) -> None:
        found.append(screen.NAME)
        show_now(screen)

    monkeypatch.setattr("console.screens.frame.FramedScreen.show_now", noting)
    return found


@pytest.fixture
def sample(workspace):
    """Sample the machine, as an engine does, and wait until the console has read it."""

    async def take(console, clock: HandClock) -> None:
        at = clock() - timedelta(milliseconds=10)
        with (
            console.app._poller._look_lock,  # a file that is closed later than it was read would be read twice
            TelemetryWriter(workspace.telemetry_file, clock=clock) as telemetry,
        ):
            telemetry.add(CPU, at, 20.0 + at.timestamp() % 60)
        await console.until(lambda: abs((newest_at(console.app.snapshot) or 0) - at.timestamp()) < 0.001, "the sample")
        await console.caught_up()

    return take


@pytest.mark.parametrize(
    ("key", "n_shown"),
    [
        pytest.param("1", 3, id="the overview shows the machine"),
        pytest.param("2", 0, id="training"),
        pytest.param("3", 0, id="registry"),
        pytest.param("4", 3, id="rollouts counts down seconds"),
        pytest.param("5", 0, id="alerts"),
        pytest.param("7", 3, id="resources shows the machine"),
        pytest.param("9", 0, id="audit"),
    ],
)
async def test_a_sample_of_the_machine_is_work_for_screens_that_show_it(open_console, shown, sample, key, n_shown):
    clock = HandClock(NOW)
    async with open_console(clock=clock) as console:
        await console.press(key)
        await sample(console, clock)
        clock.pass_by(1)
        shown.clear()
        for _ in range(3):
            clock.pass_by(1)
            await sample(console, clock)
        assert len(shown) == n_shown


async def test_ages_are_brought_up_to_date_within_seconds(open_console, shown, sample):
    clock = HandClock(NOW)
    async with open_console(clock=clock) as console:
        await console.press("5")
        shown.clear()
        clock.pass_by(REST_SECONDS)
        await sample(console, clock)
        assert shown == ["alerts"]


async def test_news_are_shown_whatever_was_sampled_before(open_console, shown, sample, workspace):
    clock = HandClock(NOW)
    async with open_console(clock=clock) as console:
        await console.press("5")
        await sample(console, clock)
        shown.clear()
        alert = next(alert for alert in Alerts(workspace).all() if alert.state.is_open)
        Alerts(workspace).fire(alert.name, labels={"model": "unheard"}, summary="heard at once", now=clock())
        await console.until(lambda: "heard at once" in console.text(), "the alert")
        assert "alerts" in shown


async def test_a_screen_that_is_not_shown_keeps_no_snapshot(open_console):
    async with open_console((80, 24)) as console:
        await console.press("3")
        await console.until(lambda: console.screen.NAME == "registry")
        left = console.screen
        assert left._shown is not None
        await console.press("9")
        await console.until(lambda: console.screen.NAME == "audit")
        assert left._shown is None
        await console.press("3")
        await console.until(lambda: console.screen is left and left._shown is not None)
