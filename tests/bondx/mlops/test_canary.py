"""A candidate beside the live version, by the id of the request."""

import numpy as np
import pytest

from bondx.mlops import CanaryDeploymentManager, MLOpsConfig, ModelRegistry
from core.clock import utc_now
from core.errors import NotFoundError, UsageError
from core.rollout import RolloutRefusedError, RolloutWorker


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


def predicted(canaries, value) -> str:
    _, request_id = canaries.route_prediction("risk")
    assert canaries.record_prediction(request_id, latency_ms=1.2, value=value)
    return request_id


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (0.4, {"actual": np.float32(0.5)}),
        (0.4, {"loss": 1}),
        (np.float64(0.4), {"actual": np.int64(1)}),
        ("buy", {"actual": "sell"}),
        ({"no": 0.9, "yes": 0.1}, {"actual": "yes"}),
        ({"no": 0.9, "yes": 0.1}, {"actual": True}),
        ({"A": 0.5, "B": 0.25, "C": 0.25}, {"actual": "C"}),
    ],
)
def test_numbers_classes_and_probabilities_get_their_outcomes(canaries, value, outcome):
    assert canaries.record_outcome(predicted(canaries, value), **outcome)


@pytest.mark.parametrize(
    ("value", "outcome", "says"),
    [
        (0.4, {}, "requires `actual` or `loss`"),
        (0.4, {"actual": float("nan")}, "`actual` is nan; it must be a finite number"),
        (0.4, {"actual": float("-inf")}, "`actual` is -inf"),
        (0.4, {"loss": 1e200}, r"`loss` is 1e.200; it must be a finite number from -1e.12 to 1e.12"),
        (0.4, {"loss": "0.5"}, "`loss` is '0.5'; it must be a number"),
        (0.4, {"actual": [0.5]}, "must be a number or the name of a class"),
        (0.4, {"actual": "good"}, "give a number"),
        ({"no": 0.9, "yes": 0.1}, {"actual": "maybe"}, "the classes are no, yes"),
        (None, {"actual": 0.5}, "recorded without a value"),
    ],
)
def test_an_outcome_that_cannot_be_judged_by_is_one_clear_error(canaries, value, outcome, says):
    request_id = predicted(canaries, value)
    with pytest.raises(UsageError, match=says):
        canaries.record_outcome(request_id, **outcome)
    assert canaries.record_outcome(request_id, loss=0.5), "the right one is taken afterwards"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([0.1, 0.9], "must be a number, the name of a class"),
        ({"no": 0.9, "yes": 0.3}, "sum to 1"),
        ({"no": -0.1, "yes": 1.1}, "from 0 to 1"),
        ({"no": float("nan"), "yes": 1.0}, "from 0 to 1"),
    ],
)
def test_a_prediction_that_is_none_of_these_is_one_clear_error(canaries, value, says):
    _, request_id = canaries.route_prediction("risk")
    with pytest.raises(UsageError, match=says):
        canaries.record_prediction(request_id, latency_ms=1.2, value=value)


@pytest.mark.parametrize("as_text", [True, False], ids=["by its id", "by itself"])
def test_a_canary_is_rolled_back_in_the_name_of_a_person(canaries, candidate, as_text):
    deployment = canaries.create_canary_deployment("risk", candidate)
    canaries.rollback_canary(str(deployment) if as_text else deployment, "ana")

    after = canaries.get_deployment(deployment)
    assert after.rollout.desired == "aborted"
    assert "ana@" in after.rollout.updated_by
    assert all(not canaries.route_prediction("risk")[0] for _ in range(50))


def test_a_canary_goes_live_on_request_once_its_first_step_is_open(canaries, candidate, config):
    deployment = canaries.create_canary_deployment("risk", candidate)
    with pytest.raises(RolloutRefusedError, match="its first step is not open yet"):
        canaries.promote_canary(deployment.deployment_id, "ana")
    RolloutWorker(config.workspace).tick(utc_now())

    assert canaries.promote_canary(deployment.deployment_id, "ana").rollout.desired == "promote_now"


@pytest.mark.parametrize("share", [5, 10.0, 1, 0, -0.1, float("nan")])
def test_a_percentage_that_is_not_a_share_is_refused(canaries, candidate, share):
    with pytest.raises(UsageError, match="must be a share between 0 and 1"):
        canaries.create_canary_deployment("risk", candidate, initial_traffic_percentage=share)
    assert canaries.list_deployments() == []
