"""`bondx-mlops promote`: move a version to a stage, through the gates."""

import argparse
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_reason_argument, open_workspace, person
from console.mlops.opening import add_model_argument, stage, verb_parser
from core.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from core.registry import Plan


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "promote", help="move a version to a stage, through the gates")
    add_model_argument(parser)
    parser.add_argument("--version", required=True, metavar="V")
    parser.add_argument("--stage", required=True, type=stage, metavar="STAGE", help="staging or production")
    parser.add_argument("--user", metavar="NAME", help="who promotes, for the audit log (default: your account)")
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; change nothing")
    add_reason_argument(parser)
    parser.set_defaults(command=promote)


def promote(args: argparse.Namespace) -> int:
    """Take a version up to a stage, one gated and audited step after the other."""
    from console.cli.output import print_json, printable
    from console.mlops.policy import print_gates
    from core.registry import Registry, Stage
    from core.settings.policy_source import PolicySource

    workspace = open_workspace(args)
    registry = Registry(workspace, policy=PolicySource(workspace.root, config=args.config))
    actor = person().in_the_name_of(args.user) if args.user else person()
    target = Stage(args.stage)
    while True:
        step = target
        if target is Stage.PRODUCTION and registry.get(args.model, args.version).stage is not Stage.STAGING:
            step = Stage.STAGING  # the way up leads through Staging, whose gates come first
        plan = registry.plan_promotion(args.model, args.version, step, actor=actor)
        if not args.json:
            _print_plan(plan)
        if args.dry_run:
            if args.json:
                print_json(plan)
            elif plan.refusal:
                print(f"refused: {printable(plan.refusal)}")
            onward = registry.policy_gates(args.model, args.version) if plan.allowed and step is not target else ()
            if onward and not args.json:
                print("and from there to Production, in the same command:")
                print_gates(onward)
            goes = plan.allowed and not any(gate.blocks for gate in onward)
            return ExitCode.GOOD if goes else ExitCode.REFUSED
        if not plan.allowed:
            raise RefusedError(plan.refusal or f"{args.model} {args.version} may not move to {step}")
        moved = registry.apply(plan, actor=actor, reason=args.reason)
        if not args.json:
            for version in moved:
                print(f"{version.model} {version.version} is now in {version.stage}")
        if step is target:
            break
    if args.json:
        print_json(moved)
    return ExitCode.GOOD


def _print_plan(plan: "Plan") -> None:
    from console.cli.output import gate_line, printable

    for gate in plan.gates:
        print(gate_line(gate))
    for effect in plan.effects:
        print(printable(effect))
