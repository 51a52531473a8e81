"""The false-alarm budget."""

from datetime import UTC, datetime, timedelta

import pytest

from core.monitoring.documents import DriftPage
from core.monitoring.sequential import FalseAlarmBudget
from core.settings.monitoring import MonitoringSettings

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def page(days, model, **known):
    return DriftPage(at=NOW - timedelta(days=days), model=model, version="1.0.0", **known)


def test_what_is_shown_of_the_split_is_what_the_verdicts_keep_to():
    settings = MonitoringSettings(overrides={"a": {"weight": 3.0}, "b": {"false_alarm_days": 900}})
    budget = FalseAlarmBudget.of(settings, ("a", "b", "c"))
    assert budget.use((), NOW).shares == {"a": 0.6, "b": round(30 / 900, 4), "c": 0.2}


def test_the_rates_of_all_models_add_up_to_the_pages_of_the_budget():
    budget = FalseAlarmBudget(1.0, 30.0, {"a": 1.0, "b": 3.0, "c": 4.0})
    rates = [30.0 / budget.false_alarm_days(model) for model in budget.weights]
    assert sum(rates) == pytest.approx(1.0)
    assert budget.false_alarm_days("a") == 4 * budget.false_alarm_days("c")
    assert budget.false_alarm_days("a", n_versions=2) == 2 * budget.false_alarm_days("a")


def test_a_single_model_keeps_its_own_run_length_in_a_large_budget():
    assert FalseAlarmBudget(100.0, 30.0, {"a": 1.0}).false_alarm_days("a") == 30.0


def test_alarms_that_nobody_has_confirmed_spend_the_budget_for_30_days():
    budget = FalseAlarmBudget(2.0, 30.0, {"a": 1.0, "b": 1.0})
    fired = [
        page(31, "a"),
        page(3, "a", is_true=True),
        page(2, "b"),
    ]
    use = budget.use(fired, NOW)
    assert ([each.model for each in use.fired], use.spent, use.left, use.spent_by) == (["a", "b"], 1, 1.0, {"b": 1})


def test_an_overspent_budget_has_nothing_left():
    fired = [page(k, "a") for k in range(3)]
    assert FalseAlarmBudget(1.0, 30.0, {"a": 1.0}).use(fired, NOW).left == 0.0
