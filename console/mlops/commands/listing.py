"""`bondx-mlops list`: versions by stage, and deployments."""

import argparse
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, open_workspace
from console.mlops.opening import stage, verb_parser
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.rollout import Rollout


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "list", help="list versions, or deployments")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--models", dest="command", action="store_const", const=list_models, help="versions of models")
    what.add_argument(
        "--deployments", dest="command", action="store_const", const=list_deployments, help="canaries, newest first"
    )
    parser.add_argument("--stage", type=stage, metavar="STAGE", help="only versions of this stage")
    parser.add_argument("--model", metavar="NAME", help="only this model")


def list_models(args: argparse.Namespace) -> int:
    """Print versions."""
    from console.output import print_json, print_table
    from core.registry import Registry

    versions = [v for v in Registry(open_workspace(args)).versions(args.model) if args.stage in (None, v.stage)]
    if args.json:
        print_json(versions)
        return ExitCode.GOOD
    rows = [
        {
            "model": version.model,
            "version": version.version,
            "stage": version.stage,
            "description": version.description,
            "created_at": version.created_at,
            "created_by": version.created_by,
        }
        for version in versions
    ]
    columns = ("model", "version", "stage", "description", "created_at", "created_by")
    print_table(rows, columns, empty="no such version: bondx-mlops train --model NAME --data FILE makes one")
    return ExitCode.GOOD


def list_deployments(args: argparse.Namespace) -> int:
    """Print rollouts, those that are active first."""
    from console.output import print_json, print_table
    from core.rollout import Rollouts

    rollouts = [r for r in Rollouts(open_workspace(args)).all() if args.model in (None, r.model)]
    rollouts.sort(key=lambda rollout: (not rollout.is_active, -rollout.created_at.timestamp()))
    if args.json:
        print_json(rollouts)
        return ExitCode.GOOD
    columns = ("rollout_id", "model", "candidate", "stable", "strategy", "phase", "share", "started_at", "started_by")
    print_table(map(_row, rollouts), columns, empty="no deployment yet: bondx-mlops deploy starts one")
    return ExitCode.GOOD


def _row(rollout: "Rollout") -> dict[str, object]:
    return {
        "rollout_id": rollout.rollout_id,
        "model": rollout.model,
        "candidate": rollout.candidate,
        "stable": rollout.stable,
        "strategy": rollout.strategy,
        "phase": rollout.observed.phase,
        "share": f"{rollout.share:.0%}",
        "started_at": rollout.created_at,
        "started_by": rollout.created_by,
    }
