"""Names of a workspace for completion: models, versions, sessions, runs, rollouts, retrainings, alerts, silences.

They are read from the state files as they are, of each document the few fields that are shown. Nothing is written, no
lock is taken, and no store is opened.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from console.cli.completion.expected import Candidate
from core.errors import CoreError
from core.json_documents import json_decoder
from core.state.generation import load

MOST = 200
"""How many names are offered at most, the newest; a longer list helps nobody choose."""

_PLAIN = re.compile(r"[\w.@:/+][\w.@:/+-]*", re.ASCII)
"""What a shell takes as it stands: anything else could be read by it as a command."""


class _Document(msgspec.Struct, frozen=True):
    """The fields of any document that name it or say what it is."""

    model: str = ""
    version: str = ""
    stage: str = ""
    session_id: str = ""
    run_id: str = ""
    rollout_id: str = ""
    retraining_id: str = ""
    name: str = ""
    fingerprint: str = ""
    rule: str = ""
    state: str = ""
    silence_id: str = ""
    comment: str = ""


class _Source(NamedTuple):
    """Where names are stored."""

    database: str
    table: str
    candidate: Callable[[_Document], Candidate]


_MODELS = _Source("registry", "models", lambda it: Candidate(it.model, "model"))
_VERSIONS = _Source("registry", "versions", lambda it: Candidate(it.version, it.stage))
_FULL_VERSIONS = _Source("registry", "versions", lambda it: Candidate(f"{it.model}@{it.version}", it.stage))
_SESSIONS = _Source("sessions", "sessions", lambda it: Candidate(it.session_id, it.name))
_RUNS = _Source("runs", "runs", lambda it: Candidate(it.run_id, it.name))
_ROLLOUTS = _Source("registry", "rollouts", lambda it: Candidate(it.rollout_id, it.model))
_RETRAININGS = _Source("retraining", "retrainings", lambda it: Candidate(it.retraining_id, it.model))
_ALERTS = _Source("alerts", "alerts", lambda it: Candidate("" if it.state == "resolved" else it.fingerprint, it.rule))
_SILENCES = _Source("silences", "silences", lambda it: Candidate(it.silence_id, it.comment))

SOURCES: Mapping[str, tuple[_Source, ...]] = {
    "MODEL": (_MODELS,),
    "MODEL[@VERSION]": (_MODELS, _FULL_VERSIONS),
    "VERSION": (_VERSIONS,),
    "V": (_VERSIONS,),
    "SESSION": (_SESSIONS,),
    "RUN": (_RUNS,),
    "ROLLOUT|MODEL": (_ROLLOUTS, _MODELS),
    "RETRAINING|MODEL": (_RETRAININGS, _MODELS),
    "ALERT": (_ALERTS,),
    "SILENCE": (_SILENCES,),
}
"""By the metavar of the argument."""


def names_for(action: argparse.Action, given: Mapping[str, str], root: Path) -> Iterator[Candidate]:
    """Return the names that a workspace has for an argument, the newest first.

    Args:
        action: The argument.
        given: What was given for the others; versions are those of its model.
        root: The workspace, which need not exist.
    """
    metavar = action.metavar if isinstance(action.metavar, str) else ""
    sources = (_MODELS,) if metavar == "NAME" and action.dest == "model" else SOURCES.get(metavar, ())
    for source in sources:
        for document in _documents(root / "state" / f"{source.database}.json", source.table):
            candidate = source.candidate(document)
            is_of_model = source is not _VERSIONS or document.model == given.get("model", document.model)
            if is_of_model and _PLAIN.fullmatch(candidate.word):
                yield candidate


def _documents(file: Path, table: str) -> Iterator[_Document]:
    """Read the documents of a table, the newest first; a file that cannot be read has none to offer."""
    if not file.is_file():
        return
    decoder = json_decoder(_Document)
    try:
        stored = load(file).tables.get(table, {})
        for document in reversed(stored.values()):
            yield decoder.decode(document.read())
    except (CoreError, OSError, msgspec.MsgspecError):
        return
