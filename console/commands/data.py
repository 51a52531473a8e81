"""`bondx data`: make data sets with a known truth."""

import argparse
import time
from pathlib import Path
from typing import Literal

from console.commands.opening import Subparsers, command_parser, noun_parser
from console.commands.typed_numbers import count, whole
from core.errors import ExitCode

FORMATS: tuple[Literal["parquet", "csv", "jsonl"], ...] = ("parquet", "csv", "jsonl")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "data", help="make data sets with a known truth")
    generate = command_parser(verbs, "generate", help="draw a synthetic data set")
    kinds = generate.add_subparsers(title="kinds", metavar="KIND", required=True)
    bonds = command_parser(kinds, "bonds", help="a panel of corporate and sovereign bonds, with labels and truth")
    bonds.add_argument("--rows", type=count, default=1000, metavar="N", help="bonds to draw (default 1000)")
    bonds.add_argument("--seed", type=whole, default=42, metavar="S", help="same seed, same bytes (default 42)")
    bonds.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write, created if missing")
    bonds.add_argument(
        "--format",
        dest="formats",
        action="append",
        choices=FORMATS,
        help="write only this format; repeatable (default: all three)",
    )
    bonds.add_argument("--json", action="store_true", help="print only the lineage record")
    bonds.set_defaults(command=generate_bonds)


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
