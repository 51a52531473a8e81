"""`bondx-mlops promote`: move a version to a stage, through the gates."""

import argparse
from dataclasses import replace

from console.commands.opening import Subparsers, add_reason_argument, open_workspace, person
from console.mlops.opening import add_model_argument, stage, verb_parser
from core.errors import ExitCode, RefusedError


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "promote", help="move a version to a stage, through the gates")
    add_model_argument(parser)
    parser.add_argument("--version", required=True, metavar="V")
    parser.add_argument("--stage", required=True, type=stage, metavar="STAGE", help="staging or production")
    parser.add_argument("--user", metavar="NAME", help="who promotes, for the audit log (default: your account)")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    add_reason_argument(parser)
    parser.set_defaults(command=promote)


def promote(args: argparse.Namespace) -> int:
    """Plan the move, show the plan, and carry it out."""
    from console.output import print_json, printable
    from core.registry import Registry
    from core.settings.policy_source import PolicySource

    workspace = open_workspace(args)
    registry = Registry(workspace, policy=PolicySource(workspace.root, config=args.config))
    plan = registry.plan_promotion(args.model, args.version, args.stage)
    if args.dry_run and args.json:
        print_json(plan)
    if not args.json:
        for gate in plan.gates:
            print(f"{gate.verdict:<5} {printable(gate.name)}: {printable(gate.reason)}")
        for effect in plan.effects:
            print(printable(effect))
    if args.dry_run:
        return ExitCode.GOOD if plan.allowed else ExitCode.REFUSED
    if not plan.allowed:
        raise RefusedError(plan.refusal or f"{args.model} {args.version} may not move to {args.stage}")
    actor = replace(person(), name=args.user) if args.user else person()
    moved = registry.apply(plan, actor=actor, reason=args.reason)
    if args.json:
        print_json(moved)
    else:
        for version in moved:
            print(f"{version.model} {version.version} is now in {version.stage}")
    return ExitCode.GOOD
