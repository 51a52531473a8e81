"""From a drift report to the next version."""

import numpy as np
import pandas as pd
import pytest

from bondx.mlops import DriftMonitor, MLOpsConfig, ModelRegistry, RetrainPipeline
from core.errors import UsageError
from core.registry import Registry
from core.settings import Settings
from core.tables import ReadingRules, TableSignature
from core.tables.rules import manners_of
from core.tracking import Runs
from core.training.own_data import TrainRequest, train_on_file


def table(seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    price, volume = rng.normal(shift, 1, 400), rng.normal(0, 1, 400)
    return pd.DataFrame({"price": price, "volume": volume, "loss": 2 * price - volume + rng.normal(0, 0.1, 400)})


@pytest.fixture
def pipeline(config: MLOpsConfig) -> RetrainPipeline:
    return RetrainPipeline(config)


def report(config: MLOpsConfig, shift: float):
    return DriftMonitor(config).detect_drift("risk", "1.0.0", table(1), table(2, shift), target_column="loss")


def test_drifted_data_trains_the_next_version(pipeline, config):
    result = pipeline.trigger_retraining(report(config, 2.0), table(3, 2.0))

    assert result.success, result.reason
    assert result.training_time_seconds > 0
    (version,) = ModelRegistry(config).list_models("risk")
    assert (version.version, version.stage) == (result.new_model_version, "Development")
    assert version.metrics["r2"] > 0.9


def test_data_without_drift_trains_nothing(pipeline, config):
    result = pipeline.trigger_retraining(report(config, 0.0), table(3))

    assert (result.success, result.new_model_version, result.training_time_seconds) == (False, None, 0.0)
    assert result.reason.startswith("not due: risk 1.0.0: no column drifted")
    assert ModelRegistry(config).list_models() == []


def test_unusable_training_data_is_a_reason_and_registers_nothing(pipeline, config):
    result = pipeline.trigger_retraining(report(config, 2.0), table(3).drop(columns="loss"))

    assert not result.success
    assert "loss" in result.reason
    assert ModelRegistry(config).list_models() == []


def test_a_reason_names_the_argument_and_no_file_of_ours(pipeline, config):
    result = pipeline.trigger_retraining(report(config, 2.0), table(3).head(3))

    assert not result.success
    assert "training_data" in result.reason
    assert "/tmp" not in result.reason


def test_arguments_of_other_classes_are_refused(config):
    with pytest.raises(UsageError, match="tracker is 6; it must be of the class ExperimentTracker"):
        RetrainPipeline(config, 6)


def test_rows_without_a_target_and_words_for_empty_cells_are_the_callers_to_name(pipeline, config):
    frame = table(3, 2.0)
    frame.loc[[3, 8], "loss"] = np.nan
    frame.loc[::50, "price"] = -999.0
    refused = pipeline.trigger_retraining(report(config, 2.0), frame)
    assert "--drop-missing-target" in refused.reason

    result = pipeline.trigger_retraining(report(config, 2.0), frame, na=["-999"], drop_missing_target=True)

    assert result.success, result.reason
    (version,) = ModelRegistry(config).list_models("risk")
    assert version.metrics["r2"] > 0.9


@pytest.fixture
def desks() -> pd.DataFrame:
    """A table that does not speak for itself: an id to keep, desks whose rows are alike, -999, gaps in the target."""
    frame = table(5)
    frame["desk"] = np.arange(400) % 25
    frame["order_no"] = np.random.default_rng(1).permutation(400)
    frame["code"] = np.arange(400) % 7
    frame.loc[::50, "price"] = -999.0
    frame.loc[[3, 8], "loss"] = np.nan
    return frame


def test_a_retraining_asks_for_what_the_live_version_was_trained_with(pipeline, config, desks, tmp_path):
    file = tmp_path / "desks.csv"
    desks.to_csv(file, index=False)
    rules = ReadingRules(missing=("-999",), manners=manners_of(["code=category"]))
    asked = TrainRequest(
        "risk",
        file,
        target="loss",
        group="desk",
        rules=rules,
        keep=("order_no",),
        drop_missing_target=True,
        experiment="desk risk",
    )
    first = train_on_file(config.workspace, asked, Settings(), actor=config.actor).version

    result = pipeline.trigger_retraining(report(config, 2.0), desks)

    assert result.success, result.reason
    again = Registry(config.workspace).get("risk", result.new_model_version)
    assert again.lineage["request"] == first.lineage["request"] == asked.recorded()
    read = [TableSignature.read(config.workspace.artifacts_dir / version.path) for version in (first, again)]
    assert read[0] == read[1]
    assert (read[1].group, read[1].missing_words) == ("desk", ("-999",))
    assert {"order_no", "code"} <= set(read[1].names)

    other = pipeline.trigger_retraining(report(config, 2.0), desks, keep=[], read=())
    assert other.success, other.reason
    lineage = Registry(config.workspace).get("risk", other.new_model_version).lineage
    expected = {"group": "desk", "na": ["-999"], "drop_missing_target": True, "experiment": "desk risk"}
    assert lineage["request"] == expected
    [experiment] = Runs(config.workspace).experiments()
    assert (experiment.name, experiment.n_runs) == ("desk risk", 3)


def test_what_was_said_of_another_target_is_not_taken_over(pipeline, config, desks, tmp_path):
    file = tmp_path / "desks.csv"
    desks.to_csv(file, index=False)
    asked = TrainRequest("risk", file, target="volume", group="desk", keep=("order_no",))
    train_on_file(config.workspace, asked, Settings(), actor=config.actor)

    result = pipeline.trigger_retraining(report(config, 2.0), table(3, 2.0))

    assert result.success, result.reason
    assert "request" not in Registry(config.workspace).get("risk", result.new_model_version).lineage
