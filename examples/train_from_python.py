"""Train a session from Python, and read its outcome, its reports and a summary of the workspace."""

from pathlib import Path

from bondx import BondXAIAutonomousTrainer, BondXAIDashboard

Path("small.yaml").write_text("dataset_size: 300\nmax_epochs: 2\nmodels: {spread: {}}\n")

outcome = BondXAIAutonomousTrainer("small.yaml").run_autonomous_training_loop(name="example")
print(f"{outcome.session_id} {outcome.status} after {outcome.n_epochs} epochs: {outcome.reason}")
print(f"registered {', '.join(outcome.registered)}; report: {outcome.reports / 'final_report.md'}")

summary = BondXAIDashboard().generate_summary_report()
for version in summary["versions"]:
    attainment = "unknown" if version["attainment"] is None else f"{version['attainment']:.3f}"
    print(f"{version['model']} {version['version']} in {version['stage']}, attainment {attainment}")
