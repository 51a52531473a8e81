"""A candidate beside the live version, by the id of the request."""

import pytest

from bondx.mlops import CanaryDeploymentManager, MLOpsConfig, ModelRegistry
from core.clock import utc_now
from core.errors import NotFoundError, UsageError
from core.rollout import RolloutWorker


@pytest.fixture
def canaries(config: MLOpsConfig, tmp_path):
    (config.workspace.root / "policy.yaml").write_text("promotion: {require_quality_gates: false, min_accuracy: 0.5}\n")
    registry, file = ModelRegistry(config), tmp_path / "trees.txt"
    for text in ("old", "new"):
        file.write_text(text)
        registry.register_model("risk", file, performance_metrics={"accuracy": 0.9})
        registry.promote_model("risk", registry.list_models("risk")[-1].version, "Staging")
        if text == "old":
            registry.promote_model("risk", "1.0.0", "Production")
    with CanaryDeploymentManager(config) as opened:
        yield opened


@pytest.fixture
def candidate(config: MLOpsConfig, canaries) -> str:
    return ModelRegistry(config).list_models("risk", stage="Staging")[0].version


def test_requests_are_split_by_the_share_and_each_is_recorded_by_its_id(canaries, candidate, config):
    canaries.create_canary_deployment(
        model_name="risk", candidate_version=candidate, deployed_by="ana", initial_traffic_percentage=0.2
    )
    RolloutWorker(config.workspace).tick(utc_now())  # what an engine does first

    routed = [canaries.route_prediction(model_name="risk", features={"price": 75.5}) for _ in range(2_000)]

    n_candidate = sum(to_canary for to_canary, _ in routed)
    assert 0.2 - 5 * 0.009 < n_candidate / 2_000 < 0.2 + 5 * 0.009  # five standard errors
    assert len({request_id for _, request_id in routed}) == 2_000
    to_canary, request_id = routed[0]
    assert canaries.version_for(request_id) == (candidate if to_canary else "1.0.0")
    assert canaries.record_prediction(request_id, latency_ms=1.2, value=0.4)
    assert canaries.record_outcome(request_id, actual=0.5)
    with pytest.raises(NotFoundError, match="was not routed here, or its answer is already recorded"):
        canaries.record_prediction(request_id, latency_ms=1.2)


@pytest.mark.parametrize("as_text", [True, False], ids=["by its id", "by itself"])
def test_a_canary_is_rolled_back_in_the_name_of_a_person(canaries, candidate, as_text):
    deployment = canaries.create_canary_deployment("risk", candidate)
    canaries.rollback_canary(str(deployment) if as_text else deployment, "ana")

    after = canaries.get_deployment(deployment)
    assert after.rollout.desired == "aborted"
    assert "ana@" in after.rollout.updated_by
    assert all(not canaries.route_prediction("risk")[0] for _ in range(50))


def test_a_canary_goes_live_on_request(canaries, candidate):
    deployment = canaries.create_canary_deployment("risk", candidate)

    assert canaries.promote_canary(deployment.deployment_id, "ana").rollout.desired == "promote_now"


@pytest.mark.parametrize("share", [5, 10.0, 1, 0, -0.1, float("nan")])
def test_a_percentage_that_is_not_a_share_is_refused(canaries, candidate, share):
    with pytest.raises(UsageError, match="must be a share between 0 and 1"):
        canaries.create_canary_deployment("risk", candidate, initial_traffic_percentage=share)
    assert canaries.list_deployments() == []
