"""`bondx retrain`: train models anew on what is new. A verb writes the desired state; the engine acts on it."""

import argparse
from typing import TYPE_CHECKING, Any

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    add_request_parsers,
    command_parser,
    noun_parser,
    open_workspace,
    person,
    why_nothing_happens,
)
from console.commands.typed_numbers import whole
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.retraining.document import Retraining
    from core.retraining.triggers import RetrainingPlan
    from core.state import Workspace

REQUESTS = {
    "hold": "begin no further step; a canary keeps its share",
    "resume": "continue after a hold",
    "cancel": "end it with the earlier version live, also where the new one is live and watched",
    "approve": "let the new version meet traffic; each person counts once",
}


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "retrain", help="train models anew on what is new, and follow each retraining")
    now = command_parser(verbs, "now", help="train a model anew, whatever its triggers, cooldown and blackouts say")
    now.add_argument("model", metavar="MODEL")
    now.add_argument(
        "--priority",
        type=whole,
        metavar="N",
        help="0 to 9: the highest computes first (default: 1; triggers ask with 0)",
    )
    add_reason_argument(now)
    add_json_argument(now)
    now.set_defaults(command=retrain_now)
    plan = command_parser(verbs, "plan", help="what would happen, when, and why not now; nothing is changed")
    plan.add_argument("model", metavar="MODEL", nargs="?", help="default: every model with a live version")
    add_json_argument(plan)
    plan.set_defaults(command=show_plan)
    listing = command_parser(verbs, "list", help="every retraining, newest first")
    listing.add_argument("--active", action="store_true", help="only active retrainings")
    add_json_argument(listing)
    listing.set_defaults(command=list_retrainings)
    show = command_parser(verbs, "show", help="one retraining: its steps with reasons, costs and evidence, its events")
    show.add_argument("named", metavar="RETRAINING|MODEL", help="a model means its active or newest retraining")
    add_json_argument(show)
    show.set_defaults(command=show_retraining)
    board = command_parser(verbs, "leaderboard", help="the live version and those compared with it, the best first")
    board.add_argument("model", metavar="MODEL")
    add_json_argument(board)
    board.set_defaults(command=show_leaderboard)
    add_request_parsers(verbs, REQUESTS, target="RETRAINING|MODEL", command=request_change)


def summary(found: "Retraining") -> dict[str, Any]:
    """Flatten a retraining to the row of a list."""
    observed = found.observed
    current = observed.current
    return {
        "retraining_id": found.retraining_id,
        "model": found.model,
        "live": observed.champion,
        "new": observed.challenger or None,
        "trigger": found.trigger,
        "phase": observed.phase,
        "desired": found.desired,
        "step": current.name if current is not None and found.is_active else None,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "reason": observed.reason or None,
    }


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"phase": str(row["phase"]).replace("_", " ")}


def retrain_now(args: argparse.Namespace) -> int:
    """Queue a retraining."""
    from core.retraining.retrainings import ASKED_PRIORITY, Retrainings

    workspace = open_workspace(args)
    priority = ASKED_PRIORITY if args.priority is None else args.priority
    found = Retrainings(workspace).now(args.model, actor=person(), reason=args.reason, priority=priority)
    return _answer(workspace, found, as_json=args.json)


def show_plan(args: argparse.Namespace) -> int:
    """Print what is due, and why not now."""
    from console.cli.output import print_json
    from core.clock import utc_now
    from core.retraining.planning import plan_of, plans

    workspace, now = open_workspace(args), utc_now()
    if args.model is not None:
        found = plan_of(workspace, args.model, now=now)
        if args.json:
            print_json(found)
        else:
            _print_plan(found)
        return ExitCode.GOOD
    every = plans(workspace, now=now)
    if args.json:
        print_json(every)
    else:
        _print_plans(every)
    return ExitCode.GOOD


def _print_plan(plan: "RetrainingPlan") -> None:
    from console.cli.output import print_facts, printable

    print_facts(
        {
            "model": plan.model,
            "live": plan.live or None,
            "enabled": plan.enabled,
            "due": plan.is_due,
            "starts now": plan.starts,
            "next by the clock": plan.next_at,
            "labelled rows": plan.n_samples,
        }
    )
    for title, sentences in (
        ("triggers", tuple(each.reason for each in plan.triggers) or ("none is set (policy, retraining)",)),
        ("why not now", plan.blockers if not plan.starts else ()),
        ("would", plan.would),
    ):
        for sentence in sentences:
            print(f"{title}: {printable(sentence)}")
    if not plan.is_due and plan.triggers and not plan.blockers:
        print("why not now: no trigger is due")


def _print_plans(every: "list[RetrainingPlan]") -> None:
    from console.cli.output import print_table

    rows = [
        {
            "model": plan.model,
            "live": plan.live,
            "enabled": plan.enabled,
            "due": plan.is_due,
            "next_at": plan.next_at,
            "why_not_now": plan.blockers[0] if plan.blockers else None if plan.is_due else "no trigger is due",
        }
        for plan in every
    ]
    print_table(rows, ("model", "live", "enabled", "due", "next_at", "why_not_now"), empty="no model is live")


def list_retrainings(args: argparse.Namespace) -> int:
    """Print every retraining."""
    from console.cli.output import print_json, print_table
    from core.retraining.retrainings import Retrainings

    every = Retrainings(open_workspace(args)).all()
    rows = [summary(each) for each in reversed(every) if each.is_active or not args.active]
    if args.json:
        print_json(rows)
    else:
        columns = ("retraining_id", "model", "live", "new", "trigger", "phase", "step", "created_at", "reason")
        what = "no active retraining" if args.active else "no retraining yet"
        print_table([_in_words(row) for row in rows], columns, empty=f"{what}: bondx retrain now MODEL")
    return ExitCode.GOOD


def show_retraining(args: argparse.Namespace) -> int:
    """Print one retraining."""
    from core.retraining.retrainings import Retrainings

    return _print_retraining(Retrainings(open_workspace(args)).named(args.named), as_json=args.json)


def show_leaderboard(args: argparse.Namespace) -> int:
    """Print the champion and its challengers."""
    from console.cli.output import print_json, print_table
    from core.clock import utc_now
    from core.retraining.leaderboard import leaderboard

    every = leaderboard(open_workspace(args), args.model, now=utc_now())
    if args.json:
        print_json(every)
        return ExitCode.GOOD
    rows = [
        {
            "version": each.version,
            "role": each.role,
            "verdict": each.verdict,
            "proposed": each.is_proposed,
            "realised": each.realised.sentence() if each.realised is not None else None,
            "estimated": each.estimated.sentence() if each.estimated is not None else None,
            "reason": each.reason,
        }
        for each in every
    ]
    columns = ("version", "role", "verdict", "proposed", "realised", "estimated", "reason")
    print_table(rows, columns, empty=f"{args.model} has no live version")
    return ExitCode.GOOD


def request_change(args: argparse.Namespace) -> int:
    """Write the desired state of a retraining, or a person's approval."""
    from core.retraining.retrainings import Retrainings

    workspace = open_workspace(args)
    retrainings = Retrainings(workspace)
    verbs = {
        "hold": retrainings.hold,
        "resume": retrainings.resume,
        "cancel": retrainings.cancel,
        "approve": retrainings.approve,
    }
    found = verbs[args.verb](args.named, actor=person(), reason=args.reason)
    return _answer(workspace, found, as_json=args.json)


def _answer(workspace: "Workspace", found: "Retraining", *, as_json: bool) -> int:
    from console.cli.output import complain

    if (why := why_nothing_happens(workspace, "bondx run --headless --no-session, or bondx")) is not None:
        complain(f"{found.retraining_id} waits: {why}")
    return _print_retraining(found, as_json=as_json)


def _print_retraining(found: "Retraining", *, as_json: bool) -> int:
    from console.cli.output import print_facts, print_json, print_table, printable

    if as_json:
        print_json(found)
        return ExitCode.GOOD
    observed = found.observed
    print_facts(
        _in_words(summary(found))
        | {
            "cause": found.cause,
            "approvals": [each.by for each in found.approvals] or None,
            "rollout_id": observed.rollout_id or None,
            "run_id": observed.run_id or None,
            "ended_at": observed.ended_at,
        }
    )
    rows = [
        {
            "step": step.name,
            "state": step.state,
            "ended_at": step.ended_at,
            "seconds": step.seconds,
            "peak_memory_mb": step.peak_memory_mb,
            "reason": step.reason or None,
        }
        for step in observed.steps
    ]
    print()
    print_table(rows, ("step", "state", "ended_at", "seconds", "peak_memory_mb", "reason"), empty="")
    print()
    for event in observed.events[-10:]:
        print(f"{printable(event.at)}  {printable(event.verb)}  {printable(event.reason)}")
    return ExitCode.GOOD
