"""What stands behind an alert beyond its document: the recorded values, and who was told of it."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from core.alerts.alert import Alert
from core.errors import CoreError

if TYPE_CHECKING:
    from core.alerts.delivery.log import NotificationLine
    from core.alerts.evaluation.course import AlertCourse
    from core.state import Workspace


class AlertEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was read about one alert; what cannot be read says so, and takes nothing from the rest."""

    course: "AlertCourse | None"  # None: the alert has no expression
    course_problem: str = ""
    notifications: "tuple[NotificationLine, ...]" = ()  # oldest first
    notifications_problem: str = ""


def evidence_of(workspace: "Workspace", alert: Alert, now: datetime) -> AlertEvidence:
    """Read what stands behind an alert; it reads stores, so no screen calls it in its own thread.

    Args:
        workspace: The workspace of the alert.
        alert: The alert.
        now: The present, or the moment of the past that is shown.
    """
    from core.alerts.delivery.log import notifications_of
    from core.alerts.evaluation.course import course_of

    course, course_problem, problem = None, "", ""
    told: list[NotificationLine] = []
    try:
        course = course_of(workspace, alert, now)
    except (CoreError, OSError) as error:
        course_problem = str(error)
    try:
        told = [line for line in notifications_of(workspace, alert.fingerprint) if line.at <= now]
    except (CoreError, OSError) as error:
        problem = str(error)
    return AlertEvidence(
        course=course, course_problem=course_problem, notifications=tuple(told), notifications_problem=problem
    )
