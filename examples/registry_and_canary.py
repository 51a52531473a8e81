"""Register two versions of a model, promote one, and try the other on a share of the requests.

Each start adds two versions more.
"""

from datetime import UTC, datetime
from pathlib import Path

from bondx.mlops import CanaryDeploymentManager, MLOpsConfig, ModelRegistry, ModelStage

# These versions come from elsewhere and have no verdicts on their training data, which this policy accepts. It is laid
# over that of the workspace, for this program alone.
Path("accepting.yaml").write_text("promotion: {require_quality_gates: false}\n")
config = MLOpsConfig.from_yaml("accepting.yaml")
registry = ModelRegistry(config)

numbers = []
for r2 in (0.91, 0.93):
    # The same bytes again would be no new version.
    Path("risk.txt").write_text(f"trees of {datetime.now(UTC)} in LightGBM's own text")
    numbers.append(registry.register_model("risk", "risk.txt", performance_metrics={"r2": r2}).version)
    registry.promote_model("risk", numbers[-1], ModelStage.STAGING)
first, second = numbers
registry.promote_model("risk", first, ModelStage.PRODUCTION)

with CanaryDeploymentManager(config) as deployments:
    deployment = deployments.create_canary_deployment("risk", second, initial_traffic_percentage=0.1)
    for _ in range(20):
        _, request_id = deployments.route_prediction("risk", features={"price": 75.5})
        version = deployments.version_for(request_id)  # ask the model of this version
        deployments.record_prediction(request_id, latency_ms=0.8, value=0.4)
        deployments.record_outcome(request_id, actual=0.5)
    print(f"{deployment} {deployments.get_deployment(deployment).status}: 10 % of the requests")
    deployments.rollback_canary(deployment, reason="just an example")
print(f"live: {registry.get_model('risk').version}")
