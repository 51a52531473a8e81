"""When an alert fires, stays and resolves, as a table."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from core.alerts import Alert, AlertState, Severity
from core.alerts.lifecycle import Dwell, NextStep, next_step

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
DWELL = Dwell(to_fire=timedelta(seconds=60), to_clear=timedelta(seconds=30))


def an_alert(state: AlertState, *, seen_ago: float = 0) -> Alert:
    seen_at = NOW - timedelta(seconds=seen_ago)
    return Alert(
        fingerprint="f",
        rule="cpu_high",
        severity=Severity.WARNING,
        state=state,
        summary="",
        first_at=seen_at,
        last_at=seen_at,
    )


FIRING, ACKNOWLEDGED, RESOLVED = AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.RESOLVED
OUTLASTED = msgspec.structs.replace(an_alert(RESOLVED), outlasted=True)


@pytest.mark.parametrize(
    ("alert", "is_breached", "changed_ago", "step"),
    [
        pytest.param(None, False, None, NextStep.NOTHING, id="all is well and ever was"),
        pytest.param(None, True, None, NextStep.WAIT, id="wrong for the first time waits"),
        pytest.param(None, True, 59, NextStep.WAIT, id="wrong for a second less than a minute waits"),
        pytest.param(None, True, 60, NextStep.FIRE, id="wrong for a minute fires"),
        pytest.param(an_alert(FIRING, seen_ago=59), True, None, NextStep.NOTHING, id="still wrong, and said so lately"),
        pytest.param(an_alert(FIRING, seen_ago=60), True, None, NextStep.STILL_SO, id="still wrong, said a minute ago"),
        pytest.param(an_alert(ACKNOWLEDGED, seen_ago=9), True, None, NextStep.NOTHING, id="acknowledged stays so"),
        pytest.param(
            an_alert(ACKNOWLEDGED, seen_ago=60), True, None, NextStep.STILL_SO, id="acknowledged and still wrong"
        ),
        pytest.param(an_alert(FIRING), False, None, NextStep.WAIT, id="well again, but only just"),
        pytest.param(an_alert(FIRING), False, 29, NextStep.WAIT, id="well again for a second too short"),
        pytest.param(an_alert(FIRING), False, 30, NextStep.RESOLVE, id="well again for long enough"),
        pytest.param(an_alert(ACKNOWLEDGED), False, 30, NextStep.RESOLVE, id="acknowledged resolves like any"),
        pytest.param(OUTLASTED, True, 60, NextStep.NOTHING, id="resolved by hand and still wrong stays silent"),
        pytest.param(OUTLASTED, False, 29, NextStep.WAIT, id="resolved by hand, well for a second too short"),
        pytest.param(OUTLASTED, False, 30, NextStep.REARM, id="resolved by hand, and now well"),
        pytest.param(an_alert(RESOLVED), False, None, NextStep.NOTHING, id="resolved and well"),
        pytest.param(an_alert(RESOLVED), True, None, NextStep.WAIT, id="wrong again waits anew"),
        pytest.param(an_alert(RESOLVED), True, 60, NextStep.FIRE, id="wrong again for a minute fires anew"),
    ],
)
def test_the_next_step(alert, is_breached, changed_ago, step):
    changed_at = None if changed_ago is None else NOW - timedelta(seconds=changed_ago)
    assert next_step(alert, is_breached=is_breached, changed_at=changed_at, dwell=DWELL, now=NOW) is step


def test_without_a_dwell_a_change_counts_immediately():
    assert next_step(None, is_breached=True, changed_at=None, dwell=Dwell(), now=NOW) is NextStep.FIRE
    assert next_step(an_alert(FIRING), is_breached=False, changed_at=None, dwell=Dwell(), now=NOW) is NextStep.RESOLVE
