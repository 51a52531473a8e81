"""What a session refuses when it is requested, and not at its first epoch."""

import pytest

from core.actor import Actor, Origin
from core.errors import CoreError
from core.settings import ModelSettings, TrainingSettings
from core.settings.quality import QualityGates
from core.settings.training import EnsembleSettings
from core.training.sessions import Sessions


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (TrainingSettings(quality_gates=QualityGates(custom_gates=("nothing",))), "There is no custom gate 'nothing'"),
        (
            TrainingSettings(quality_gates=QualityGates(limits={"duplicats": 3.0})),
            "quality_gates.limits names 'duplicats', which is no gate here: coverage, esg_missing",
        ),
        (
            TrainingSettings(domain="etrm", quality_gates=QualityGates(limits={"esg_missing": 3.0})),
            "quality_gates.limits names 'esg_missing', which is no gate here: coverage, value_identity",
        ),
        (TrainingSettings(models={"nothing": ModelSettings()}), "nothing"),
        (
            TrainingSettings(models={"spread": ModelSettings(algorithm="xgboost")}),
            r"algorithm 'xgboost' needs the optional extra: pip install 'bondx-console\[xgboost\]'",
        ),
        (
            TrainingSettings(ensemble=EnsembleSettings(base_models=("spread", "nothing_model"))),
            r"ensemble.base_models\[1\] is 'nothing_model': expected an algorithm \(linear, .*\) or a model \(spread",
        ),
        (
            TrainingSettings(models={"spread": ModelSettings(parameters={"rige": 0.5})}),
            "auto takes no parameter 'rige'. It takes: .*num_leaves",
        ),
        (
            TrainingSettings(models={"spread": ModelSettings(algorithm="lightgbm", parameters={"num_leavs": 31})}),
            "lightgbm takes no parameter 'num_leavs'",
        ),
        (
            TrainingSettings(models={"spread": ModelSettings(parameters={"num_leaves": "many"})}),
            "num_leaves of auto is 'many': expected a whole number from 2 to 131,072",
        ),
        (
            TrainingSettings(models={"downgrade": ModelSettings(parameters={"feature_fraction": 5})}),
            "feature_fraction of auto is 5: expected a number above 0, at most 1",
        ),
        (
            TrainingSettings(models={"anomaly": ModelSettings(parameters={"n_estimators": 0.5})}),
            "n_estimators of auto is 0.5: expected a whole number",
        ),
        (
            TrainingSettings(domain="etrm", models={"etrm_off_market": ModelSettings(parameters={"share": 0.1})}),
            "auto takes no parameter 'share'. It takes: expected_share",
        ),
        (
            TrainingSettings(dataset_size=2),
            "dataset_size is 2: fewer than 18 bonds often have fewer than two issuers.*Set it to 18 or more for bonds",
        ),
        (
            TrainingSettings(domain="etrm", dataset_size=19),
            "dataset_size is 19: fewer than 20 deals often have fewer than two books.*Set it to 20 or more for etrm",
        ),
    ],
    ids=[
        "gate",
        "limit of a gate",
        "limit of a gate of another domain",
        "model",
        "extra",
        "member",
        "parameter",
        "misspelt",
        "word",
        "share",
        "fraction",
        "etrm",
        "two bonds",
        "few deals",
    ],
)
def test_a_thing_that_does_not_exist_is_refused_with_the_request(workspace, monkeypatch, settings, says):
    monkeypatch.setattr("core.models.algorithms.find_spec", lambda name: None)
    sessions = Sessions(workspace)

    with pytest.raises(CoreError, match=says):
        sessions.start(settings, name="", actor=Actor("ana", "host", Origin.COMMAND_LINE))

    assert sessions.all() == []


def test_usable_parameters_are_taken(workspace):
    models = {
        "spread": ModelSettings(parameters={"num_leaves": 31, "learning_rate": 1}),
        "downgrade": ModelSettings(
            algorithm="random_forest", parameters={"max_features": "sqrt", "min_samples_leaf": 0.1}
        ),
        "anomaly": ModelSettings(parameters={"expected_share": 0.05}),
    }
    started = Sessions(workspace).start(
        TrainingSettings(models=models), name="", actor=Actor("ana", "host", Origin.COMMAND_LINE)
    )
    assert started.settings["models"]["spread"]["parameters"] == {"num_leaves": 31, "learning_rate": 1}
