"""Commands of the `:` line, carried out: each opens the same dialog as its key."""

from collections.abc import Callable, Mapping

from console.app.commandline import Call
from console.context import ConsoleControls
from console.dialogs.compare import compare_versions
from console.navigation import SCREENS, open_lineage, open_runs
from console.presentation import rollout_offers
from console.presentation.rollout_offers import Ask
from core.clock import read_instant
from core.errors import NotFoundError, RefusedError, UsageError
from core.registry import ModelNotFoundError, Stage, VersionNotFoundError
from core.rollout import Rollout, Strategy
from core.tracking.search import parse
from core.training.session import Desired, Session
from themes.palettes import THEMES

Carry = Callable[[ConsoleControls, tuple[str, ...]], None]


def carry_out(app: ConsoleControls, call: Call) -> None:
    """Do what a command line says.

    Raises:
        CoreError: It names something that is not there, or writes are not allowed now.
    """
    if call.command in {name for _, name, _ in SCREENS}:
        app.call_next(app.action_go, call.command)
    elif call.command in _CHANGES:
        if (refused := app.refusal) is not None:
            raise RefusedError(refused)
        _CHANGES[call.command](app, call.arguments)
    else:
        _LOOKS[call.command](app, call.arguments)


def _promote(app: ConsoleControls, words: tuple[str, ...]) -> None:
    model, version, *rest = words
    stage = _stage(rest[0]) if rest else None
    app.changes.promote(model, version, stage)


def _stage(word: str) -> Stage:
    for stage in Stage:
        if stage.lower() == word.lower():
            return stage
    raise UsageError(f"There is no stage {word}. Stages to choose from: {', '.join(Stage)}.")


def _rollback(app: ConsoleControls, words: tuple[str, ...]) -> None:
    app.changes.roll_back(words[0])


def _undo(app: ConsoleControls, words: tuple[str, ...]) -> None:
    app.changes.undo(words[0])


def _archive(app: ConsoleControls, words: tuple[str, ...]) -> None:
    app.changes.archive(words[0], words[1])


def _session(app: ConsoleControls, session_id: str) -> Session:
    if (session := app.snapshot.session(session_id)) is None:
        known = ", ".join(session.session_id for session in app.snapshot.sessions) or "none yet"
        raise NotFoundError(f"There is no session {session_id}. Sessions to choose from: {known}.")
    return session


def _ask_session(desired: Desired) -> Carry:
    return lambda app, words: app.changes.ask_session(_session(app, words[0]), desired)


def _canary(app: ConsoleControls, words: tuple[str, ...]) -> None:
    model, version, *rest = words
    strategy = rest[0] if rest else Strategy.CANARY
    if strategy not in list(Strategy):
        raise UsageError(f"There is no strategy {strategy}. Strategies to choose from: {', '.join(Strategy)}.")
    app.changes.start_rollout(model, version, Strategy(strategy))


def _rollout(app: ConsoleControls, rollout_id: str) -> Rollout:
    if (rollout := app.snapshot.rollout(rollout_id)) is None:
        known = ", ".join(rollout.rollout_id for rollout in app.snapshot.rollouts) or "none yet"
        raise NotFoundError(f"There is no rollout {rollout_id}. Rollouts to choose from: {known}.")
    return rollout


def _ask_rollout(app: ConsoleControls, rollout: Rollout, ask: Ask) -> None:
    if (refused := rollout_offers.refusal(rollout, ask)) is not None:
        raise RefusedError(refused)
    app.changes.ask_rollout(rollout, ask)


def _advance(app: ConsoleControls, words: tuple[str, ...]) -> None:
    rollout = _rollout(app, words[0])
    _ask_rollout(app, rollout, rollout_offers.step_ask(rollout))


def _resume(app: ConsoleControls, words: tuple[str, ...]) -> None:
    if words[0].startswith("ro-"):
        _ask_rollout(app, _rollout(app, words[0]), Ask.RESUME)
    else:
        _ask_session(Desired.RUNNING)(app, words)


def _acknowledge(app: ConsoleControls, words: tuple[str, ...]) -> None:
    alert = next((alert for alert in app.snapshot.alerts if alert.fingerprint == words[0]), None)
    if alert is None:
        raise NotFoundError(f"There is no alert {words[0]}. Press 5 to see those there are.")
    app.changes.acknowledge(alert)


def _engine(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    if app.snapshot.engine is not None:
        holder = app.snapshot.engine
        raise RefusedError(f"An engine runs already: {holder.mode}, {holder.user}@{holder.host}.")
    app.host.start()


def _arm(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    if not app.standing.armed:
        app.toggle_arm()


def _disarm(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    if app.standing.armed:
        app.toggle_arm()


def _theme(app: ConsoleControls, words: tuple[str, ...]) -> None:
    app.theme = theme_named(words[0])


def theme_named(word: str) -> str:
    """Find a theme by its name, the prefix left out or not.

    Raises:
        UsageError: There is none.

    >>> theme_named("dark")
    'bondx-dark'
    """
    for name in (word, f"bondx-{word}"):
        if name in THEMES:
            return name
    raise UsageError(f"There is no theme {word}. Themes to choose from: {', '.join(THEMES)}.")


def _diff(app: ConsoleControls, words: tuple[str, ...]) -> None:
    compare_versions(app, words[0], words[1], words[2])


def _lineage(app: ConsoleControls, words: tuple[str, ...]) -> None:
    model, word = (*words, None, None)[:2]
    if model is not None:
        versions = [version.version for version in app.snapshot.versions if version.model == model]
        if not versions:
            raise ModelNotFoundError(model, [known.model for known in app.snapshot.models])
        aliases = {f"@{alias.alias}": alias.version for alias in app.snapshot.aliases if alias.model == model}
        word = aliases.get(word or "", word)
        if word is not None and word not in versions:
            raise VersionNotFoundError(model, word, versions)
    app.call_next(open_lineage, app, model, word)


def _runs(app: ConsoleControls, words: tuple[str, ...]) -> None:
    expression = words[0] if words else ""
    if expression:
        parse(expression)  # what cannot be read is said before anything moves
    app.call_next(open_runs, app, expression)


def _past(app: ConsoleControls, words: tuple[str, ...]) -> None:
    app.playback.go(read_instant(words[0], app.clock()))


def _now(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    if app.frozen_at is not None:
        app.toggle_freeze()


def _help(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    if (screen := app.shown_screen()) is not None:
        screen.action_help()


def _quit(app: ConsoleControls, _words: tuple[str, ...]) -> None:
    app.leave()


_CHANGES: Mapping[str, Carry] = {
    "promote": _promote,
    "rollback": _rollback,
    "undo": _undo,
    "archive": _archive,
    "canary": _canary,
    "advance": _advance,
    "hold": lambda app, words: _ask_rollout(app, _rollout(app, words[0]), Ask.HOLD),
    "abort": lambda app, words: _ask_rollout(app, _rollout(app, words[0]), Ask.ABORT),
    "start": lambda app, _words: app.changes.start_session(),
    "pause": _ask_session(Desired.PAUSED),
    "resume": _resume,
    "stop": _ask_session(Desired.STOPPED),
    "acknowledge": _acknowledge,
    "engine": _engine,
}
_LOOKS: Mapping[str, Carry] = {
    "diff": _diff,
    "lineage": _lineage,
    "arm": _arm,
    "disarm": _disarm,
    "runs": _runs,
    "past": _past,
    "now": _now,
    "theme": _theme,
    "help": _help,
    "quit": _quit,
}
