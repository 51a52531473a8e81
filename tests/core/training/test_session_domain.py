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
        (TrainingSettings(models={"nothing": ModelSettings()}), "nothing"),
        (
            TrainingSettings(models={"spread": ModelSettings(algorithm="xgboost")}),
            r"algorithm 'xgboost' needs the optional extra: pip install 'bondx-console\[xgboost\]'",
        ),
        (
            TrainingSettings(ensemble=EnsembleSettings(base_models=("spread", "nothing_model"))),
            r"ensemble.base_models\[1\] is 'nothing_model': expected an algorithm \(auto, .*\) or a model \(spread",
        ),
    ],
    ids=["gate", "model", "extra", "member"],
)
def test_a_thing_that_does_not_exist_is_refused_with_the_request(workspace, monkeypatch, settings, says):
    monkeypatch.setattr("core.models.algorithms.find_spec", lambda name: None)
    sessions = Sessions(workspace)

    with pytest.raises(CoreError, match=says):
        sessions.start(settings, name="", actor=Actor("ana", "host", Origin.COMMAND_LINE))

    assert sessions.all() == []
