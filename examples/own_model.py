"""Train a model of your own, judged by gates of your own. First: pip install examples/own_package"""

from pathlib import Path

from bondx import BondXAIAutonomousTrainer, MLOpsConfig, ModelRegistry

Path("own.yaml").write_text(
    """
dataset_size: 300
max_epochs: 2
models:
  duration: {parameters: {ridge: 0.5}}
quality_gates: {custom_gates: [enough_issuers]}
"""
)
outcome = BondXAIAutonomousTrainer("own.yaml").run_autonomous_training_loop(name="own model")
print(f"{outcome.session_id} {outcome.status} ({outcome.reason}): {', '.join(outcome.registered)}")

registry = ModelRegistry(MLOpsConfig.from_yaml())
version = registry.list_models("duration")[-1]
print(f"duration {version.version}: R2 {version.metrics['r2']:.3f}")
for gate in version.gates:
    if gate.name == "enough_issuers":
        print(f"{gate.name}: {gate.verdict} ({gate.sentence})")
