"""`bondx-mlops promote`: move a version to a stage, through the gates of every stage on the way, or not at all."""

import argparse
from typing import TYPE_CHECKING

from console.cli.consent import add_consent_to_go_live, require_typed
from console.commands.opening import Subparsers, add_reason_argument, open_workspace
from console.mlops.opening import add_model_argument, add_user_argument, named_person, stage, verb_parser
from core.errors import ExitCode, RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.registry import Plan


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "promote", help="move a version to a stage, through the gates")
    add_model_argument(parser)
    parser.add_argument("--version", required=True, metavar="V", help="the version to promote")
    parser.add_argument("--stage", required=True, type=stage, metavar="STAGE", help="staging or production")
    add_user_argument(parser, "promotes")
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; change nothing")
    add_consent_to_go_live(parser)
    add_reason_argument(parser)
    parser.set_defaults(command=promote)


def promote(args: argparse.Namespace) -> int:
    """Take a version up to a stage in one change: it passes the gates of every step, or stays where it is."""
    from console.cli.output import print_json, printable
    from core.registry import Registry, Stage
    from core.registry.planning import reason_for
    from core.settings.policy_source import PolicySource

    workspace = open_workspace(args)
    registry = Registry(workspace, policy=PolicySource(workspace.root, config=args.config))
    actor = named_person(args)
    plans = registry.plan_promotions(args.model, args.version, Stage(args.stage), actor=actor)
    last = plans[-1]
    refused = next((plan for plan in plans if not plan.allowed), None)
    if not args.json:
        _print_plans(plans)
    if args.dry_run:
        if args.json:
            print_json(last if len(plans) == 1 else plans)
        elif refused:
            print(f"refused: {printable(refused.refusal or '')}")
        return ExitCode.GOOD if refused is None else ExitCode.REFUSED
    if refused is not None:
        raise RefusedError(f"{refused.refusal} {args.version} stays in {plans[0].from_stage}.")
    reason = reason_for(last, args.reason, args.override)
    if last.to_stage is Stage.PRODUCTION:
        require_typed(last.model, last.version, yes=args.yes)
    moved = registry.apply_all(plans, actor=actor, reason=reason)
    if args.json:
        print_json(moved)
    else:
        for version in moved:
            print(f"{version.model} {version.version} is now in {version.stage}")
    return ExitCode.GOOD


def _print_plans(plans: "Sequence[Plan]") -> None:
    from console.cli.output import gate_line, printable

    for plan in plans:
        print(f"{plan.model} {plan.version}: {plan.from_stage} -> {plan.to_stage}")
        for gate in plan.gates:
            print(f"  {gate_line(gate)}")
        for effect in plan.effects:
            print(f"  {printable(effect)}")
        for warning in plan.warnings:
            print(f"  warning: {printable(warning)}")
