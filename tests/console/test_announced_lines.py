"""Lines that notifications put into every attached console."""

from core.actor import Actor
from core.alerts import Alerts
from core.alerts.delivery.channels.console_line import announce
from core.alerts.delivery.records import Announcement
from tests.console.conftest import NOW


def line(name, **fields):
    return Announcement(announcement_id=name, at=NOW, text=f"critical gate_failed: {name}", **fields)


async def test_a_line_that_comes_is_shown_and_rings_and_an_earlier_one_is_not(open_console, workspace, monkeypatch):
    announce(workspace, line("earlier"))
    async with open_console() as console:
        said, bells = [], []
        monkeypatch.setattr(console.app, "say", lambda text, tone="": said.append((text, tone)))
        monkeypatch.setattr(console.app, "bell", lambda: bells.append(True))
        await console.until(lambda: console.app._announced_lines._seen is not None, "the first look")
        announce(workspace, line("later", severity="critical", rings=True))
        alert = Alerts(workspace).open()[0]  # something else changes, as it does each second while an engine runs
        Alerts(workspace).resolve(alert.fingerprint, Actor.engine())
        await console.until(lambda: bells, "the line")
        assert said == [("critical gate_failed: later", "bad")]
