"""`bondx data`: make data sets with a known truth, and draw those of a session again."""

import argparse
import time
from pathlib import Path
from typing import Literal

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from console.commands.typed_numbers import count, whole
from core.errors import ExitCode

FORMATS: tuple[Literal["parquet", "csv", "jsonl"], ...] = ("parquet", "csv", "jsonl")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "data", help="make data sets with a known truth, or those of a session again")
    generate = command_parser(verbs, "generate", help="draw a synthetic data set")
    kinds = generate.add_subparsers(title="kinds", metavar="KIND", required=True)
    bonds = command_parser(kinds, "bonds", help="a panel of corporate and sovereign bonds, with labels and truth")
    bonds.add_argument("--rows", type=count, default=1000, metavar="N", help="bonds to draw (default 1000)")
    bonds.add_argument("--seed", type=whole, default=42, metavar="S", help="same seed, same bytes (default 42)")
    bonds.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, created if missing")
    _add_format_argument(bonds)
    bonds.add_argument("--json", action="store_true", help="print only the lineage record")
    bonds.set_defaults(command=generate_bonds)
    reproduce = command_parser(verbs, "reproduce", help="draw the data sets of a session again, and check their hashes")
    reproduce.add_argument("source", metavar="SOURCE", help="a session, or the path of a final_report.json")
    reproduce.add_argument(
        "--epoch", dest="epochs", type=count, action="append", metavar="N", help="the draw of epoch N"
    )
    reproduce.add_argument(
        "--panel",
        dest="panels",
        action="append",
        metavar="NAME",
        help="validation, test, draws; as the report names it",
    )
    reproduce.add_argument("--out", type=Path, required=True, metavar="DIR", help="each data set gets a folder in it")
    _add_format_argument(reproduce)
    reproduce.add_argument("--json", action="store_true", help="print only the lineage records")
    reproduce.set_defaults(command=reproduce_session)
    listing = command_parser(verbs, "list", help="the data sets that a session keeps as files")
    listing.add_argument("session_id", metavar="SESSION")
    add_json_argument(listing)
    listing.set_defaults(command=list_data_sets)


def _add_format_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=FORMATS,
        help="write only this format; repeatable (default: all three)",
    )


def generate_bonds(args: argparse.Namespace) -> int:
    """Draw a panel and write it with its lineage."""
    from console.cli.output import print_json
    from core.domains.bonds.data import PanelSettings, generate, write_panel

    started = time.monotonic()
    panel = generate(PanelSettings(n_rows=args.rows, seed=args.seed))
    lineage = write_panel(panel, args.out, formats=args.formats or FORMATS)
    if args.json:
        print_json(lineage)
    else:
        seconds = time.monotonic() - started
        print(f"{len(panel.bonds)} synthetic bonds, seed {args.seed}, in {args.out} ({seconds:.1f} s)")
    return ExitCode.GOOD


def list_data_sets(args: argparse.Namespace) -> int:
    """Print the data sets that a session keeps."""
    from console.cli.output import print_json, print_table
    from core.training.data_lineage import kept_data_sets
    from core.training.session_files import SessionFiles
    from core.training.sessions import Sessions

    workspace = open_workspace(args)
    folder = SessionFiles(workspace).data_sets_of(Sessions(workspace).get(args.session_id))
    kept = kept_data_sets(folder)
    if args.json:
        print_json(kept)
        return ExitCode.GOOD
    rows = [
        {
            "data_set": each.name,
            "rows": each.content.n_rows,
            "seed": each.content.seed,
            "sha256": each.content.sha256,
            "folder": str(folder / each.name),
        }
        for each in kept
    ]
    empty = f"no data set is kept; bondx data reproduce {args.session_id} --out DIR draws them again"
    print_table(rows, ("data_set", "rows", "seed", "sha256", "folder"), empty=empty)
    return ExitCode.GOOD


def reproduce_session(args: argparse.Namespace) -> int:
    """Draw the data sets of a session again, and write them if their hashes are those in its report."""
    from console.cli.output import print_json
    from core.training.reproduction import is_session, reproduce_data

    made = reproduce_data(
        args.source,
        args.out,
        epochs=args.epochs or (),
        panels=args.panels or (),
        formats=args.formats or FORMATS,
        workspace=open_workspace(args) if is_session(args.source) else None,
    )
    if args.json:
        print_json([each.lineage for each in made])
    else:
        for each in made:
            content = each.lineage.content
            print(
                f"{each.lineage.name}: {content.n_rows} rows, SHA-256 {content.sha256}, as reported, in {each.folder}"
            )
    return ExitCode.GOOD
