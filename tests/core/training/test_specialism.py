"""Sessions on one slice: their rows, what is refused, and the names of their models."""

import pytest

from core.domains.domain import DrawRequest
from core.domains.registry import session_domain
from core.errors import UsageError
from core.settings import TrainingSettings
from core.settings.training import StressTestingSettings
from core.training import restricted_draws
from core.training.panels import SessionPanels
from core.training.restricted_draws import TooRareError, draw_of
from core.training.session_domain import checked


@pytest.mark.parametrize(
    ("domain", "only", "column"),
    [("bonds", {"sector": "banks"}, "sector"), ("etrm", {"commodity": "POWER"}, "commodity")],
)
def test_every_panel_has_rows_of_the_slice_alone_and_the_same_twice(domain, only, column):
    settings = TrainingSettings(domain=domain, only=only, dataset_size=120)

    draws = [SessionPanels(settings).epoch(1), SessionPanels(settings).epoch(1), SessionPanels(settings).tuning(300)]

    assert [set(draw.panel.frame[column]) for draw in draws] == [set(only.values())] * 3
    assert [len(draw.panel.frame) for draw in draws] == [120, 120, 300]
    assert len(draws[0].panel.truth) == 120
    assert draws[0].record == draws[1].record
    assert (
        draws[0].record.sha256
        != SessionPanels(TrainingSettings(domain=domain, dataset_size=120)).epoch(1).record.sha256
    )


def test_a_slice_that_is_too_rare_is_refused(monkeypatch):
    monkeypatch.setattr(restricted_draws, "MOST_ROWS", 2_100)
    bonds = session_domain("bonds")
    request = DrawRequest("draw", 1_000, 1, 1, bonds.settings(), only={"sector": "distressed"})

    with pytest.raises(TooRareError, match="rows of sector distressed so rarely that 1,000"):
        draw_of(bonds, request)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        pytest.param(
            {"only": {"sektor": "banks"}}, "'sektor', which bonds does not divide .* It has: sector", id="slicing"
        ),
        pytest.param(
            {"only": {"sector": "bank"}}, r"only\.sector is 'bank'\. The values of sector: sovereign,", id="value"
        ),
        pytest.param(
            {"only": {"sector": "banks"}, "stress_testing": StressTestingSettings(enable_stress_testing=True)},
            "stresses the whole market",
            id="stress tests",
        ),
    ],
)
def test_a_slice_that_cannot_be_is_refused(settings, problem):
    with pytest.raises(UsageError, match=problem):
        checked(TrainingSettings(**settings))
