"""The series of stress tests: the newest of each portfolio and version, and the rules of the page fire on them."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.alerts.rule_files import AlertingRule, load_rule_file
from core.metrics.stress_metrics import StressMetrics
from core.promql import SeriesInMemory, SeriesSamples
from core.view.source import SnapshotSource
from tests.clocks import HandClock
from tests.stressed import kept, one_bond, under_stress

PAGE = Path(__file__).parents[3] / "docs" / "stress.md"
RULES = re.search(r"^```yaml\n(groups:.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def clock():
    return HandClock(datetime(2026, 11, 27, 12, tzinfo=UTC))


@pytest.fixture
def keep(workspace, clock, tmp_path):
    """Return a function that stores a test of a bond in USD, at a severity, with or without a model."""

    def store(*severities, portfolio="book.csv", error=None):
        models = [] if error is None else [under_stress("spread@1.2.0", error=error)]
        return kept(workspace, one_bond(tmp_path, *severities), *models, clock=clock, portfolio=portfolio)

    return store


@pytest.fixture
def measured(workspace, clock):
    def measure():
        source = SnapshotSource(workspace, clock=clock, looks_at_epochs=False)
        found = {}
        for family in StressMetrics(source.take, clock).collect():
            for sample in family.samples:
                found[sample.name, *sample.labels.values()] = sample.value
        return found

    return measure


def test_a_workspace_without_stress_tests_has_no_series(measured):
    assert measured() == {}


def test_the_newest_test_of_each_portfolio_and_version_has_series(keep, measured, clock):
    keep("mild", "severe", error=30.0)
    clock.now += timedelta(hours=2)
    newest = keep("severe")
    other = keep("severe", portfolio="other.csv")
    clock.now += timedelta(seconds=90)
    found = measured()
    assert found["bondx_stress_tests",] == 3
    assert found["bondx_stress_age_seconds", "bonds", "book.csv"] == 90
    case = ("bonds", "book.csv", "rates_up", "severe")
    assert found["bondx_stress_pnl_ratio", *case] == newest.cases[0].pnl_share < -0.2
    assert found["bondx_stress_impact_ratio", *case] == newest.cases[0].impact
    assert ("bondx_stress_pnl_ratio", "bonds", "book.csv", "rates_up", "mild") not in found
    assert found["bondx_stress_pnl_ratio", "bonds", "other.csv", "rates_up", "severe"] == other.cases[0].pnl_share
    version = ("spread", "1.2.0", "rates_up", "severe")
    assert found["bondx_stress_model_error_ratio", *version] == 3
    assert found["bondx_stress_model_attainment_ratio", *version] == 0.8
    assert found["bondx_stress_model_failed_gates", *version] == 1


def test_many_portfolios_have_a_bounded_number_of_series(keep, measured, monkeypatch):
    monkeypatch.setattr("core.metrics.stress_metrics.MOST_PORTFOLIOS", 2)
    for n in range(4):
        keep("mild", portfolio=f"p{n}")
    found = [key for key in measured() if key[0] == "bondx_stress_pnl_ratio"]
    assert [key[2] for key in found] == ["p3", "p2"]


def test_the_rules_of_the_page_fire_on_a_loss_and_on_an_old_test(keep, clock, workspace, tmp_path):
    assert RULES is not None
    file = tmp_path / "stress.rules.yaml"
    file.write_text(RULES.group(1))
    rules = {rule.name: rule for rule in load_rule_file(file).rules if isinstance(rule, AlertingRule)}
    keep("mild", "severe")
    source = SnapshotSource(workspace, clock=clock, looks_at_epochs=False)

    def firing():
        at = int(clock.now.timestamp() * 1000)
        series = [
            SeriesSamples(
                tuple(sorted({"__name__": sample.name, **sample.labels}.items())),
                np.array([at]),
                np.array([sample.value]),
            )
            for family in StressMetrics(source.take, clock).collect()
            for sample in family.samples
        ]
        return {
            name: [dict(sample.labels) for sample in rule.expression.at(SeriesInMemory(series), at)]
            for name, rule in rules.items()
        }

    found = firing()
    assert [labels["scenario"] for labels in found["StressLoss"]] == ["rates_up"]
    assert found["StressTestOld"] == []
    clock.now += timedelta(days=8)
    assert [labels["portfolio"] for labels in firing()["StressTestOld"]] == ["book.csv"]
