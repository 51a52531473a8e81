"""`bondx rollout`: move a model's traffic to a version. A verb writes the desired state; the engine acts on it."""

import argparse
from typing import TYPE_CHECKING, Any

from console.cli.consent import add_consent_to_go_live, add_needless_yes_argument, require_typed
from console.cli.waiting import add_timeout_argument
from console.commands.opening import (
    Subparsers,
    absence_of,
    add_change_arguments,
    add_json_argument,
    add_request_parsers,
    command_parser,
    noun_parser,
    open_workspace,
    person,
    why_nothing_happens,
)
from console.commands.typed_numbers import share
from core.errors import ExitCode
from core.rollout.strategies import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.rollout import GuardReading, Rollout
    from core.state import Workspace

REQUESTS = {
    "hold": "hold at this share; shown harm still rolls it back",
    "resume": "resume after a hold, or with a new deadline when it is inconclusive",
    "advance": "advance one step without waiting for dwell time and samples",
    "promote": "go live without waiting for proof; a failing gate or shown harm still stops it",
    "abort": "return all traffic to the stable version immediately, and end the rollout; needs no engine",
}


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "rollout", help="move a model's traffic to a version, watch it, roll it back")
    listing = command_parser(verbs, "list", help="every rollout, newest first")
    listing.add_argument("--active", action="store_true", help="only active rollouts")
    add_json_argument(listing)
    listing.set_defaults(command=list_rollouts)
    show = command_parser(verbs, "show", help="one rollout: traffic, what each guard says, events")
    show.add_argument("named", metavar="ROLLOUT|MODEL", help="a model means its newest rollout")
    add_json_argument(show)
    show.set_defaults(command=show_rollout)
    status = command_parser(
        verbs,
        "status",
        help="where a rollout stands, in one line, or --wait for its end: exit code 1 if it was rolled back or aborted",
    )
    status.add_argument(
        "named",
        metavar="ROLLOUT|MODEL",
        nargs="?",
        help="a model means its newest rollout (default: the active rollout)",
    )
    status.add_argument("--wait", action="store_true", help="wait until it ends, with a line on stderr for each change")
    add_timeout_argument(status)
    add_json_argument(status)
    status.set_defaults(command=show_status)
    start = command_parser(verbs, "start", help="start a rollout of a version in Staging")
    start.add_argument("model", metavar="MODEL")
    start.add_argument("version", metavar="VERSION", help="the candidate: a version or an @alias")
    start.add_argument(
        "--strategy", choices=[str(strategy) for strategy in Strategy], default="canary", help="default: canary"
    )
    start.add_argument(
        "--share",
        type=share,
        metavar="SHARE",
        help="traffic share of the first step, of the A/B split, or of the copies (default: the policy's)",
    )
    add_change_arguments(start)
    start.set_defaults(command=start_rollout)
    requests = add_request_parsers(verbs, REQUESTS, target="ROLLOUT|MODEL", command=request_change)
    add_consent_to_go_live(requests["promote"])
    add_needless_yes_argument(requests["abort"])


def summary(rollout: "Rollout") -> dict[str, Any]:
    """Flatten a rollout to the row of a list."""
    observed = rollout.observed
    goes_on = rollout.desired not in ("aborted", "paused")
    return {
        "rollout_id": rollout.rollout_id,
        "model": rollout.model,
        "stable": rollout.stable,
        "candidate": rollout.candidate,
        "strategy": rollout.strategy,
        "phase": "stuck" if rollout.is_stuck else observed.phase,
        "problem": observed.problem if rollout.is_active else None,
        "not_judged": [str(found) for found in rollout.not_judged],
        "loss": rollout.plan.loss.describe() if rollout.plan.texts is None else "none: texts are judged",
        "desired": rollout.desired,
        "step": observed.step + 1,
        "n_steps": len(rollout.plan.steps),
        "share": rollout.share if rollout.is_active else observed.share,
        "actual_share": observed.actual_share,
        "eta_seconds": observed.verdict.eta_seconds if observed.verdict and rollout.is_active and goes_on else None,
        "created_at": rollout.created_at,
        "created_by": rollout.created_by,
    }


def _in_words(facts: dict[str, Any]) -> dict[str, Any]:
    """Spell the states of a row for people; JSON keeps the stored names."""
    from core.rollout.rollout import state_in_words

    return facts | {name: state_in_words(facts[name]) for name in ("phase", "desired")}


def list_rollouts(args: argparse.Namespace) -> int:
    """Print every rollout."""
    from console.cli.output import print_json, print_table
    from core.rollout import Rollouts

    rollouts = Rollouts(open_workspace(args)).all()
    rows = [summary(rollout) for rollout in reversed(rollouts) if rollout.is_active or not args.active]
    if args.json:
        print_json(rows)
    else:
        left = ("rollout_id", "model", "stable", "candidate", "strategy", "phase", "step", "n_steps", "share")
        columns = (*left, "actual_share", "created_at", "created_by")
        what = "no active rollout" if args.active else "no rollout yet"
        print_table([_in_words(row) for row in rows], columns, empty=f"{what}: bondx rollout start MODEL VERSION")
    return ExitCode.GOOD


def show_rollout(args: argparse.Namespace) -> int:
    """Print one rollout."""
    from core.rollout import Rollouts

    workspace = open_workspace(args)
    return _print_rollout(workspace, _meant(Rollouts(workspace).all(), args.named), as_json=args.json)


def show_status(args: argparse.Namespace) -> int:
    """Print where a rollout stands; with `--wait`, once it has ended."""
    from console.cli.waiting import print_outcome, wait_for
    from core.errors import UsageError
    from core.rollout import Rollouts
    from core.rollout.later_denied import as_shown

    if args.timeout is not None and not args.wait:
        raise UsageError("--timeout limits a wait: add --wait.")
    workspace = open_workspace(args)
    rollouts = Rollouts(workspace)
    found = _meant(rollouts.all(), args.named)
    if args.wait:
        found = wait_for(
            workspace,
            lambda: rollouts.get(found.rollout_id),
            describe=lambda rollout: _progress(as_shown(workspace, rollout), absence=absence_of(workspace)),
            has_ended=lambda rollout: not rollout.is_active,
            timeout_seconds=args.timeout,
        )
    found = as_shown(workspace, found)
    is_success = found.observed.phase.is_success or (found.is_active and not args.wait)
    return print_outcome(
        found,
        _progress(found, absence=absence_of(workspace)),
        has_ended=not (found.is_active and args.wait),
        is_success=is_success,
        as_json=args.json,
    )


def _meant(rollouts: "Sequence[Rollout]", named: str | None) -> "Rollout":
    """Find the rollout of an id or the newest of a model; without a name the active rollout, else the newest."""
    from core.errors import NotFoundError, UsageError

    if named is not None:
        found = [rollout for rollout in rollouts if rollout.rollout_id == named]
        found = found or [rollout for rollout in rollouts if rollout.model == named]
        if not found:
            known = ", ".join(f"{rollout.rollout_id} ({rollout.model})" for rollout in rollouts[-10:]) or "none yet"
            raise NotFoundError(f"There is no rollout {named}, and none of a model {named}. The newest: {known}.")
        return found[-1]
    active = [rollout for rollout in rollouts if rollout.is_active]
    if len(active) > 1:
        raise UsageError(f"Several rollouts are active: name one of {', '.join(one.rollout_id for one in active)}.")
    if not rollouts:
        raise NotFoundError("There is no rollout yet: bondx rollout start MODEL VERSION.")
    return (active or list(rollouts))[-1]


def _progress(rollout: "Rollout", *, absence: str | None) -> str:
    """Spell the state of a rollout in one line."""
    facts = _in_words(summary(rollout))
    head = f"{rollout.rollout_id} {rollout.model} {rollout.stable} -> {rollout.candidate}  {facts['phase']}"
    if not rollout.is_active:
        verdict = rollout.observed.events[-1].reason if rollout.observed.events else ""
        return f"{head}{f': {verdict}' if verdict else ''}"
    step = f", step {facts['step']} of {facts['n_steps']}, {100 * rollout.share:g}% of the requests"
    note = "; waiting for a person: bondx rollout resume, promote or abort" if rollout.needs_resuming else ""
    note = f": {rollout.observed.problem}" if rollout.is_stuck else note
    return f"{head}{step}{note}{f'; not judged: {absence}' if absence else ''}"


def start_rollout(args: argparse.Namespace) -> int:
    """Plan a rollout by the policy, print its effects, and start it."""
    from console.cli.output import print_json, print_table, printable
    from core.errors import RefusedError
    from core.rollout import Rollouts

    workspace = open_workspace(args)
    rollouts = Rollouts(workspace)
    proposal = rollouts.plan(args.model, args.version, Strategy(args.strategy), share=args.share, actor=person())
    if args.dry_run and args.json:
        print_json(proposal)
    elif not args.json:
        gates = [{"gate": gate.name, "verdict": gate.verdict, "reason": gate.reason} for gate in proposal.gates]
        if gates:
            print_table(gates, ("gate", "verdict", "reason"), empty="")
        for effect in proposal.effects:
            print(printable(effect))
    if not proposal.allowed:
        raise RefusedError(proposal.refusal or f"{args.model} {args.version} cannot be rolled out")
    if args.dry_run:
        return ExitCode.GOOD
    rollout = rollouts.start(proposal, actor=person(), reason=args.reason)
    _warn_without_engine(workspace, f"{rollout.rollout_id} has started")
    if args.json:
        print_json(rollout)
    else:
        print(f"{rollout.rollout_id} has started; to follow it: bondx rollout show {rollout.rollout_id}")
        print(f"  to undo: bondx rollout abort {rollout.rollout_id}. {printable(proposal.undo)}")
    return ExitCode.GOOD


def request_change(args: argparse.Namespace) -> int:
    """Write the desired state of a rollout."""
    from core.registry.planning import reason_against
    from core.rollout import DesiredRollout, Rollouts

    workspace = open_workspace(args)
    rollouts = Rollouts(workspace)
    ask = {
        "hold": rollouts.hold,
        "resume": rollouts.resume,
        "advance": rollouts.advance,
        "promote": rollouts.promote_now,
        "abort": rollouts.abort,
    }[args.verb]
    more = {}
    if args.verb == "promote":
        meant = rollouts.requestable(args.named, DesiredRollout.PROMOTE_NOW)
        version = f"{meant.model} {meant.candidate}"
        reason_against(rollouts.verdict_against(meant), version, args.reason, args.override)  # refused before it asks
        require_typed(meant.model, meant.candidate, yes=args.yes)
        more = {"override": args.override}
    rollout = ask(args.named, actor=person(), reason=args.reason, **more)
    if args.verb != "abort":  # an abort needs no engine
        _warn_without_engine(workspace, f"{rollout.rollout_id}: {args.verb} requested")
    if not args.json:
        print(_outcome_of(rollout, args.verb, absence=absence_of(workspace)), end="\n\n")
    return _print_rollout(workspace, rollout, as_json=args.json)


def _outcome_of(rollout: "Rollout", verb: str, *, absence: str | None) -> str:
    """Report a request; the facts below do not show yet how the engine acts on it."""
    if verb != "abort":
        how = f"it waits: {absence}" if absence else "the engine carries it out"
        return f"{rollout.rollout_id}: {verb} requested; {how}."
    how, end = ("being aborted", "ends once the engine answers") if rollout.is_active else ("aborted", "has ended")
    return (
        f"{rollout.rollout_id} is {how}: {rollout.stable} answers all requests as soon as the servers see it, and the "
        f"rollout {end}."
    )


def _warn_without_engine(workspace: "Workspace", done: str) -> None:
    from console.cli.output import complain

    if (why := why_nothing_happens(workspace, "bondx run --headless --no-session, or bondx")) is not None:
        complain(f"{done}, but {why}")


def _print_rollout(workspace: "Workspace", rollout: "Rollout", *, as_json: bool) -> int:
    from console.cli.output import print_facts, print_json, print_table, printable
    from core.rollout.later_denied import as_shown

    rollout = as_shown(workspace, rollout)
    if as_json:
        print_json(rollout)
        return ExitCode.GOOD
    observed, facts = rollout.observed, summary(rollout)
    if observed.verdict is not None:
        facts |= {"verdict": observed.verdict.outcome, "reason": observed.verdict.reason}
    facts |= {"policy_sha256": rollout.policy_sha256, "policy_files": rollout.policy_files}
    facts |= {"deadline_at": observed.deadline_at, "n_stable": observed.evidence.n_stable}
    facts |= {"n_candidate": observed.evidence.n_candidate, "risks": rollout.plan.risks_text}
    print_facts(_in_words(facts))
    is_over = not rollout.is_active
    found = [_cells(reading, is_over=is_over) for reading in (*observed.readings, *observed.slices)]
    if found:
        print()
        print_table(found, tuple(found[0]), empty="")
    if rollout.is_active and rollout.expected:
        print()
        print("\n".join(map(printable, rollout.expected)))
    if observed.disagreement:
        print()
        differing = [
            {
                "answers differ on": each.subject,
                "rows": each.n,
                "share": each.share_different,
                "class_changed": each.share_class_changed,
                "mean": each.mean,
                "p95": each.p95,
            }
            for each in observed.disagreement
        ]
        print_table(differing, tuple(differing[0]), empty="")
    print()
    events = [
        {"at": event.at, "event": event.verb.removeprefix("rollout."), "by": event.by, "reason": event.reason}
        for event in reversed(observed.events)
    ]
    print_table(events, ("at", "event", "by", "reason"), empty="no event yet")
    return ExitCode.GOOD


def _cells(reading: "GuardReading", *, is_over: bool) -> dict[str, object]:
    return {
        "guard": reading.guard,
        "stable": reading.stable_value,
        "candidate": reading.candidate_value,
        "effect": reading.effect,
        "low": reading.low,
        "high": reading.high,
        "n_stable": reading.n_stable,
        "n_candidate": reading.n_candidate,
        "callers_stable": reading.callers_stable,
        "callers_candidate": reading.callers_candidate,
        "verdict": reading.verdict,
        "eta_seconds": reading.eta_seconds,
        "not_excluded": reading.cannot_exclude,
        "reason": reading.said(is_over=is_over).removeprefix(f"{reading.guard}: "),
    }
