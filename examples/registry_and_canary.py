"""Register two versions of a model, promote one, and try the other on a share of the requests."""

from pathlib import Path

from bondx.mlops import CanaryDeploymentManager, MLOpsConfig, ModelRegistry, ModelStage

# These versions come from elsewhere and have no verdicts on their training data, which this policy accepts. It is laid
# over that of the workspace, for this program alone.
Path("accepting.yaml").write_text("promotion: {require_quality_gates: false}\n")
config = MLOpsConfig.from_yaml("accepting.yaml")
registry = ModelRegistry(config)

for number, r2 in (("1.0.0", 0.91), ("1.1.0", 0.93)):
    Path("risk.txt").write_text(f"the trees of {number} in LightGBM's own text")
    registry.register_model("risk", "risk.txt", version=number, performance_metrics={"r2": r2})
    registry.promote_model("risk", number, ModelStage.STAGING)
registry.promote_model("risk", "1.0.0", ModelStage.PRODUCTION)

with CanaryDeploymentManager(config) as deployments:
    deployment = deployments.create_canary_deployment("risk", "1.1.0", initial_traffic_percentage=0.1)
    for _ in range(20):
        _, request_id = deployments.route_prediction("risk", features={"price": 75.5})
        version = deployments.version_for(request_id)  # ask the model of this version
        deployments.record_prediction(request_id, latency_ms=0.8, value=0.4)
        deployments.record_outcome(request_id, actual=0.5)
    print(f"{deployment} {deployments.get_deployment(deployment).status}: 10 % of the requests")
    deployments.rollback_canary(deployment, reason="just an example")
print(f"live: {registry.get_model('risk').version}")
