"""`stress_testing.stressed_share`: rows of the epochs under scenarios, and what they bought and cost the models."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.stress.engine import BondStressEngine
from core.models import Panel
from core.settings import TrainingSettings
from core.settings.training import ModelSettings, StressTestingSettings
from core.stress.report import StressReport
from core.training.final_stress_file import STRESS_FILE
from core.training.panels import SessionPanels
from core.training.reproduction import reproduce_data
from core.training.session import as_document
from core.training.session_work import SessionWork
from core.training.stressed_draws import UnalignedPanelError, stressed_groups

FREEZE = "global_liquidity_freeze/severe"


def settings_of(share, *, domain="bonds", **given):
    stressed = StressTestingSettings(enable_stress_testing=True, stressed_share=share, scenario_count=2)
    return TrainingSettings(domain=domain, dataset_size=200, stress_testing=stressed, **given)


@pytest.mark.journey
@pytest.mark.parametrize("domain", ["bonds", "etrm"])
def test_a_share_of_the_groups_is_drawn_under_a_scenario_and_the_rest_is_as_before(domain):
    plain, stressed = (SessionPanels(settings_of(share, domain=domain)) for share in (0.0, 0.25))
    for number in (1, 2, 3):
        before, draw = plain.epoch(number), stressed.epoch(number)
        ((case, n_rows),) = draw.record.stressed.items()
        assert before.record.stressed == {}
        assert n_rows == pytest.approx(50, abs=25)
        pd.testing.assert_frame_equal(draw.calm.frame, before.panel.frame)
        group = plain.domain.group_column
        after = draw.panel.frame
        differs = ((after.astype(object) != before.panel.frame.astype(object)) & after.notna()).any(axis=1)
        moved = set(draw.panel.frame[group][differs])
        assert 0 < differs.sum() <= n_rows
        n_of_moved = draw.panel.frame[group].isin(moved).sum()  # a scenario need not move every book
        assert n_of_moved == n_rows if domain == "bonds" else n_of_moved <= n_rows
        assert (draw.panel.frame.dtypes == before.panel.frame.dtypes).all()
        assert stressed.epoch(number).record == draw.record
        assert case == stressed.epoch(number + 2).record.stressed.popitem()[0]  # the two cases take turns


@pytest.mark.journey
def test_labels_and_truth_are_those_of_the_scenario():
    plain, stressed = (SessionPanels(settings_of(share)).epoch(1) for share in (0.0, 0.5))
    assert list(stressed.record.stressed) == [FREEZE]
    moved = (plain.panel.frame["spread_bps"] != stressed.panel.frame["spread_bps"]).to_numpy()
    before, after = (each.panel.truth["clean_spread"].to_numpy()[moved] for each in (plain, stressed))
    assert np.median(after / before) > 2
    assert (stressed.panel.truth["bond_id"] == stressed.panel.frame["bond_id"]).all()


@pytest.mark.journey
def test_the_draws_of_a_refit_count_their_stressed_rows_and_know_the_calm_ones():
    panels = SessionPanels(settings_of(0.25))
    pool = panels.pooled([True, True, True])
    counts = [panels.epoch(number).record.stressed for number in (1, 2, 3)]
    assert pool.record.stressed[FREEZE] == counts[0][FREEZE] + counts[2][FREEZE]
    assert len(pool.calm.frame) == len(pool.panel.frame) == 600
    assert SessionPanels(settings_of(0.0)).pooled([True]).without_stress is None


@pytest.mark.journey
def test_groups_come_as_near_to_the_share_as_they_can():
    group = np.repeat(np.arange(20), 10)
    assert stressed_groups(group, 0.25, seed=1).sum() == 50
    assert stressed_groups(group, 0.0, seed=1).sum() == 0
    assert (stressed_groups(group, 0.25, seed=1) == stressed_groups(group, 0.25, seed=1)).all()
    assert (stressed_groups(group, 0.25, seed=1) != stressed_groups(group, 0.25, seed=2)).any()
    assert stressed_groups(np.array(["a"] * 9 + ["b"]), 0.2, seed=1).sum() in (0, 1)


@pytest.mark.journey
def test_a_domain_that_draws_other_rows_under_a_shock_is_refused(monkeypatch):
    drawn = BondStressEngine.stressed_panel

    def shorter(self, request, shock):
        panel = drawn(self, request, shock)
        return Panel(panel.frame.head(100), panel.truth.head(100))

    monkeypatch.setattr(BondStressEngine, "stressed_panel", shorter)
    with pytest.raises(UnalignedPanelError, match="draws other rows under global_liquidity_freeze/severe"):
        SessionPanels(settings_of(0.25)).epoch(1)


@pytest.mark.journey
def test_settings_without_a_share_have_the_document_of_earlier_releases():
    assert "stressed_share" not in as_document(TrainingSettings())["stress_testing"]
    assert as_document(settings_of(0.25))["stress_testing"]["stressed_share"] == 0.25


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A session of three epochs with a linear model, and its final record."""
    folder = tmp_path_factory.mktemp("session") / "workspace" / "checkpoints" / "s-0001"
    settings = settings_of(0.25, models={"spread": ModelSettings(algorithm="linear"), "anomaly": ModelSettings()})
    work = SessionWork(settings, folder)
    epochs = [work.run_epoch(number).record for number in (1, 2, 3)]
    return settings, folder, epochs, work.finish()


@pytest.mark.journey
def test_a_shock_fails_no_gate_of_a_draw(finished):
    settings, _, epochs, _ = finished
    calm = settings_of(0.0)
    assert all(record.learned for record in epochs)
    assert SessionPanels(calm).epoch(1).record.sha256 != epochs[0].draw.sha256
    assert FREEZE in epochs[0].draw.stressed
    assert settings.stress_testing.stressed_share == 0.25


@pytest.mark.journey
def test_the_final_report_says_what_it_bought_and_what_it_cost(finished):
    _, folder, _, final = finished
    sections = {section.title: section for section in final.sections}
    section = sections["Stressed rows in training: spread"]
    assert "Stressed rows in training: anomaly" not in sections  # no truth of its answers is known
    assert [row[0] for row in section.rows] == ["calm", "global_liquidity_freeze", "downgrade_cascade"]
    (left,) = folder.rglob(STRESS_FILE)
    (trained,) = msgspec.json.decode(left.read_bytes(), type=StressReport).trained
    assert trained.n_learned == 600
    assert sum(case.n_learned for case in trained.cases) == trained.n_stressed
    freeze = trained.cases[0]
    assert freeze.error < freeze.error_without
    for case in (trained.calm, *trained.cases):
        assert case.low < case.error - case.error_without < case.high
    assert trained.words in section.about


@pytest.mark.journey
def test_live_traffic_is_compared_with_the_rows_in_calm(finished):
    settings, folder, _, final = finished
    pool = SessionPanels(settings).pooled([True, True, True])
    report = next(folder.rglob("spread/report.json"))
    mean = msgspec.json.decode(report.read_bytes())["data_profile"]["credit_cycle"]["mean"]
    assert mean == pytest.approx(pool.calm.frame["credit_cycle"].mean(), rel=1e-3)
    assert mean + 0.1 < pool.panel.frame["credit_cycle"].mean()
    assert final.models[0].name == "spread"


@pytest.mark.journey
def test_a_stressed_draw_is_drawn_again_from_its_report(finished, tmp_path):
    settings, _, epochs, final = finished
    report = {"settings": as_document(settings), "panels": final.draws, "last_draw": epochs[-1].draw, "n_epochs": 3}
    report["history"] = [{"score": record.score} for record in epochs]
    file = tmp_path / "final_report.json"
    file.write_bytes(msgspec.json.encode(report))
    made = reproduce_data(file, tmp_path / "out", panels=["draws"], formats=["csv"])
    assert [each.lineage.content.stressed for each in made] == [final.draws[0].stressed]
