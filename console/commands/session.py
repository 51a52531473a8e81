"""`bondx session`: training sessions. A verb writes the desired state; the engine acts on it and reports."""

import argparse
from typing import TYPE_CHECKING

from console.cli.waiting import add_timeout_argument
from console.commands.opening import (
    Subparsers,
    absence_of,
    add_json_argument,
    add_reason_argument,
    add_request_parsers,
    command_parser,
    noun_parser,
    open_workspace,
    person,
    why_nothing_happens,
)
from console.commands.typed_numbers import count
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings import TrainingSettings
    from core.state import Workspace
    from core.training.records import EpochRecord
    from core.training.session import Session
    from core.training.text_training import TextTraining

_AGENT_COLUMNS = (
    *("agent", "session", "phase", "epoch", "best_score"),
    *("cpu_seconds", "priority", "weight", "registered"),
)

REQUESTS = {
    "pause": ("paused", "pause after the current epoch"),
    "resume": ("running", "resume where it paused"),
    "stop": ("stopped", "stop after the current epoch and keep the checkpoint"),
}


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "session", help="list and control training sessions")
    listing = command_parser(verbs, "list", help="every session, newest first")
    add_json_argument(listing)
    listing.set_defaults(command=list_sessions)
    show = command_parser(verbs, "show", help="one session with its settings, gates and metrics")
    show.add_argument("session_id", metavar="SESSION")
    show.add_argument("--epoch", type=count, metavar="N", help="the report of an epoch instead of the whole session")
    show.add_argument(
        "--by",
        metavar="NAME",
        help="scores by slice, such as sector (default epoch: the last)",
    )
    add_json_argument(show)
    show.set_defaults(command=show_session)
    wait = command_parser(
        verbs, "wait", help="wait until a session ends: exit code 0 if it finished, 1 if it failed or was stopped"
    )
    wait.add_argument("session_id", metavar="SESSION", nargs="?", help="default: the session at work, else the newest")
    add_timeout_argument(wait)
    add_json_argument(wait)
    wait.set_defaults(command=wait_for_session)
    start = command_parser(verbs, "start", help="queue a session for the engine of this workspace")
    add_training_arguments(start)
    add_reason_argument(start)
    add_json_argument(start)
    start.set_defaults(command=start_session)
    trials = command_parser(verbs, "trials", help="the trials of a session's search of parameters, the best first")
    trials.add_argument("session_id", metavar="SESSION")
    trials.add_argument("--model", metavar="NAME", help="only the trials of this model")
    trials.add_argument("--by", metavar="PARAMETER", help="sort by a parameter instead: how the loss depends on it")
    add_json_argument(trials)
    trials.set_defaults(command=list_trials)
    stop_tuning = command_parser(verbs, "stop-tuning", help="end the search of parameters with the trials it has")
    stop_tuning.add_argument("session_id", metavar="SESSION")
    add_reason_argument(stop_tuning)
    add_json_argument(stop_tuning)
    stop_tuning.set_defaults(command=stop_tuning_of)
    consequences = {verb: consequence for verb, (_, consequence) in REQUESTS.items()}
    add_request_parsers(verbs, consequences, target="SESSION", command=request_change)


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Accept the settings of a session."""
    parser.add_argument("--epochs", type=count, metavar="N", help="maximum number of epochs (overrides max_epochs)")
    parser.add_argument("--domain", metavar="NAME", help="train on this domain, with its own defaults")
    parser.add_argument("--name", default="", help="a name for the session")
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="the experiment of its run (overrides experiment_name; default: the domain)",
    )
    parser.add_argument(
        "--agents",
        metavar="BY",
        help="a session for each model, algorithm, sector or commodity under one parent (overrides agents.by)",
    )
    parser.add_argument(
        "--text",
        metavar="MODEL",
        help="train the model of language of text_model instead, and register it as this model",
    )


def summary(session: "Session") -> dict[str, object]:
    """Flatten a session to the row of a list."""
    observed = session.observed
    return {
        "session_id": session.session_id,
        "name": session.name,
        "text_model": session.text.model if session.text is not None else None,
        "experiment": session.experiment,
        "parent": session.parent or None,
        "agents": len(session.children) or None,
        "desired": session.desired,
        "phase": observed.phase,
        "epoch": observed.epoch,
        "n_epochs": observed.n_epochs,
        "score": observed.score,
        "best_score": observed.best_score,
        "diverged": observed.diverged,
        "created_at": session.created_at,
        "created_by": session.created_by,
        "stop_reason": observed.stop_reason,
        "last_failure": observed.failure or None,
    }


def list_sessions(args: argparse.Namespace) -> int:
    """Print every session, agents below their parent."""
    from console.cli.output import print_json, print_table
    from core.training.agents.tree import in_tree
    from core.training.sessions import Sessions

    sessions = sorted(Sessions(open_workspace(args)).all(), key=lambda session: session.created_at, reverse=True)
    places = in_tree(sessions)
    rows = [summary(session) for session, _ in places]
    if args.json:
        print_json(rows)
    else:
        for row, (session, depth) in zip(rows, places, strict=True):
            row["session_id"] = "  " * depth + session.session_id
            row["name"] = session.title
        columns = (
            "session_id",
            "name",
            "phase",
            "epoch",
            "n_epochs",
            "score",
            "best_score",
            "created_at",
            "created_by",
        )
        print_table(rows, columns, empty="no session yet: bondx session start, or bondx run")
    return ExitCode.GOOD


def show_session(args: argparse.Namespace) -> int:
    """Print one session, or one of its epochs."""
    from core.training.sessions import Sessions

    workspace = open_workspace(args)
    session = Sessions(workspace).get(args.session_id)
    if args.epoch is None and args.by is None:
        return _print_session(workspace, session, as_json=args.json, agents=Sessions(workspace).children(session))
    from core.explain.deny_list import DenyList
    from core.training.later_denied import epoch_as_shown
    from core.training.session_files import SessionFiles

    record = SessionFiles(workspace).epoch(session, args.epoch or session.observed.epoch)
    record = epoch_as_shown(record, DenyList.in_force(workspace.root))
    return _print_epoch(record, as_json=args.json) if args.by is None else _print_slices(record, args.by, args.json)


def wait_for_session(args: argparse.Namespace) -> int:
    """Wait for the end of a session."""
    from console.cli.waiting import print_outcome, wait_for
    from core.errors import NotFoundError
    from core.training.later_denied import session_as_shown
    from core.training.session import SessionPhase
    from core.training.sessions import Sessions

    workspace = open_workspace(args)
    sessions = Sessions(workspace)
    session_id = args.session_id
    if session_id is None:
        known = [session for session in sessions.all() if not session.parent]
        if not known:
            raise NotFoundError("There is no session to wait for: bondx session start, or bondx run.")
        session_id = next((one for one in known if not one.has_ended), known[-1]).session_id
    ended = wait_for(
        workspace,
        lambda: sessions.get(session_id),
        describe=lambda session: _progress(session, absence=absence_of(workspace)),
        has_ended=lambda session: session.has_ended,
        timeout_seconds=args.timeout,
    )
    return print_outcome(
        session_as_shown(workspace, ended),
        _progress(ended, absence=absence_of(workspace)),
        has_ended=ended.has_ended,
        is_success=ended.observed.phase is SessionPhase.FINISHED,
        as_json=args.json,
    )


def _progress(session: "Session", *, absence: str | None) -> str:
    """Spell the state of a session in one line."""
    from console.presentation.phrases import end_reason
    from console.presentation.sessions import reached

    observed = session.observed
    score = f", score {observed.score:.4f}" if observed.score is not None else ""
    failure = observed.failure if observed.phase == "failed" else ""
    reason = ": ".join(filter(None, (end_reason(observed.stop_reason or ""), failure)))
    why = f": {reason}" if reason and session.has_ended else ""
    waits = "" if absence is None or session.has_ended else f"; waiting: {absence}"
    return f"{session.session_id} {observed.phase}, {reached(session)}{score}{why}{waits}"


def start_session(args: argparse.Namespace) -> int:
    """Queue a session; the running engine starts it immediately, else the next engine does."""
    from console.cli.output import complain
    from core.training.session_domain import announcements

    workspace = open_workspace(args)
    session = start_from_arguments(args)
    for sentence in () if session.text is not None else announcements(session.training):
        complain(sentence)
    if (why := why_nothing_happens(workspace, "bondx run --headless, or bondx")) is not None:
        complain(f"{session.session_id} is queued, but {why}")
    return _print_session(workspace, session, as_json=args.json)


def start_from_arguments(args: argparse.Namespace) -> "Session":
    """Queue a session with the settings of the arguments."""
    from core.training.sessions import Sessions

    settings, text = training_settings(args), text_of(args)
    reason = getattr(args, "reason", "")
    return Sessions(open_workspace(args)).start(settings, name=args.name, actor=person(), reason=reason, text=text)


def text_of(args: argparse.Namespace) -> "TextTraining | None":
    """Return the model of language that is to be trained, if one is: `text_model`, under the flags."""
    if args.text is None:
        return None
    import msgspec

    from core.settings import settings_in_force
    from core.training.text_training import text_training

    if args.agents is not None:
        raise UsageError("--agents divides the models of a session, and --text trains one model: leave one out.")
    text_model = settings_in_force(open_workspace(args).root).text_model
    flags = {"epochs": args.epochs, "domain": args.domain}
    given = {name: value for name, value in flags.items() if value is not None}
    return text_training(args.text, msgspec.structs.replace(text_model, **given))


def training_settings(args: argparse.Namespace) -> "TrainingSettings":
    """Merge the settings: the flags override `--config`, which overrides the workspace's."""
    import msgspec

    from core.settings import settings_in_force

    training = settings_in_force(open_workspace(args).root).training
    if args.domain is not None and args.text is None:
        from core.training.session_domain import on_domain

        training = on_domain(training, args.domain)
    flags = {"max_epochs": args.epochs if args.text is None else None, "experiment_name": args.experiment}
    given = {name: value for name, value in flags.items() if value is not None}
    if args.agents is not None and args.agents != training.agents.by:
        from core.settings.agents import AgentsSettings

        given["agents"] = AgentsSettings(by=args.agents, at_once=training.agents.at_once)
    return msgspec.structs.replace(training, **given)


def request_change(args: argparse.Namespace) -> int:
    """Write the desired state of a session."""
    from core.training.session import DesiredSession
    from core.training.sessions import Sessions

    desired, _ = REQUESTS[args.verb]
    workspace = open_workspace(args)
    session = Sessions(workspace).request(args.named, DesiredSession(desired), actor=person(), reason=args.reason)
    return _print_session(workspace, session, as_json=args.json)


def stop_tuning_of(args: argparse.Namespace) -> int:
    """Let a search of parameters end."""
    from core.training.sessions import Sessions

    workspace = open_workspace(args)
    session = Sessions(workspace).stop_tuning(args.session_id, actor=person(), reason=args.reason)
    return _print_session(workspace, session, as_json=args.json)


def list_trials(args: argparse.Namespace) -> int:
    """Print the trials of a session, a table for each model: losses of different models are of different units."""
    from console.cli.output import print_json, print_table
    from core.training.session_files import SessionFiles
    from core.training.sessions import Sessions
    from core.training.tuning.trial_rows import sorted_trials, trial_row

    workspace = open_workspace(args)
    session = Sessions(workspace).get(args.session_id)
    trials = sorted_trials(SessionFiles(workspace).trials(session, model=args.model), by=args.by)
    if args.json:
        print_json(trials)
        return ExitCode.GOOD
    for number, model in enumerate(dict.fromkeys(each.model for each in trials)):
        rows = [trial_row(each.trial) for each in trials if each.model == model]
        columns = dict.fromkeys(name for row in rows for name in row)
        standing = next((each for each in session.observed.tuning.standings if each.model == model), None)
        print(f"{chr(10) if number else ''}{model}{f': {standing.why}' if standing and standing.why else ''}")
        print_table(rows, tuple(columns), empty="")
    return ExitCode.GOOD


def _print_epoch(record: "EpochRecord", *, as_json: bool) -> int:
    from console.cli.output import print_facts, print_json
    from core.training.epoch_slices import slicings

    if as_json:
        print_json(record)
        return ExitCode.GOOD
    facts: dict[str, object] = {
        "epoch": record.epoch,
        "skipped": record.refusal or None,
        "score": record.score,
        "quality_score": record.quality_score,
        "n_learned_rows": record.n_learned_rows,
        "n_holdout_rows": record.n_holdout_rows,
        "scores by slice": ", ".join(f"--by {name}" for name in slicings(record.slices)) or None,
    }
    facts |= {f"gate {gate.name}": f"{gate.verdict} ({gate.sentence}), {gate.basis}" for gate in record.gates}
    if record.text is not None:
        facts |= {"step": f"{record.text.step} of {record.text.n_steps}", **_samples(record.text.samples)}
    print_facts(facts | dict(sorted(record.metrics.items())))
    return ExitCode.GOOD


def _print_slices(record: "EpochRecord", by: str, as_json: bool) -> int:
    """Print a table for each model: models of different tasks have different scores."""
    from console.cli.output import print_json, print_table
    from core.training.epoch_slices import scores_by

    found = scores_by(record.slices, by)
    if as_json:
        print_json(found)
        return ExitCode.GOOD
    for number, model in enumerate(dict.fromkeys(each.model for each in found)):
        rows = [each for each in found if each.model == model]
        scores = list(dict.fromkeys(score for each in rows for score in each.scores))
        print(f"{chr(10) if number else ''}{model}, epoch {record.epoch}")
        print_table(
            [{by: each.level, "n_rows": each.n_rows} | each.scores for each in rows], (by, "n_rows", *scores), empty=""
        )
    return ExitCode.GOOD


def _print_session(
    workspace: "Workspace", session: "Session", *, as_json: bool, agents: "Sequence[Session]" = ()
) -> int:
    from console.cli.output import print_facts, print_json, print_section, print_table
    from core.training.later_denied import session_as_shown
    from core.training.tuning.trial_rows import told_standing
    from core.training.tuning.words import told_selection

    session = session_as_shown(workspace, session)
    if as_json:
        print_json(session)
        return ExitCode.GOOD
    observed = session.observed
    facts = summary(session) | {"run_id": session.run_id, "registered": observed.registered}
    if not observed.phase.is_at_rest:
        standing = {True: "met", False: "open"}
        facts |= {f"until {each.name}": f"{standing[each.is_met]}, {each.text}" for each in observed.criteria}
    facts |= {f"columns {each.model}": told_selection(each) for each in observed.tuning.selections}
    facts |= {f"tuning {each.model}": told_standing(each) for each in observed.tuning.standings}
    facts |= {f"gate {gate.name}": f"{gate.verdict} ({gate.sentence}), {gate.basis}" for gate in observed.gates}
    facts |= _samples(observed.samples)
    if session.children:
        facts["cpu_seconds"] = round(observed.cpu_seconds, 1)
    if (agent := session.agent) is not None:
        facts |= {"agent": agent.name, "priority": agent.priority, "weight": agent.weight, "nice": agent.niceness}
        facts |= {"memory_limit_mb": agent.memory_limit_mb or None, "cpu_seconds": round(observed.cpu_seconds, 1)}
    print_facts(facts | dict(sorted(observed.metrics.items())))
    if agents:
        print()
        print_table([_agent_row(each) for each in agents], _AGENT_COLUMNS, empty="")
    for section in observed.sections:
        print()
        print_section(section)
    return ExitCode.GOOD


def _samples(samples: "Sequence[str]") -> dict[str, object]:
    """Name what a model of language wrote."""
    return {f"sample {number}": text for number, text in enumerate(samples, start=1)}


def _agent_row(session: "Session") -> dict[str, object]:
    agent, observed = session.agent, session.observed
    limits = {} if agent is None else {"priority": agent.priority, "weight": agent.weight}
    return {
        "agent": session.name,
        "session": session.session_id,
        "phase": observed.phase,
        "epoch": f"{observed.epoch}/{observed.n_epochs}",
        "best_score": observed.best_score,
        "cpu_seconds": round(observed.cpu_seconds, 1),
        **limits,
        "registered": ", ".join(observed.registered) or None,
    }
