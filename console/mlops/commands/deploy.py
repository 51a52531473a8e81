"""`bondx-mlops deploy`: start a rollout, which the engine then judges, advances or rolls back."""

import argparse

from console.commands.opening import Subparsers, add_reason_argument, open_workspace
from console.commands.typed_numbers import share
from console.mlops.opening import add_model_argument, add_user_argument, named_person, verb_parser
from core.errors import ExitCode, RefusedError
from core.rollout.strategies import Strategy


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "deploy", help="roll a version in Staging out: as a canary, or as --strategy says")
    add_model_argument(parser)
    parser.add_argument("--version", required=True, metavar="V", help="the candidate")
    parser.add_argument(
        "--strategy", type=_strategy, default=Strategy.CANARY, metavar="NAME", help=f"{', '.join(Strategy)}"
    )
    parser.add_argument(
        "--traffic",
        type=share,
        metavar="SHARE",
        help="traffic share of the first step, of the A/B split, or of the copies (default: the policy's)",
    )
    add_user_argument(parser, "deploys")
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; change nothing")
    add_reason_argument(parser)
    parser.set_defaults(command=deploy)


def deploy(args: argparse.Namespace) -> int:
    """Plan the rollout, and start it."""
    from console.cli.output import print_json, printable
    from core.rollout import Rollouts

    workspace = open_workspace(args)
    rollouts = Rollouts(workspace)
    actor = named_person(args)
    proposal = rollouts.plan(args.model, args.version, args.strategy, share=args.traffic, actor=actor)
    if args.dry_run and args.json:
        print_json(proposal)
    if not args.json:
        for effect in proposal.effects:
            print(printable(effect))
    if not proposal.allowed:
        raise RefusedError(proposal.refusal or f"{args.model} {args.version} cannot be deployed")
    if args.dry_run:
        return ExitCode.GOOD
    rollout = rollouts.start(proposal, actor=actor, reason=args.reason)
    if args.json:
        print_json(rollout)
    else:
        shares = ", ".join(f"{step.share:.0%}" for step in rollout.plan.steps)
        print(f"{rollout.rollout_id}: {rollout.model} {rollout.candidate} against {rollout.stable}, steps {shares}")
        print(f"to undo: {printable(proposal.undo)}")
    return ExitCode.GOOD


def _strategy(text: str) -> Strategy:
    name = text.lower().replace("-", "_")
    if name not in map(str, Strategy):
        raise argparse.ArgumentTypeError(f"{text!r} is not a strategy: choose from {', '.join(Strategy)}")
    return Strategy(name)
