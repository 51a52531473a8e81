"""`bondx-mlops train`: from a file to a registered version."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_create_argument, open_or_create_workspace, person
from console.commands.reading import add_reading_arguments, reading_rules
from console.mlops.opening import add_model_argument, verb_parser
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.training.own_data import Trained

DATA_HELP = "CSV, Parquet or JSON lines; with executor.kind dask also a folder or a pattern of CSV or Parquet files"
TASKS = ("regression", "classification", "anomaly")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "train", help="train a model on your own file, test it, and register the version")
    add_create_argument(parser)
    add_model_argument(parser)
    parser.add_argument("--data", required=True, type=Path, metavar="FILE", help=DATA_HELP)
    parser.add_argument("--target", metavar="COL", help="the column to learn (default: target, label or y)")
    parser.add_argument("--task", choices=TASKS, help="the task (default: inferred from its values)")
    parser.add_argument("--group", metavar="COL", help="hold out whole groups of rows, such as customers")
    parser.add_argument("--time", metavar="COL", help="hold out the latest rows")
    add_reading_arguments(parser)
    parser.add_argument(
        "--keep", action="append", default=[], metavar="COL", help="learn from a column that names rows (repeatable)"
    )
    parser.add_argument("--drop-missing-target", action="store_true", help="leave out rows whose target is empty")
    parser.add_argument(
        "--experiment",
        default="",
        metavar="NAME",
        help="the experiment of the run (default: experiment_name of the settings, else the model's name)",
    )
    parser.set_defaults(command=train)


def train(args: argparse.Namespace) -> int:
    """Train, test, track and register."""
    from console.cli.output import print_json
    from core.explain.deny_list import DenyList
    from core.settings import settings_in_force
    from core.tables import Task
    from core.training.own_data import TrainRequest, train_on_file

    workspace = open_or_create_workspace(args)
    request = TrainRequest(
        model=args.model,
        data=args.data,
        target=args.target,
        task=Task(args.task) if args.task else None,
        group=args.group,
        time=args.time,
        rules=reading_rules(args),
        keep=tuple(args.keep),
        drop_missing_target=args.drop_missing_target,
        experiment=args.experiment,
    )
    settings = settings_in_force(workspace.root)
    trained = train_on_file(workspace, request, settings, actor=person())
    version = trained.version
    relies_on = DenyList.of(settings.explanation).shares(trained.report["feature_importance"])
    if args.json:
        print_json(
            {
                "model": version.model,
                "version": version.version,
                "stage": version.stage,
                "run_id": version.run_id,
                "task": trained.report["task"],
                "ships": trained.report["ships"],
                "why": trained.report.get("why"),
                "metrics": version.metrics,
                "gates": version.gates,
                "split": trained.report["split"],
                "parted": trained.report.get("parted"),
                "feature_importance": relies_on,
                "left_out": trained.report.get("ignored", {}),
                "notes": trained.notes,
                "seconds": trained.seconds,
            }
        )
    else:
        _print(trained, relies_on)
    return ExitCode.FAILING if any(gate.blocks for gate in version.gates) else ExitCode.GOOD


def _print(trained: "Trained", relies_on: Mapping[str, float]) -> None:
    from console.cli.output import gate_line, print_facts, printable
    from console.mlops.metrics import print_metrics

    version, report = trained.version, trained.report
    split = report["split"]
    unused = f", {split['n_unused']} unused" if split["n_unused"] else ""
    told = f"{split['n_trained']} to train, {split['n_tested']} to test{unused}; held out: {split['method']}"
    if split["is_cross_validated"]:
        told = f"all {split['method']}"
    important = list(relies_on.items())[:5]
    print_facts(
        {
            "version": f"{version.model} {version.version}, in {version.stage}",
            "run": version.run_id,
            "ships": f"{report['ships']}: {report['why']}",
            "split": told,
            "learned": f"all {split['n_shipped']} rows, after the test",
            "time": ", ".join(f"{part} {seconds:.1f} s" for part, seconds in trained.seconds.items()),
            "relies on": ", ".join(f"{name} {share:.0%}" for name, share in important),
        }
    )
    print_metrics(version.metrics)
    for gate in version.gates:
        if not gate.passed:
            print(gate_line(gate))
    for note in trained.notes:
        print(f"note: {printable(note)}")
