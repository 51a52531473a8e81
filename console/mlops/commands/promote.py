"""`bondx-mlops promote`: move a version to a stage, through the gates of every stage on the way, or not at all."""

import argparse

from console.cli.consent import add_consent_to_go_live, consented_reason
from console.commands.opening import Subparsers, add_reason_argument, open_workspace
from console.mlops.opening import add_model_argument, add_user_argument, named_person, stage, verb_parser
from core.errors import ExitCode, RefusedError


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
    from console.cli.output import print_evidence, print_json, printable
    from core.registry import Registry, Stage
    from core.registry.later_denied import versions_as_shown

    workspace = open_workspace(args)
    registry = Registry(workspace)
    actor = named_person(args)
    plans = registry.plan_promotions(args.model, args.version, Stage(args.stage), actor=actor)
    last = plans[-1]
    refused = next((plan for plan in plans if not plan.allowed), None)
    if not args.json:
        for plan in plans:
            print(f"{plan.model} {plan.version}: {plan.from_stage} -> {plan.to_stage}")
            print_evidence(plan)
    if args.dry_run:
        if args.json:
            print_json(last if len(plans) == 1 else plans)
        elif refused:
            print(f"refused: {printable(refused.refusal or '')}")
        return ExitCode.GOOD if refused is None else ExitCode.REFUSED
    if refused is not None:
        raise RefusedError(f"{refused.refusal} {args.version} stays in {plans[0].from_stage}.")
    reason = consented_reason(last, args)
    moved = registry.apply_all(plans, actor=actor, reason=reason)
    if args.json:
        print_json(versions_as_shown(workspace, moved))
    else:
        for version in moved:
            print(f"{version.model} {version.version} is now in {version.stage}")
    return ExitCode.GOOD
