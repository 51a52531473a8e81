"""`bondx data`: make data sets with a known truth, draw those of a session again, and protect one's own."""

import argparse
from pathlib import Path

from console.commands.generating import FORMATS, add_format_argument, add_generate
from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from console.commands.protecting import add_anonymise, add_classify, add_seal
from console.commands.typed_numbers import count
from core.errors import ExitCode


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "data", help="make data sets, draw those of a session again, protect your own")
    add_generate(verbs)
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
    add_format_argument(reproduce)
    reproduce.add_argument("--json", action="store_true", help="print only the lineage records")
    reproduce.set_defaults(command=reproduce_session)
    listing = command_parser(verbs, "list", help="the data sets that a session keeps as files")
    listing.add_argument("session_id", metavar="SESSION")
    add_json_argument(listing)
    listing.set_defaults(command=list_data_sets)
    add_classify(verbs)
    add_anonymise(verbs)
    add_seal(verbs)


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
