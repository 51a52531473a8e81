"""`bondx labels`: which rows' outcomes decide how well a version does, and what these outcomes prove."""

import argparse
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
)
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count, whole
from console.commands.wanted_requests import judge_recorded, name_requests
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.training.own_data.labels import JudgedLabels, WantedLabels


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "labels", help="the few outcomes that decide how well a version does")
    wanted = command_parser(verbs, "wanted", help="name the recorded requests, or rows of a file, to find outcomes for")
    _add_file(wanted)
    wanted.add_argument("--n", type=count, default=40, metavar="N", help="how many rows (default: 40)")
    wanted.add_argument("--out", type=Path, metavar="FILE", help="write them as CSV, with an empty column to fill in")
    wanted.add_argument(
        "--requests",
        type=Path,
        metavar="FILE",
        help="draw from these ids of requests, one a line, and not from samples",
    )
    wanted.add_argument("--again", action="store_true", help="draw recorded requests again, from those of now")
    add_reason_argument(wanted)
    wanted.set_defaults(command=name_wanted)
    judge = command_parser(verbs, "judge", help="judge all rows by the outcomes of wanted rows: exit code 1 if it fell")
    _add_file(judge)
    judge.add_argument("--labels", type=Path, metavar="FILE", help="with --data: the rows with their outcomes")
    judge.set_defaults(command=judge_all)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="CSV, Parquet or JSON lines (default: the recorded requests)"
    )
    parser.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="of the draws (default: 0)")
    add_reading_arguments(parser)
    add_json_argument(parser)


def name_wanted(args: argparse.Namespace) -> int:
    """Name the rows."""
    from core.errors import UsageError
    from core.output_files import require_new_output

    if args.out is not None:
        require_new_output(args.out)  # before anything is drawn and recorded
    if args.data is None:
        return name_requests(args)
    if args.requests is not None or args.again:
        given = "--requests" if args.requests is not None else "--again"
        raise UsageError(f"{given} is about recorded requests, and --data about a file. Give one of them.")
    return _name_rows(args)


def _name_rows(args: argparse.Namespace) -> int:
    from console.cli.output import print_json, print_table, printable
    from core.output_files import write_new_output
    from core.training.own_data.labels import wanted_labels

    found = wanted_labels(
        open_workspace(args),
        args.model,
        args.data,
        n=args.n,
        seed=args.seed,
        version=args.version,
        reading=reading_rules(args),
    )
    if args.out is not None:
        write_new_output(args.out, _csv(found))
    if args.json:
        print_json(found)
    elif args.out is not None:
        print(f"{len(found.rows)} rows in {printable(args.out)}: fill in {printable(found.target)}, from the top")
    else:
        rows = [{"row": f"{each.row:,}", "chance": f"{each.chance:.3g}"} for each in found.rows]
        print_table(rows, ("row", "chance"), empty="")
    return ExitCode.GOOD


def _csv(found: "WantedLabels") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    *carried, target = found.row_columns
    writer.writerow([*carried, target])
    writer.writerows([*(getattr(each, name) for name in carried), ""] for each in found.rows)
    return out.getvalue().encode()


def judge_all(args: argparse.Namespace) -> int:
    """Judge all rows by those with outcomes."""
    from core.errors import UsageError

    if (args.data is None) != (args.labels is None):
        given, other = ("--labels", "--data") if args.data is None else ("--data", "--labels")
        raise UsageError(f"{given} needs {other}, too. Give neither to judge by the outcomes of recorded requests.")
    return judge_recorded(args) if args.data is None else _judge_file(args)


def _judge_file(args: argparse.Namespace) -> int:
    from console.cli.output import print_json
    from core.monitoring.verdicts import PerformanceVerdict
    from core.training.own_data.labels import judge_labels

    found = judge_labels(
        open_workspace(args),
        args.model,
        args.data,
        args.labels,
        seed=args.seed,
        version=args.version,
        reading=reading_rules(args),
    )
    if args.json:
        print_json(found)
    else:
        _print(found)
    return ExitCode.FAILING if found.verdict is PerformanceVerdict.FELL else ExitCode.GOOD


def _print(found: "JudgedLabels") -> None:
    from console.cli.output import printable
    from core.monitoring.labels.reference import HeldOutLoss
    from core.monitoring.labels.sampling import is_undecidable

    print(f"{printable(found.model)} {found.version}: {found.n_labels:,} labels, {found.n_draws:,} draws count")
    for note in found.notes:
        print(f"note: {printable(note)}")
    if found.value is None:
        print("open: at least the first 20 draws need labels, from the top of the list")
        if found.n_labels > found.n_draws:
            print("a row above the others has no label, or they were drawn for another --version or --seed")
        return
    reference = HeldOutLoss(found.held_out, found.held_out_low, found.held_out_high)
    print(f"{found.loss}: {found.value:.4g} ({found.low:.4g} to {found.high:.4g}), {reference.in_words}")
    needed = f"; about {found.n_needed:,} draws would decide" if found.n_needed else ""
    if is_undecidable(found.value, reference):
        needed = "; the held-out rows are too few to settle a difference this small, however many labels come"
    print(f"{found.verdict}{needed}")
