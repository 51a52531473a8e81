"""What tuning promises, held against fresh data."""

import msgspec
import numpy as np
import pytest

from core.domains.domain import DrawRequest
from core.seeds import derive_seed
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import AdvancedSettings, ParameterRange, TuningSettings
from core.training import panels as panels_module
from core.training.panels import SessionPanels, drawn
from core.training.session_domain import checked, domain_settings, tuning_plan
from core.training.tuning.session_search import SessionSearch
from core.training.tuning.verdict import row_losses
from tests.truth import least_expected

RANGES = {
    "first_trees": ParameterRange(low=10, high=80, log=True),
    "num_leaves": ParameterRange(low=3, high=24, log=True),
    "learning_rate": ParameterRange(low=0.03, high=0.4, log=True),
}
TUNED = TrainingSettings(
    advanced=AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges=RANGES),
    tuning=TuningSettings(trials=7, folds=3, rows=500),
)


@pytest.mark.truth
@pytest.mark.parametrize(("domain", "model"), [("bonds", "spread"), ("bonds", "downgrade"), ("etrm", "etrm_risk")])
def test_the_nested_score_is_that_of_fresh_data_within_its_interval(domain, model, truth, tmp_path, monkeypatch):
    monkeypatch.setattr(panels_module, "TEST_ROWS", 3_000)
    covered, n = [], 6 * truth.scale
    for seed in range(n):
        models = {model: ModelSettings(algorithm="lightgbm")}
        settings = checked(msgspec.structs.replace(TUNED, random_seed=seed, domain=domain, models=models))
        plan, panels = tuning_plan(settings), SessionPanels(settings)
        search = SessionSearch(settings, plan, panels, tmp_path / f"{seed}")
        while not (progress := search.step()).is_done:
            pass
        (record,) = progress.records
        if record.fresh_loss is None:  # no trial was better than the recipe of the settings
            continue
        tuned = search.fitted(plan.searches[0], record.best, panels.tuning(500).panel)
        request = DrawRequest("fresh", 20_000, derive_seed(seed, "other rows"), seed, domain_settings(settings))
        true_loss = float(np.mean(row_losses(tuned, drawn(panels.domain, request).panel.frame)))
        covered.append(record.fresh_low <= true_loss <= record.fresh_high)

    assert len(covered) >= n / 3
    truth.at_least(float(np.mean(covered)), least_expected(0.9, len(covered)), n=len(covered))
