"""The health of a live model in one cell: its state, and whether it became better or worse within a day."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from console.presentation.live_health import health_lines, live_health_cell
from core.monitoring.documents import HealthChange, HealthState, ModelMonitoring
from tests.monitored import LOOKED_AT, a_version
from widgets.glyphs import ASCII, UNICODE

HEALTHY, UNKNOWN, DEGRADED, FAILING = (
    HealthState.HEALTHY,
    HealthState.UNKNOWN,
    HealthState.DEGRADED,
    HealthState.FAILING,
)


def found(*states):
    """A model whose health had these states, the last one for ten minutes."""
    n = len(states)
    changes = tuple(
        HealthChange(at=LOOKED_AT - timedelta(minutes=10 * (n - k)), state=state) for k, state in enumerate(states)
    )
    version = a_version()
    health = replace(version.health, state=states[-1], since=changes[-1].at, changes=changes)
    return ModelMonitoring(model="spread", versions=(replace(version, health=health),), updated_at=LOOKED_AT)


@pytest.mark.parametrize(
    ("states", "text", "tone"),
    [
        ([HEALTHY], "✓ healthy", "good"),
        ([UNKNOWN, HEALTHY], "✓ healthy ▲", "good"),
        ([HEALTHY, DEGRADED], "! degraded ▼", "warn"),
        ([FAILING, DEGRADED], "! degraded ▲", "warn"),
        ([DEGRADED, FAILING], "✗ failing ▼", "bad"),
        ([UNKNOWN], "○ unknown", "muted"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_state_has_a_sign_a_word_a_tone_and_its_course(states, text, tone):
    cell = live_health_cell(found(*states), "1.0.0", LOOKED_AT, UNICODE)
    assert (cell.text, cell.tone, cell.value) == (text, tone, str(states[-1]))


def test_a_change_of_the_day_before_is_no_course():
    cell = live_health_cell(found(HEALTHY, DEGRADED), "1.0.0", LOOKED_AT + timedelta(days=2), UNICODE)
    assert cell.text == "! degraded"


def test_a_plain_terminal_gets_plain_signs():
    assert live_health_cell(found(HEALTHY, DEGRADED), "1.0.0", LOOKED_AT, ASCII).text.isascii()


@pytest.mark.parametrize("version", [None, "1.1.0"], ids=["no live version", "another version"])
def test_what_was_found_of_another_version_says_nothing(version):
    assert live_health_cell(found(HEALTHY), version, LOOKED_AT, UNICODE).text == "–"


def test_models_are_sorted_by_how_ill_they_are():
    ranks = [
        live_health_cell(found(state), "1.0.0", LOOKED_AT, UNICODE).rank
        for state in (HEALTHY, UNKNOWN, DEGRADED, FAILING)
    ]
    assert ranks == sorted(ranks)


def test_the_reasons_are_written_out():
    lines = ["".join(text for text, _ in line.spans) for line in health_lines(found(HEALTHY, DEGRADED).health)]
    assert lines == [
        "health       degraded since 2026-11-27 07:20 UTC",
        "drift        sector: Energy 12% -> 31% of the rows",
    ]
