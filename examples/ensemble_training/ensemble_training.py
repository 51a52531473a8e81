"""Train a session that tries ensembles, and read which ships, by how much it is better, and what its members weigh.

    python examples/ensemble_training/ensemble_training.py

The workspace is `$BONDX_HOME`, else the user's state folder.
"""

from pathlib import Path

from bondx import BondXAIAutonomousTrainer
from bondx.mlops import MLOpsConfig, ModelRegistry


def main() -> None:
    """Print the verdict on each model of the session."""
    settings = Path(__file__).with_name("session.yaml")
    outcome = BondXAIAutonomousTrainer(settings).run_autonomous_training_loop(name="ensembles")
    print(f"{outcome.session_id} {outcome.status}: {outcome.reason}")

    registry = ModelRegistry(MLOpsConfig.from_yaml())
    for model, _, version in (name.partition("/") for name in outcome.registered):
        metrics = registry.get_model(model, version).metrics
        gain, low, high = (metrics[f"comparison.improvement{end}"] for end in ("", "_low", "_high"))
        print(f"{model} {version}: the ensemble lowers the loss by {gain:.6f}, 95 % interval {low:.6f} to {high:.6f}")
        print(f"{model} {version}: {'the ensemble ships' if low > 0 else 'the single model ships'}")
    report = (outcome.reports / "final_report.md").read_text()
    print(report[report.index("## Ensembles") :].split("\n\n## ")[0])


if __name__ == "__main__":
    main()
