"""Versions registered from a path and promoted to a stage."""

import pickle
from pathlib import Path

import pytest

from bondx.mlops import MLOpsConfig, ModelRegistry, ModelStage
from core.errors import NotFoundError, UsageError
from core.governance import AuditLog
from core.registry import ArtifactRefusedError, PromotionRefusedError


@pytest.fixture
def registry(config: MLOpsConfig) -> ModelRegistry:
    (config.workspace.root / "policy.yaml").write_text("promotion: {require_quality_gates: false, min_accuracy: 0.5}\n")
    return ModelRegistry(config)


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    file = tmp_path / "trees.txt"
    file.write_text("some trees")
    return file


def test_a_version_record_holds_all_given_metadata(registry, trees, tmp_path):
    (tmp_path / "metadata.json").write_text('{"desk": "rates"}')
    registered = registry.register_model(
        model_name="risk",
        version="1.0.0",
        run_id="r-0001",
        experiment_name="risk",
        model_type="lightgbm",
        feature_columns=["volume", "price"],
        target_column="loss",
        performance_metrics={"accuracy": 0.93},
        hyperparameters={"depth": 6},
        model_path=trees,
        metadata_path=tmp_path / "metadata.json",
    )

    assert (registered.version, registered.stage, registered.run_id) == ("1.0.0", ModelStage.DEVELOPMENT, "r-0001")
    assert registered.metrics == {"accuracy": 0.93}
    assert registered.lineage["parameters"] == {"depth": 6}
    assert registered.lineage["feature_columns"] == ["volume", "price"]
    assert registered.lineage["metadata"] == {"desk": "rates"}
    assert (registry.model_path("risk", "1.0.0") / "trees.txt").read_text() == "some trees"


def test_a_promotion_is_recorded_under_the_deployers_name(registry, config, trees):
    registry.register_model("risk", trees, performance_metrics={"accuracy": 0.93})
    registry.promote_model(model_name="risk", version="1.0.0", target_stage=ModelStage.STAGING, deployed_by="ana")

    live = registry.promote_model("risk", "1.0.0", "production", deployed_by="ana")

    assert live.stage is ModelStage.PRODUCTION
    assert registry.get_model("risk").version == "1.0.0"
    assert AuditLog(config.workspace).tail(1)[-1].actor.startswith("ana@")


def test_a_failed_gate_refuses_the_promotion_and_changes_nothing(registry, trees):
    registry.register_model("risk", trees, performance_metrics={"accuracy": 0.3})
    registry.promote_model("risk", "1.0.0", ModelStage.STAGING)

    with pytest.raises(PromotionRefusedError, match="accuracy"):
        registry.promote_model("risk", "1.0.0", ModelStage.PRODUCTION)
    assert registry.get_model("risk", "1.0.0").stage is ModelStage.STAGING


def test_a_pickle_is_refused_with_what_to_save_instead(registry, tmp_path):
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps({"weights": [1.0]}))

    with pytest.raises(ArtifactRefusedError, match=r"a pickle, which is code; save LightGBM text, skops, npz or JSON"):
        registry.register_model("risk", file)
    assert registry.list_models() == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param("[1]", "holds a list; it must hold a JSON object", id="a list"),
        pytest.param("{", "is not JSON", id="half an object"),
        pytest.param('"' + "x" * (1 << 20) + '"', "more than 1,048,576 bytes", id="too much"),
    ],
)
def test_unusable_metadata_is_refused_before_anything_is_registered(registry, trees, tmp_path, content, complaint):
    (tmp_path / "metadata.json").write_text(content)

    with pytest.raises(UsageError, match=complaint):
        registry.register_model("risk", trees, metadata_path=tmp_path / "metadata.json")
    assert registry.list_models() == []


def test_a_missing_metadata_file_is_named(registry, trees, tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read: No such file"):
        registry.register_model("risk", trees, metadata_path=tmp_path / "nowhere.json")


def test_versions_are_listed_by_stage_and_rolled_back(registry, trees):
    for accuracy in (0.9, 0.91):
        trees.write_text(f"trees {accuracy}")
        registry.register_model("risk", trees, performance_metrics={"accuracy": accuracy})
    newest = registry.list_models("risk")[-1].version
    for version in ("1.0.0", newest):
        registry.promote_model("risk", version, "Staging")
        registry.promote_model("risk", version, "Production")

    assert [found.version for found in registry.list_models("risk", stage="production")] == [newest]
    registry.rollback_model("risk", rolled_back_by="ana", reason="losses")
    assert registry.get_model("risk").version == "1.0.0"


def test_an_unknown_stage_is_refused_with_the_known_stages(registry, trees):
    registry.register_model("risk", trees)

    with pytest.raises(UsageError, match=r"There is no stage 'live'. Stages to choose from: Development"):
        registry.promote_model("risk", "1.0.0", "live")


def test_a_model_without_a_live_version_is_reported(registry, trees):
    registry.register_model("risk", trees)

    with pytest.raises(NotFoundError, match="No version of risk is in Production"):
        registry.get_model("risk")
