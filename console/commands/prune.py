"""`bondx prune`: what the retention rules delete, listed first, then exactly that."""

import argparse

from console.commands.opening import (
    Subparsers,
    add_consent_arguments,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from core.errors import ExitCode

KINDS = ("runs", "versions", "rollouts", "epochs", "reports", "stress")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "prune", help="delete what the retention rules drop; a dry run without --yes")
    parser.add_argument("kinds", metavar="KIND", nargs="*", help=f"{', '.join(KINDS)} (default: those that are set)")
    add_consent_arguments(parser)
    add_reason_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(command=prune)


def prune(args: argparse.Namespace) -> int:
    """List what goes and by which rule; delete it with `--yes`."""
    from console.cli.output import print_json, print_table
    from console.presentation.phrases import size
    from core.maintenance.pruning import NOTHING_LEFT_TO_DELETE, Pruning
    from core.settings import settings_in_force

    workspace = open_workspace(args)
    pruning = Pruning(workspace, settings_in_force(workspace.root).retention)
    plan = pruning.plan(args.kinds or pruning.automatic())
    result = pruning.carry_out(plan, actor=person(), reason=args.reason) if args.yes else None
    if args.json:
        shown = {"kinds": (result or plan).kinds, "left": result.left if result else (), "unlisted": plan.unlisted}
        print_json({"dry_run": not args.yes, **shown})
        pruning.require_listed(plan)
        return ExitCode.GOOD
    for kind in plan.kinds:
        print(f"{kind.kind}: {kind.rule}" + ("; the engine follows this once an hour" if kind.is_automatic else ""))
    rows = [
        {"kind": item.kind, "name": item.name, "size": size(item.n_bytes), "what": item.what} for item in plan.items
    ]
    if rows:
        print_table(rows, ("kind", "name", "size", "what"), empty="")
        print(result.summary or NOTHING_LEFT_TO_DELETE if result else "nothing was deleted; add --yes")
    else:
        none = "no rule of retention: is set in bondx.yaml; name what to prune: bondx prune " + " ".join(KINDS)
        if plan.kinds or not plan.unlisted:
            print("nothing to prune" if plan.kinds else none)
    pruning.require_listed(plan)
    return ExitCode.GOOD
