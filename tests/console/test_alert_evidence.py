"""The details of an alert on screen 5: its values over their threshold, and who was notified."""

from datetime import timedelta

import pytest
from prometheus_client.core import GaugeMetricFamily

from console.presentation.alert_evidence import CHART_ROWS, course_lines
from core.actor import Actor
from core.alerts.alert import Alert, AlertState, Severity, fingerprint_of
from core.alerts.evaluation.course import AlertCourse, CourseSeries
from core.alerts.store import AlertStore
from core.telemetry.metrics import MetricWriter
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
