"""The details of an alert on screen 5: its values over their threshold, and who was notified."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from prometheus_client.core import GaugeMetricFamily

from console.presentation.alert_evidence import CHART_ROWS, course_lines
from core.actor import Actor, Origin
from core.alerts import Alerts
from core.alerts.alert import Alert, AlertState, Severity, fingerprint_of
from core.alerts.delivery.channel import Delivered
from core.alerts.delivery.errors import DeliveryError
from core.alerts.delivery.message import MessageStatus, message_of
from core.alerts.delivery.outbox import ChannelTarget, Outbox
from core.alerts.evaluation.course import AlertCourse, CourseSeries
from core.alerts.store import AlertStore
from core.telemetry.metrics import MetricWriter
from tests.clocks import HandClock
from tests.console.conftest import NOW
from widgets.glyphs import ASCII, UNICODE

LABELS = {"model": "spread"}


@pytest.fixture
def fired(workspace) -> Alert:
    """An alert of a rule file, with its recorded series."""
    writer = MetricWriter(workspace.metrics_file, lambda: NOW, job="bondx-engine", instance="host")
    for minute in range(20):
        family = GaugeMetricFamily("bondx_drift_psi", "", labels=("model",))
        family.add_metric(["spread"], minute / 20)
        writer.record(NOW - timedelta(minutes=20 - minute), [family])
    alert = Alert(
        fingerprint=fingerprint_of("Drift", LABELS),
        rule="Drift",
        severity=Severity.CRITICAL,
        state=AlertState.FIRING,
        summary="spread has moved",
        labels=LABELS,
        first_at=NOW - timedelta(minutes=10),
        last_at=NOW,
        source="rules:desk.yaml:mine",
        expr="bondx_drift_psi > 0.25",
    )
    return AlertStore(workspace, lambda: NOW).fire(alert, Actor.engine())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_details_draw_the_values_and_say_who_was_notified(open_console, fired, size):
    async with open_console(size) as console:
        await console.press("5")
        assert console.screen.main_table().move_to(fired.fingerprint)
        await console.settled()
        pane = console.screen.query_one("#details")
        if not pane.size.width:
            await console.press("d")
        await console.until(lambda: "Nobody was notified." in pane.text, "the evidence")
        assert "limit       > 0.25" in pane.text
        assert "Values" in pane.text
        assert "threshold" in pane.text
        assert "min from firing" in pane.text
        assert max(line.width for line in pane.lines[-CHART_ROWS - 3 :]) <= pane.size.width


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_a_course_is_drawn_into_its_width_or_says_why_not(glyphs):
    points = tuple((NOW.timestamp() + minute * 60, float(minute)) for minute in range(10))
    course = AlertCourse(
        expr="a > 3",
        start=NOW,
        end=NOW + timedelta(minutes=10),
        fired_at=NOW + timedelta(minutes=3),
        series=(
            CourseSeries(name="a", points=points),
            CourseSeries(name="threshold", points=tuple((at, 3.0) for at, _ in points), is_threshold=True),
        ),
    )
    lines = course_lines(course, 50, glyphs)
    assert len(lines) == CHART_ROWS + 2
    assert all(line.width <= 50 for line in lines[2:])
    assert "wider terminal" in course_lines(course, 20, glyphs)[-1].text


@pytest.fixture
def told(workspace, fired) -> Alert:
    """The alert, heard of by chat after mail had failed, and taken by a person since, which the chat was told."""
    clock = HandClock(NOW)
    outbox, alerts = Outbox(workspace, clock=clock), Alerts(workspace, clock=clock)
    mail = ChannelTarget("desk", "desk/email 1", "email", "desk@example.org")
    chat = ChannelTarget("desk", "desk/slack 1", "slack", "#desk")

    def message(alert: Alert, reason: str):
        notification = SimpleNamespace(
            receiver="desk", group_key="g", group_labels={}, alerts=[alert], status=str(alert.state), reason=reason
        )
        return message_of(notification, now=clock())

    (first,) = outbox.enqueue(message(fired, "first"), [mail])
    failed = outbox.fail(outbox.begin(first), DeliveryError("connection refused"))
    second = outbox.hand_over(failed, chat)
    outbox.succeed(outbox.begin(second), Delivered("HTTP 200"))
    clock.pass_by(60)
    taken = alerts.acknowledge(fired.fingerprint, Actor("ada", "desk", Origin.CONSOLE))
    acknowledged = replace(message(taken, "acknowledged"), status=MessageStatus.ACKNOWLEDGED)
    (third,) = outbox.enqueue(acknowledged, [chat])
    outbox.succeed(outbox.begin(third), Delivered("HTTP 200"))
    return taken


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_the_details_say_who_was_told_what_and_who_took_the_alert(open_console, told, size):
    async with open_console(size, clock=lambda: NOW + timedelta(minutes=5)) as console:
        await console.press("5")
        assert console.screen.main_table().move_to(told.fingerprint)
        await console.settled()
        pane = console.screen.query_one("#details")
        if not pane.size.width:
            await console.press("d")
        await console.until(lambda: "taken by ada@desk" in pane.text, "the notifications")
        notifications = pane.text[pane.text.index("Notifications") :]
        failed, taken_over, acknowledged = [line for line in notifications.splitlines() if "UTC" in line]
        assert "desk (desk@example.org) firing, first: failed connection refused" in failed
        assert "desk (#desk) firing, first: delivered" in taken_over
        assert "instead of desk/email 1" in taken_over
        assert "desk (#desk) acknowledged: delivered" in acknowledged
        assert "[acknowledged] critical Drift: taken by ada@desk: spread has moved" in acknowledged
