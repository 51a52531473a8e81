"""`bondx view`: saved views, a desk's own front pages: shown as tables, saved, and shared as YAML."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    noun_parser,
    open_workspace,
    person,
)
from console.commands.typed_numbers import count
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.saved_views import SavedView


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(
        commands, "view", help="saved views: a desk's own front page, opened in the console by :view NAME"
    )
    listing = command_parser(verbs, "list", help="the saved views: the models that each is about, and its panes")
    add_json_argument(listing)
    listing.set_defaults(command=list_views)
    show = command_parser(verbs, "show", help="the tables of a view, as the console shows them")
    show.add_argument("view", metavar="VIEW")
    show.add_argument("--plain", action="store_true", help="one row per line, each value behind its name")
    show.add_argument("--width", type=count, metavar="N", help="columns to fit (default: those of the terminal)")
    show.add_argument("--csv", action="store_true", help="print CSV with all digits, tables parted by an empty line")
    add_json_argument(show)
    show.set_defaults(command=show_view)
    save = command_parser(verbs, "save", help="save a view of these panes")
    save.add_argument("view", metavar="VIEW")
    save.add_argument(
        "--pane",
        metavar="PANE[:COLUMN,COLUMN]",
        action="append",
        required=True,
        help="a pane, with its columns if not the usual ones; repeatable",
    )
    save.add_argument("--model", metavar="MODEL", action="append", help="a model or a pattern: rates_*; repeatable")
    save.add_argument("--tag", metavar="NAME=VALUE", action="append", help="a tag of its versions; repeatable")
    save.add_argument("--title", metavar="TEXT", help="its title")
    save.add_argument("--summary", metavar="TEXT", help="whom it is for")
    save.add_argument("--replace", action="store_true", help="replace the view of this name")
    add_reason_argument(save)
    add_json_argument(save)
    save.set_defaults(command=save_view)
    check = command_parser(verbs, "check", help="every fault of a file of views; nothing is saved")
    check.add_argument("file", metavar="FILE", type=Path)
    check.set_defaults(command=check_views)
    taken = command_parser(verbs, "import", help="save the views of a YAML file, all of them or none")
    taken.add_argument("file", metavar="FILE", type=Path)
    taken.add_argument("--replace", action="store_true", help="replace views of the same names")
    add_reason_argument(taken)
    add_json_argument(taken)
    taken.set_defaults(command=import_views)
    export = command_parser(verbs, "export", help="write views as one YAML file")
    export.add_argument("views", metavar="VIEW", nargs="*", help="these views (default: all)")
    export.add_argument("--out", metavar="FILE", type=Path, help="into this new file (default: printed)")
    export.set_defaults(command=export_views)
    delete = command_parser(verbs, "delete", help="delete a view; the audit log keeps its panes")
    delete.add_argument("view", metavar="VIEW")
    add_reason_argument(delete)
    add_json_argument(delete)
    delete.set_defaults(command=delete_view)


def list_views(args: argparse.Namespace) -> int:
    """Print the views."""
    from console.cli.output import print_json, print_table
    from core.saved_views import SavedViews

    views = SavedViews(open_workspace(args)).all()
    if args.json:
        print_json(views)
    else:
        rows = [
            {
                "view": view.name,
                "title": view.title,
                "models": view.brief_scope,
                "panes": " ".join(pane.pane for pane in view.panes),
                "saved": view.updated_at,
                "by": view.updated_by,
            }
            for view in views
        ]
        columns = ("view", "title", "models", "panes", "saved", "by")
        print_table(rows, columns, empty="no view is saved yet: bondx view import FILE")
    return ExitCode.GOOD


def show_view(args: argparse.Namespace) -> int:
    """Print the tables of a view; what it names and the workspace does not have is said on stderr."""
    from console.cli.output import complain
    from console.commands.show import print_tables
    from console.presentation.view_panes import view_tables
    from core.clock import utc_now
    from core.saved_views import SavedViews
    from core.view.source import SnapshotSource
    from widgets.glyphs import ASCII

    workspace = open_workspace(args)
    view = SavedViews(workspace).get(args.view)
    snapshot = SnapshotSource(workspace, looks_at_epochs=False).take()
    tables, missing = view_tables(view, snapshot, utc_now(), ASCII)
    print_tables(args, tables)
    for clause in missing:
        complain(f"{view.name}: {clause}")
    for problem in snapshot.problems:
        complain(problem)
    return ExitCode.FAILING if snapshot.problems else ExitCode.GOOD


def save_view(args: argparse.Namespace) -> int:
    """Save a view of named panes."""
    from core.saved_views import SavedViews, checked_view

    panes = []
    for word in args.pane:
        name, colon, columns = word.partition(":")
        panes.append({"pane": name, "columns": columns.split(",")} if colon else name)
    tags = {}
    for word in args.tag or ():
        name, sign, value = word.partition("=")
        if not (sign and name):
            raise UsageError(f"--tag {word} is no tag: write NAME=VALUE.")
        tags[name] = value
    values = {
        "title": args.title,
        "summary": args.summary,
        "models": args.model or [],
        "tags": tags,
        "panes": panes,
    }
    view = checked_view(args.view, values)
    saved = SavedViews(open_workspace(args)).save([view], actor=person(), reason=args.reason, replace=args.replace)
    return _print_saved(args, saved)


def check_views(args: argparse.Namespace) -> int:
    """Print every fault of a file."""
    from console.cli.output import complain
    from core.saved_views import check_view_file

    views, faults = check_view_file(args.file)
    for fault in faults:
        complain(str(fault))
    if faults:
        return ExitCode.USAGE
    print(f"{args.file}: {', '.join(view.name for view in views)}")
    return ExitCode.GOOD


def import_views(args: argparse.Namespace) -> int:
    """Save the views of a file."""
    from core.saved_views import SavedViews, load_views

    views = load_views(args.file)
    saved = SavedViews(open_workspace(args)).save(views, actor=person(), reason=args.reason, replace=args.replace)
    return _print_saved(args, saved)


def _print_saved(args: argparse.Namespace, saved: "list[SavedView]") -> int:
    from console.cli.output import print_json

    if args.json:
        print_json(saved)
    else:
        for view in saved:
            print(f"{view.name} saved; :view {view.name} opens it in the console")
    return ExitCode.GOOD


def export_views(args: argparse.Namespace) -> int:
    """Print views as YAML, or write them into a file."""
    from core.output_files import require_new_output, write_new_output
    from core.saved_views import SavedViews, view_yaml

    if args.out is not None:
        require_new_output(args.out)
    store = SavedViews(open_workspace(args))
    text = view_yaml([store.get(name) for name in args.views] if args.views else store.all())
    if args.out is None:
        print(text, end="")
    else:
        write_new_output(args.out, text.encode())
        print(args.out)
    return ExitCode.GOOD


def delete_view(args: argparse.Namespace) -> int:
    """Delete a view."""
    from console.cli.output import print_json
    from core.saved_views import SavedViews

    gone = SavedViews(open_workspace(args)).delete(args.view, actor=person(), reason=args.reason)
    if args.json:
        print_json(gone)
    else:
        print(f"{gone.name} deleted")
    return ExitCode.GOOD
