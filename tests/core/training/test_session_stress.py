"""`stress_testing:` of the settings in a session: every so many epochs, and in the final report."""

from datetime import UTC, datetime

import msgspec
import pytest

from core.actor import Actor
from core.domains.bonds.data.panel import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.settings import TrainingSettings
from core.settings.training import ModelSettings, StressTestingSettings
from core.stress.model_figures import ModelCase, ModelUnderStress
from core.stress.report import StressReport
from core.stress.stored_tests import StressTests
from core.training.final_stress_file import STRESS_FILE, keep_final_stress
from core.training.session_stress import SessionStress, stress_announcements
from core.training.session_work import SessionWork
from tests.clocks import HandClock

ON = {"enable_stress_testing": True}


def stress_of(**given):
    return SessionStress(TrainingSettings(stress_testing=StressTestingSettings(**(ON | given))))


@pytest.fixture(scope="module")
def frame():
    return generate(PanelSettings(n_rows=150, seed=2)).frame


def test_it_is_off_by_default(frame):
    stress = SessionStress(TrainingSettings())
    assert not any(stress.is_due(number) for number in range(1, 50))
    assert (stress.metrics(frame), stress.sections(frame)) == ({}, ())


def test_every_so_many_epochs_are_due():
    stress = stress_of(stress_test_interval_epochs=3)
    assert [number for number in range(1, 10) if stress.is_due(number)] == [3, 6, 9]


def test_a_draw_gets_its_figures(frame):
    found = stress_of().metrics(frame)
    assert set(found) == {"stress.worst_loss_share", "stress.worst_impact", "stress.mean_impact"}
    assert 0 < found["stress.mean_impact"] < found["stress.worst_impact"] <= 1
    assert found["stress.worst_loss_share"] > 0.05
    assert stress_of().metrics(frame) == found


def test_severe_scenarios_come_first_and_the_count_is_met(frame):
    (section,) = stress_of(scenario_count=13).sections(frame)
    assert [row[1] for row in section.rows] == ["severe"] * 11 + ["moderate"] * 2
    assert len(stress_of(scenario_count=1000).sections(frame)[0].rows) == 33


@pytest.mark.parametrize(
    ("switch", "scenario"),
    [
        ("enable_global_liquidity_freeze", "global_liquidity_freeze"),
        ("enable_downgrade_cascade", "downgrade_cascade"),
        ("enable_interest_rate_shocks", "rates_up"),
        ("enable_inflation_scenarios", "inflation"),
        ("enable_fx_risk_scenarios", "fx_risk"),
    ],
)
def test_a_switch_turns_its_family_off(frame, switch, scenario):
    names = {row[0] for row in stress_of(scenario_count=20).sections(frame)[0].rows}
    without = {row[0] for row in stress_of(scenario_count=20, **{switch: False}).sections(frame)[0].rows}
    assert scenario in names - without
    assert without < names


def test_a_domain_without_stress_tests_says_so(frame, monkeypatch):
    monkeypatch.setattr("core.training.session_stress.find_domain", lambda name: object())
    settings = TrainingSettings(stress_testing=StressTestingSettings(**ON))
    assert "the domain bonds has no stress tests" in stress_announcements(settings)[0]
    assert SessionStress(settings).metrics(frame) == {}
    assert stress_announcements(TrainingSettings()) == ()


def test_a_share_of_stressed_rows_without_stress_tests_is_announced():
    settings = TrainingSettings(stress_testing=StressTestingSettings(stressed_share=0.2))
    assert stress_announcements(settings) == (
        "stress_testing.stressed_share is 0.2, but enable_stress_testing is off: no row is drawn under a scenario.",
    )


def test_deals_are_stressed_as_positions():
    settings = TrainingSettings(domain="etrm", stress_testing=StressTestingSettings(**ON, scenario_count=20))
    assert stress_announcements(settings) == ()
    deals = draw_deals(200, 3, 4, DealSettings(n_years=1)).frame
    stress = SessionStress(settings)
    assert 0 < stress.metrics(deals)["stress.worst_impact"] <= 1
    (section,) = stress.sections(deals)
    assert [row[:2] for row in section.rows][:2] == [("gas_spike", "severe"), ("winter_spike", "severe")]
    assert section.columns[4:6] == ("power", "gas_ttf")
    assert len(section.rows) == 20


def test_the_shares_of_a_row_add_up(frame):
    (section,) = stress_of().sections(frame)
    for row in section.rows:
        total, *factors = (float(cell.rstrip("%")) for cell in (row[2], *row[4:]))
        assert sum(factors) == pytest.approx(total, abs=0.05)


def test_a_session_stresses_its_draws_and_reports_the_validation_panel(tmp_path):
    settings = TrainingSettings(
        dataset_size=120,
        models={"spread": ModelSettings(algorithm="linear")},
        stress_testing=StressTestingSettings(**ON, stress_test_interval_epochs=2),
    )
    work = SessionWork(settings, tmp_path)
    first, second = (work.run_epoch(number).record for number in (1, 2))
    assert not any(name.startswith("stress.") for name in first.metrics)
    assert 0 < second.metrics["stress.worst_impact"] <= 1
    assert second.score == pytest.approx(second.score)
    sections = {section.title: section for section in work.finish().sections}
    (left,) = tmp_path.rglob(STRESS_FILE)
    report = msgspec.json.decode(left.read_bytes(), type=StressReport)
    assert [each.model for each in report.models] == ["spread"]
    assert "Stress tests" in sections
    rows = sections["Stress tests: spread"].rows
    assert rows[0][:2] == ("calm", "")
    assert rows[1][:2] == ("global_liquidity_freeze", "severe")
    assert len(rows) == 1 + settings.stress_testing.scenario_count
    error, freeze = (float(row[2]) for row in rows[:2])
    assert freeze > 2 * error
    assert "credit_cycle" in rows[1][-1]


def test_the_stress_test_of_a_session_is_stored_once_under_the_versions_of_its_models(workspace, frame, tmp_path):
    report = SessionStress(TrainingSettings(stress_testing=StressTestingSettings(**ON, scenario_count=3))).report(frame)
    calm = ModelCase(scenario="calm", family="", severity="", figures={"error": 1.0})
    model = ModelUnderStress(model="spread", panel="4,000 rows", n_rows=4000, calm=calm, cases=())
    clock = HandClock(datetime(2026, 11, 27, tzinfo=UTC))

    def keep(session_id):
        keep_final_stress(workspace, session_id, tmp_path, ["spread/1.2.0"], Actor.engine(), clock)
        return StressTests(workspace).all()

    assert keep("s-0001") == []
    (tmp_path / STRESS_FILE).write_bytes(msgspec.json.encode(msgspec.structs.replace(report, models=(model,))))
    (kept,) = keep("s-0001")
    assert (kept.session_id, kept.models, len(kept.cases)) == ("s-0001", ("spread@1.2.0",), 3)
    assert kept.portfolio == "validation panel of s-0001"
    assert StressTests(workspace).report(kept.test_id).models[0].model == "spread@1.2.0"
    assert keep("s-0001") == [kept]
    assert len(keep("s-0002")) == 2
    (tmp_path / STRESS_FILE).write_bytes(b"{")
    assert len(keep("s-0003")) == 2
