"""Track runs of your own program as one experiment, and find the best of them."""

from bondx.mlops import ExperimentTracker, MLOpsConfig

tracker = ExperimentTracker(MLOpsConfig.from_yaml())

for depth in (4, 6, 8):
    run_id = tracker.start_run(experiment_name="depth of the trees", model_type="lightgbm")
    tracker.log_parameters(run_id, {"depth": depth})
    for step in range(3):
        tracker.log_metrics(run_id, {"mae": abs(depth - 6) + 1.0 / (step + 1)}, step=step)
    tracker.end_run(run_id, "completed")

experiment = next(found for found in tracker.list_experiments() if found.name == "depth of the trees")
best = tracker.get_run(experiment.best_run_id)
print(f"{experiment.name}: {experiment.n_runs} runs, best {best.run_id} with depth {best.parameters['depth']}")
found = tracker.search_runs("experiment = 'depth of the trees' and metrics.mae < 1")
print(f"below 1: {', '.join(run.run_id for run in found)}")
