"""`bondx-mlops deploy`: start a canary, which the engine then judges, advances or rolls back."""

import argparse

from console.commands.opening import Subparsers, add_reason_argument, open_workspace, person
from console.commands.typed_numbers import share
from console.mlops.opening import add_model_argument, verb_parser
from core.errors import ExitCode, RefusedError


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "deploy", help="give a version in Staging a share of the traffic, as a canary")
    add_model_argument(parser)
    parser.add_argument("--version", required=True, metavar="V", help="the candidate")
    parser.add_argument(
        "--traffic",
        type=_step_share,
        metavar="SHARE",
        help="traffic share of the first step (default: the policy's)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; change nothing")
    add_reason_argument(parser)
    parser.set_defaults(command=deploy)


def deploy(args: argparse.Namespace) -> int:
    """Plan the canary, and start it."""
    from console.cli.output import print_json, printable
    from core.rollout import Rollouts, Strategy
    from core.settings.policy_source import PolicySource

    workspace = open_workspace(args)
    rollouts = Rollouts(workspace, policy=PolicySource(workspace.root, config=args.config))
    proposal = rollouts.plan(args.model, args.version, Strategy.CANARY, share=args.traffic, actor=person())
    if args.dry_run and args.json:
        print_json(proposal)
    if not args.json:
        for effect in proposal.effects:
            print(printable(effect))
    if args.dry_run:
        return ExitCode.GOOD if proposal.allowed else ExitCode.REFUSED
    if not proposal.allowed:
        raise RefusedError(proposal.refusal or f"{args.model} {args.version} cannot be deployed")
    rollout = rollouts.start(proposal, actor=person(), reason=args.reason)
    if args.json:
        print_json(rollout)
    else:
        shares = ", ".join(f"{step.share:.0%}" for step in rollout.plan.steps)
        print(f"{rollout.rollout_id}: {rollout.model} {rollout.candidate} against {rollout.stable}, steps {shares}")
        print(f"to undo: {printable(proposal.undo)}")
    return ExitCode.GOOD


def _step_share(text: str) -> float:
    if (found := share(text)) == 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a share between 0 and 1, such as 0.1")
    return found
