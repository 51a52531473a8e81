"""The present keys of verbs, for sentences that name a key: the settings may have bound others (`console.keys`)."""

import re
from collections.abc import Mapping

_USUAL = {
    "alerts.acknowledge": "K",
    "alerts.resolve": "X",
    "console.command": ":",
    "console.freeze": "p",
    "console.help": "?",
    "console.logs": "l",
    "console.quit": "q",
    "console.reverse": "i",
    "console.shift": "h",
    "console.sort": "s",
    "console.toggle_writes": "!",
    "console.why": "w",
    "registry.canary": "C",
    "registry.compare": "c",
    "registry.fold": "f",
    "registry.mark": "Space",
    "registry.roll_back_version": "R",
    "registry.tree": "t",
    "registry.undo": "U",
    "retrainings.approve": "P",
    "retrainings.cancel": "A",
    "retrainings.hold_or_resume_retraining": "H",
    "registry.retrain": "T",
    "rollouts.abort": "A",
    "rollouts.advance": "P",
    "rollouts.hold_or_resume": "H",
    "runs.compare": "c",
    "runs.mark": "Space",
    "registry.promote": "P",
    "stress.run_stress": "S",
    "stress.severity": "m",
    "training.charts": "v",
    "training.pause_or_resume": "H",
    "training.start_or_stop": "S",
}
"""The keys without settings, of the verbs that sentences name; a test compares them with the verbs."""
_VERB_ID = re.compile(r"\{([a-z]+\.[a-z_]+)\}")
_bound: dict[str, str] = {}  # a process shows one console at a time


def bind_signs(signs: Mapping[str, str]) -> None:
    """Take the keys that the settings of the console have changed.

    Args:
        signs: The changed keys as people write them, by the id of their verb.
    """
    _bound.clear()
    _bound.update(signs)


def sign_of(verb_id: str) -> str:
    """Return the present key of a verb, as people write it.

    >>> sign_of("training.start_or_stop")
    'S'
    """
    return _bound.get(verb_id) or _USUAL[verb_id]


def sign_or(verb_id: str, usual: str) -> str:
    """Return the present key of any verb, as people write it.

    Args:
        verb_id: The verb.
        usual: Its key without settings.
    """
    return _bound.get(verb_id) or usual


def with_keys(sentence: str) -> str:
    """Replace the ids of verbs in a fixed sentence by their present keys.

    >>> with_keys("{training.start_or_stop}: a new session")
    'S: a new session'
    """
    return _VERB_ID.sub(lambda found: sign_of(found[1]), sentence)
