"""One of the processes of a training with several: it reads its order from standard input, and trains.

The first one tells each evaluation on standard output. They end with the process that started them, whose end they see
as that of their standard input; `core.text.rank_processes` is the other end.
"""

import os
import resource
import sys
import threading
from pathlib import Path

import msgspec

from core.errors import CoreError, ExitCode
from core.json_documents import decode_json
from core.settings.text_model import TextModelSettings
from core.text.model_folder import TextModelManifest
from core.text.prepared import TextProgress
from core.text.ranks import RankLostError, RankPlace


class RankOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has to train, and in which place."""

    settings: TextModelSettings
    folder: str
    place: RankPlace


class RankProgress(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An evaluation, as the first process tells it."""

    progress: TextProgress


class RankDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The training has ended."""

    manifest: TextModelManifest


class RankFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The training cannot go on.

    Attributes:
        problem: Why.
        exit_code: That of the error.
        is_lost: Whether another process is the cause.
    """

    problem: str
    exit_code: int
    is_lost: bool


RankAnswer = RankProgress | RankDone | RankFailed


def main() -> int:
    """Train."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not look like an answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    order = decode_json(sys.stdin.buffer.readline(), RankOrder)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(answer: RankAnswer) -> None:
        content = msgspec.json.encode(answer) + b"\n"
        while content:
            content = content[os.write(answers, content) :]

    from core.text.training_by_one import train_at

    def report(progress: TextProgress) -> None:
        if order.place.is_first:
            tell(RankProgress(progress=progress))

    try:
        tell(RankDone(manifest=train_at(order.settings, Path(order.folder), order.place, report)))
    except CoreError as error:
        is_lost = isinstance(error, RankLostError)
        tell(RankFailed(problem=str(error), exit_code=error.exit_code, is_lost=is_lost))
        return int(error.exit_code)
    return ExitCode.GOOD


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(ExitCode.INTERRUPTED)  # a half-written checkpoint has no name yet


if __name__ == "__main__":
    os._exit(main())  # threads of gloo have nothing to clean up that is worth waiting for
