"""The health of live models in a list of models: a cell with its course, and the reasons behind it."""

from datetime import datetime, timedelta

from console.presentation.phrases import NOTHING, instant
from core.monitoring.documents import DriftBudget, HealthState, ModelMonitoring, VersionHealth
from core.view.snapshot import Snapshot
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell

HEALTH_WIDTH = 12
_LATELY = timedelta(days=1)
RANKS = {HealthState.HEALTHY: 0, HealthState.UNKNOWN: 1, HealthState.DEGRADED: 2, HealthState.FAILING: 3}
_TONES = {HealthState.FAILING: "bad", HealthState.DEGRADED: "warn", HealthState.HEALTHY: "good"}


def monitoring_of(model: str, snapshot: Snapshot) -> ModelMonitoring | None:
    """Return what the engine has found of a model, if it has looked at a live version of it."""
    return next((found for found in snapshot.monitoring if found.model == model), None)


def live_health_cell(found: ModelMonitoring | None, version: str | None, now: datetime, glyphs: Glyphs) -> Cell:
    """Draw the health of the live version of a model, and whether it became better or worse within a day.

    Args:
        found: What the engine has found of the model.
        version: Its live version: what was found of another says nothing of this one.
        now: The present.
        glyphs: The signs of this terminal.
    """
    if found is None or version is None or found.live.version != version:
        return Cell(NOTHING, "muted", "", -1)
    return health_cell(found.health, now, glyphs)


def health_cell(health: VersionHealth, now: datetime, glyphs: Glyphs) -> Cell:
    """Draw a state of health with a glyph, its word and a tone, and whether it became better or worse within a day."""
    glyph = {
        HealthState.FAILING: glyphs.failed,
        HealthState.DEGRADED: glyphs.warned,
        HealthState.HEALTHY: glyphs.passed,
    }.get(health.state, glyphs.hollow)
    text = f"{glyph} {health.state}"
    course = _course(health, now, glyphs)
    tone = _TONES.get(health.state, "muted")
    return Cell(f"{text}{course and f' {course}'}", tone, str(health.state), RANKS[health.state], brief=text)


def _course(health: VersionHealth, now: datetime, glyphs: Glyphs) -> str:
    """Return the sign of the last change of health, if it is recent; a first state is no change."""
    if len(health.changes) < 2 or now - health.changes[-1].at > _LATELY:
        return ""
    before, after = (RANKS[change.state] for change in health.changes[-2:])
    return glyphs.down if after > before else glyphs.up


def health_lines(health: VersionHealth) -> list[Line]:
    """Write out the health of a live version: since when, every reason, and what is missing."""
    since = f" since {instant(health.since)}" if health.since is not None else ""
    lines = [Line((("health       ", "muted"), (health.state, _TONES.get(health.state, "muted")), (since, "muted")))]
    lines += [
        Line(((f"{reason.source:<12} ", "muted"), (reason.text, _TONES.get(reason.state, ""))))
        for reason in health.reasons
    ]
    return lines + [Line((("not known    ", "muted"), (missing, ""))) for missing in health.missing]


def budget_text(budget: DriftBudget | None) -> str:
    """Say how many drift alerts fired in 30 days, and how many false ones are still acceptable.

    >>> from datetime import UTC
    >>> budget_text(DriftBudget(acceptable=3, spent=1, left=2, updated_at=datetime(2026, 3, 2, tzinfo=UTC)))
    'drift alerts 1 in 30 days, 2 left'
    >>> budget_text(DriftBudget(acceptable=1, spent=3, left=0, updated_at=datetime(2026, 3, 2, tzinfo=UTC)))
    'drift alerts 3 in 30 days, 2 over'
    """
    if budget is None:
        return ""
    over = budget.spent - budget.acceptable
    rest = f"{over:g} over" if over > 0 else f"{budget.left:g} left"
    return f"drift alerts {budget.spent} in 30 days, {rest}"
