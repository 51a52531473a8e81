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
    import msgspec

    from console.cli.output import print_json, print_table
    from console.mlops.policy import gates_of, problem_with_policy
    from core.registry import Registry
    from core.registry.later_denied import versions_as_shown

    workspace = open_workspace(args)
    versions = [v for v in Registry(workspace).versions(args.model) if args.stage in (None, v.stage)]
    problem = problem_with_policy(workspace)
    is_judged = args.config is not None and not problem
    judged = gates_of(workspace, *versions) if is_judged else [[] for _ in versions]
    refusing = [[gate.name for gate in gates if gate.blocks] for gates in judged]
    if args.json:
        facts = [msgspec.to_builtins(version) for version in versions_as_shown(workspace, versions)]
        if is_judged:
            facts = [fact | {"refusing_gates": names} for fact, names in zip(facts, refusing, strict=True)]
        print_json(facts)
        return _ended(problem)
    rows = [
        {
            "model": version.model,
            "version": version.version,
            "stage": version.stage,
            "description": version.description,
            "created_at": version.created_at,
            "created_by": version.created_by,
            "policy": f"refuses: {', '.join(names)}" if names else "passes",
        }
        for version, names in zip(versions, refusing, strict=True)
    ]
    columns = ["model", "version", "stage", "description", "created_at", "created_by"]
    columns += ["policy"] if is_judged else []
    print_table(rows, columns, empty="no such version: bondx-mlops train --model NAME --data FILE makes one")
    return _ended(problem)


def list_deployments(args: argparse.Namespace) -> int:
    """Print rollouts, those that are active first."""
    import msgspec

    from console.cli.output import print_json, print_table
    from console.mlops.policy import problem_with_policy
    from core.rollout import Rollouts
    from core.rollout.later_denied import all_as_shown
    from core.settings import load_policy

    workspace = open_workspace(args)
    found = [r for r in Rollouts(workspace).all() if args.model in (None, r.model)]
    rollouts = all_as_shown(workspace, found)
    rollouts.sort(key=lambda rollout: (not rollout.is_active, -rollout.created_at.timestamp()))
    problem = problem_with_policy(workspace)
    policy = load_policy(workspace.root) if args.config is not None and not problem else None
    same = [policy is not None and r.policy_sha256 == policy.for_model(r.model).sha256 for r in rollouts]
    if args.json:
        facts = [msgspec.to_builtins(rollout) for rollout in rollouts]
        if policy is not None:
            facts = [fact | {"is_of_this_policy": is_same} for fact, is_same in zip(facts, same, strict=True)]
        print_json(facts)
        return _ended(problem)
    columns = ["rollout_id", "model", "candidate", "stable", "strategy", "phase", "share", "started_at", "started_by"]
    columns += ["policy"] if policy is not None else []
    rows = [
        _row(rollout) | {"policy": "this one" if is_same else "another"}
        for rollout, is_same in zip(rollouts, same, strict=True)
    ]
    print_table(rows, columns, empty="no deployment yet: bondx-mlops deploy starts one")
    return _ended(problem)


def _ended(problem: str | None) -> ExitCode:
    """Say after a list what is wrong with the policy: the next deployment or promotion would fail by it."""
    if problem is None:
        return ExitCode.GOOD
    from console.cli.output import complain

    complain(problem)
    return ExitCode.FAILING


def _row(rollout: "Rollout") -> dict[str, object]:
    return {
        "rollout_id": rollout.rollout_id,
        "model": rollout.model,
        "candidate": rollout.candidate,
        "stable": rollout.stable,
        "strategy": rollout.strategy,
        "phase": "stuck" if rollout.is_stuck else rollout.observed.phase,
        "share": f"{rollout.share:.0%}",
        "started_at": rollout.created_at,
        "started_by": rollout.created_by,
    }
