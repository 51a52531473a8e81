"""Every verb of the console, once. A new verb needs an entry here, and nothing else outside its module.

The palette and completion use this order. In a footer, verbs that change something come first, sorted by the
screen's nouns; then those of `_IN_FOOTER`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from console.verbs import (
    access,
    alert,
    backup,
    canary,
    cluster,
    engine,
    evidence,
    explain,
    expression,
    held,
    playground,
    prune,
    retraining,
    rollout,
    run,
    saved_view,
    screens,
    session,
    shift,
    silence,
    stress,
    suspect,
    table,
    tuning,
    version,
    view,
    workspace,
)
from console.verbs.verb import Key, Noun, Verb

VERBS: tuple[Verb[Any], ...] = (
    *screens.GO,
    run.SearchRuns(),
    saved_view.ShowView(),
    version.Promote(),
    suspect.RollBackSuspect(),
    version.ROLL_BACK,
    version.UNDO,
    version.ARCHIVE,
    version.ARCHIVE_MARKED,
    version.RELEASE,
    version.REGISTER_MEMBER,
    evidence.BUILD_EVIDENCE,
    canary.Canary(),
    rollout.ADVANCE,
    held.HoldByName(),
    rollout.ABORT,
    rollout.HOLD_OR_RESUME,
    rollout.RollBackRollout(),
    rollout.UndoPromotion(),
    retraining.Retrain(),
    retraining.Approve(),
    retraining.ApproveProposal(),
    retraining.HoldOrResumeRetraining(),
    retraining.Cancel(),
    retraining.ShowRetrainings(),
    retraining.ShowLeaderboard(),
    retraining.ShowPlans(),
    retraining.Rehearse(),
    version.Diff(),
    explain.EXPLAIN,
    explain.EXPLAIN_AGAINST,
    version.Lineage(),
    session.START,
    session.PAUSE,
    held.ResumeByName(),
    session.STOP,
    session.PauseOrResume(),
    session.StartOrStop(),
    tuning.StopTuning(),
    tuning.SHOW_TRIALS,
    cluster.ShowCluster(),
    alert.Acknowledge(),
    alert.Snooze(),
    alert.Resolve(),
    alert.CommentOn(),
    silence.SilenceByMatchers(),
    silence.Expire(),
    silence.ListSilences(),
    engine.StartEngine(),
    prune.Prune(),
    backup.BACK_UP,
    shift.ShowShift(),
    access.WhoAmI(),
    stress.RUN_STRESS,
    expression.Evaluate(),
    view.ArmWrites(),
    view.Disarm(),
    view.Past(),
    view.Now(),
    view.Theme(),
    table.ChooseColumns(),
    workspace.ShowWorkspace(),
    table.Export(),
    table.ExportOver(),
    view.DETAILS,
    version.TREE,
    version.FOLD,
    version.ONLY_LIVE,
    version.COMPARE,
    playground.PLAYGROUND,
    run.COMPARE_RUNS,
    view.WHY,
    version.MARK,
    version.MARK_ALL,
    alert.MARK_ALERT,
    alert.MARK_ALL_ALERTS,
    alert.GROUP_ALERTS,
    run.MARK_RUN,
    run.SHOW_RUNS,
    view.FILTER,
    table.Sort(),
    table.ReverseOrder(),
    view.CHARTS,
    stress.SEVERITY,
    view.LOGS,
    view.Freeze(),
    view.StepBack(),
    view.StepForward(),
    view.PREVIOUS_CHANGE,
    view.NEXT_CHANGE,
    view.ZOOM,
    view.COPY,
    view.PROMPT,
    view.Help(),
    view.ToggleWrites(),
    view.BACK,
    engine.Quit(),
    view.PALETTE,
    view.REDRAW,
    view.SUSPEND,
)
COMMANDS = tuple(verb for verb in VERBS if verb.command is not None)
EVERYWHERE = tuple(verb for verb in VERBS if verb.key is not None and verb.noun is None and not verb.on)
_IN_FOOTER = (
    *("why", "details", "severity", "filter", "logs", "freeze", "step_back", "charts", "runs", "compare"),
    *("playground", "mark", "trials", "retrainings", "tree", "only_live", "fold", "mark_all", "sort", "zoom", "copy"),
    *("command", "silences"),
)
"""The verbs that only look, in the order in which an operator needs them: a narrow footer drops the last."""
_BY_NAME = {verb.name: verb for verb in VERBS}


def verb_named(name: str) -> Verb[Any]:
    """Return a verb by its name."""
    return _BY_NAME[name]


def keys_of_changes(key_of: Callable[[Verb[Any]], Key | None]) -> frozenset[str]:
    """Return the capitals that change something, on whatever screen.

    Args:
        key_of: Returns the key of a verb, as the settings have it.
    """
    keys = (key_of(verb) for verb in VERBS if verb.changes)
    return frozenset(key.display for key in keys if key is not None and key.display.isupper())


def by_need(verbs: Iterable[Verb[Any]]) -> list[Verb[Any]]:
    """Sort the verbs of a footer: those that change something first, in their order; then as they are needed.

    Args:
        verbs: The verbs that have a key on the screen.
    """
    places = {name: place for place, name in enumerate(_IN_FOOTER)}
    return sorted(verbs, key=lambda verb: -1 if verb.changes else places.get(verb.name, len(places)))


def own_verbs(screen: str, nouns: tuple[Noun[Any], ...]) -> tuple[Verb[Any], ...]:
    """Return the verbs whose keys belong to this screen's nouns, in the order of its footer.

    A key of two verbs belongs to the noun that the screen names first.

    Args:
        screen: Its name.
        nouns: Its nouns, the most important first.
    """
    nouns = (*nouns, view.ROW)
    offered = [verb for verb in VERBS if verb.key and _is_offered(verb, screen, nouns)]
    offered.sort(key=lambda verb: (0, nouns.index(verb.noun)) if verb.changes else (1, 0))
    by_key = {verb.key.keys: verb for verb in reversed(offered) if verb.key}
    return tuple(verb for verb in offered if verb.key and by_key[verb.key.keys] is verb)


def _is_offered(verb: Verb[Any], screen: str, nouns: tuple[Noun[Any], ...]) -> bool:
    if verb.on and screen not in verb.on:
        return False
    return verb.noun in nouns if verb.noun else bool(verb.on)
