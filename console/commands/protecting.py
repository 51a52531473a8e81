"""`bondx data classify`: how sensitive the columns of a file or of a version are."""

import argparse
from pathlib import Path

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from core.errors import ExitCode, UsageError


def add_classify(verbs: Subparsers) -> None:
    """Add the verb `classify`."""
    classify = command_parser(
        verbs, "classify", help="how sensitive the columns of a file or of a version are, and which pattern says so"
    )
    classify.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a CSV, Parquet or JSON lines file")
    classify.add_argument("--model", metavar="MODEL", help="the columns of a version of this model instead")
    classify.add_argument("--version", metavar="VERSION", help="the version (default: the live one, else the newest)")
    add_json_argument(classify)
    classify.set_defaults(command=classify_columns)


def classify_columns(args: argparse.Namespace) -> int:
    """Print each column with its class."""
    from console.cli.output import print_json, print_table
    from core.training.own_data.classification import columns_of_file, columns_of_version

    if (args.file is None) == (args.model is None):
        raise UsageError("Name a file, or a model with --model: the columns of one of them are listed.")
    if args.file is not None and args.version is not None:
        raise UsageError("--version names a version of a model: name the model with --model, and no file.")
    workspace = open_workspace(args)
    if args.model is None:
        found = columns_of_file(workspace, args.file)
    else:
        found = columns_of_version(workspace, args.model, args.version)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {"column": each.name, "class": each.sensitivity, "by": each.by or "-", "recorded": each.recorded or "-"}
        for each in found
    ]
    columns = ("column", "class", "by") if args.model is None else ("column", "class", "by", "recorded")
    print_table(rows, columns, empty="no column")
    return ExitCode.GOOD
