"""The false-alarm budget."""

from datetime import UTC, datetime, timedelta

import pytest

from core.monitoring.sequential import FalseAlarmBudget, FiredPage

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_rates_of_all_models_add_up_to_the_pages_of_the_budget():
    budget = FalseAlarmBudget(1.0, 30.0, {"a": 1.0, "b": 3.0, "c": 4.0})
    rates = [30.0 / budget.false_alarm_days(model) for model in budget.weights]
    assert sum(rates) == pytest.approx(1.0)
    assert budget.false_alarm_days("a") == 4 * budget.false_alarm_days("c")


def test_a_single_model_keeps_its_own_run_length_in_a_large_budget():
    assert FalseAlarmBudget(100.0, 30.0, {"a": 1.0}).false_alarm_days("a") == 30.0


def test_alarms_that_nobody_has_confirmed_spend_the_budget_for_30_days():
    budget = FalseAlarmBudget(2.0, 30.0, {"a": 1.0, "b": 1.0})
    fired = [
        FiredPage(NOW - timedelta(days=31), "a"),
        FiredPage(NOW - timedelta(days=3), "a", is_true=True),
        FiredPage(NOW - timedelta(days=2), "b"),
    ]
    use = budget.use(fired, NOW)
    assert (use.fired, use.spent, use.left, use.by_model) == (2, 1, 1.0, {"b": 1})


def test_an_overspent_budget_has_nothing_left():
    fired = [FiredPage(NOW - timedelta(hours=k), "a") for k in range(3)]
    assert FalseAlarmBudget(1.0, 30.0, {"a": 1.0}).use(fired, NOW).left == 0.0
