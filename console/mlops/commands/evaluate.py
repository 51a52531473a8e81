"""`bondx-mlops evaluate`: a registered version judged on a file."""

import argparse
from pathlib import Path

from console.commands.opening import Subparsers, open_workspace, person
from console.commands.reading import add_reading_arguments, reading_rules
from console.mlops.opening import add_model_argument, stage, verb_parser
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "evaluate", help="evaluate a version on a file that has the target column")
    add_model_argument(parser)
    parser.add_argument("--test-data", required=True, type=Path, metavar="FILE", help="CSV, Parquet or JSON lines")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    which.add_argument("--stage", type=stage, metavar="STAGE", help="the newest version of this stage")
    add_reading_arguments(parser)
    parser.add_argument("--drop-missing-target", action="store_true", help="leave out rows whose target is empty")
    parser.set_defaults(command=evaluate)


def evaluate(args: argparse.Namespace) -> int:
    """Judge, and print the metrics and what the policy says; as JSON the metrics are at the top as well."""
    import msgspec

    from console.cli.output import print_json, printable
    from console.mlops.metrics import print_metrics
    from console.mlops.policy import gates_of, print_gates
    from core.registry import Registry
    from core.settings import load_policy
    from core.training.own_data import evaluate_on_file

    workspace = open_workspace(args)
    load_policy(workspace.root)  # a mistake in it is reported before the work, not after it
    found = evaluate_on_file(
        workspace,
        args.model,
        args.test_data,
        version=args.version,
        stage=args.stage,
        rules=reading_rules(args),
        drop_missing_target=args.drop_missing_target,
        actor=person(),
    )
    (gates,) = gates_of(workspace, Registry(workspace).get(found.model, found.version))
    if args.json:
        print_json({**found.metrics, **msgspec.to_builtins(found), "promotion_gates": gates})
        return ExitCode.GOOD
    print(f"{found.model} {found.version} ({found.stage}) on {found.n_rows} rows")
    print_metrics(found.metrics)
    if found.was_trained_on:
        print("note: the version was trained on this very file, so these figures flatter it")
    if found.n_learned:
        print(
            f"note: {found.n_learned:,} of these rows equal rows that the version learned from, so these figures "
            "flatter it"
        )
    if found.copies:
        print(f"note: {printable(found.copies)}")
    if found.profile:
        print(f"note: {printable(found.profile)}")
    if found.n_without_target:
        print(f"note: {found.n_without_target:,} more rows have no target, and are left out")
    for note in (*found.reading, *found.notes.sentences()):
        print(f"note: {printable(note)}")
    print_gates(gates)
    return ExitCode.GOOD
