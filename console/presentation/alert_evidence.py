"""What stands behind an alert as lines: its values over their threshold, and who was told of it."""

from typing import TYPE_CHECKING, Final

from console.presentation.phrases import instant
from widgets.chart import ChartView, Series, draw_chart
from widgets.glyphs import Glyphs
from widgets.line import Line

if TYPE_CHECKING:
    from core.alerts.delivery.log import NotificationLine
    from core.alerts.evaluation.course import AlertCourse
    from core.alerts.evidence import AlertEvidence

READING: Final = (Line(), Line((("Reading values and notifications…", "muted"),)))
CHART_ROWS: Final = 9
_LEAST_CELLS: Final = 30
_N_NOTIFICATIONS: Final = 20
_RESULT_TONES: Final = {"delivered": "good", "failed": "bad", "expired": "bad", "unknown": "warn"}


def evidence_lines(evidence: "AlertEvidence | None", width: int, glyphs: Glyphs) -> list[Line]:
    """Draw the values of the expression over its threshold, and list who was told when, with which result.

    Args:
        evidence: What was read; None while it is being read.
        width: The cells of a line.
        glyphs: The signs to draw with.
    """
    if evidence is None:
        return list(READING)
    lines: list[Line] = []
    if evidence.course_problem:
        lines += [Line(), Line((("Values", "title"),)), Line(((evidence.course_problem, "warn"),))]
    elif evidence.course is not None:
        lines += course_lines(evidence.course, width, glyphs)
    lines += [Line(), Line((("Notifications", "title"),))]
    if evidence.notifications_problem:
        lines.append(Line(((evidence.notifications_problem, "warn"),)))
    elif not evidence.notifications:
        lines.append(Line((("Nobody was notified.", "muted"),)))
    left_out = len(evidence.notifications) - _N_NOTIFICATIONS
    if left_out > 0:
        lines.append(Line(((f"{left_out} earlier: bondx alerts notifications lists them", "muted"),)))
    return lines + [_told_line(each) for each in evidence.notifications[-_N_NOTIFICATIONS:]]


def course_lines(course: "AlertCourse", width: int, glyphs: Glyphs) -> list[Line]:
    """Draw the values around a firing, the axis in minutes from it."""
    head = [Line(), Line((("Values", "title"), (f"  {instant(course.start)} to {instant(course.end)}", "muted")))]
    if not course.series:
        return [*head, Line((("No value was recorded then.", "muted"),))]
    if width < _LEAST_CELLS:
        return [*head, Line((("No room for the values: a wider terminal shows them.", "muted"),))]
    fired = course.fired_at.timestamp()
    series = [
        Series(
            each.name,
            tuple(((at - fired) / 60, value) for at, value in each.points),
            "bad" if each.is_threshold else "",
        )
        for each in course.series
    ]
    view = ChartView(
        x_range=((course.start.timestamp() - fired) / 60, (course.end.timestamp() - fired) / 60), cursor=None
    )
    chart = draw_chart(series, width, CHART_ROWS, x_title="min from firing", glyphs=glyphs, view=view)
    return [*head, *chart]


def _told_line(told: "NotificationLine") -> Line:
    """Write out one attempt; of a taking-over also what was told, since that names who took the alert."""
    kind = told.status if told.reason == told.status else f"{told.status}, {told.reason}"
    detail = " ".join(filter(None, (told.detail, told.headline if told.status == "acknowledged" else "")))
    where = told.receiver if told.addressee in ("", told.receiver) else f"{told.receiver} ({told.addressee})"
    return Line(
        (
            (f"{instant(told.at)}  ", "muted"),
            (f"{where} ", "strong"),
            (f"{kind}: ", ""),
            (told.result, _RESULT_TONES.get(told.result, "")),
            (f" {detail}" if detail else "", "muted"),
        )
    )
