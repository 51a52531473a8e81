"""The messages between the trainer and its child: one JSON object a line, checked against a type on both sides."""

from typing import Any, BinaryIO, TypeVar

import msgspec

from core.json_documents import json_decoder
from core.training.records import EpochRecord, FinalRecord, SessionModelFacts
from core.training.scores import EpochScore
from core.training.text_training import TextTraining
from core.training.tuning.records import TuningProgress


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag="prepare"):
    """Prepare a session: build its panels and models, from its newest checkpoint if there is one."""

    settings: dict[str, Any]
    folder: str
    data_folder: str = ""  # of the data sets that are kept
    text: TextTraining | None = None  # the model of language to train; None: the models of the settings


class Tune(msgspec.Struct, frozen=True, kw_only=True, tag="tune"):
    """Run the next batch of trials, or give the verdicts if none is left."""

    stop: str = ""  # why the search is to end with the trials it has


class RunEpoch(msgspec.Struct, frozen=True, kw_only=True, tag="epoch"):
    """Draw, check, learn, validate, and save a checkpoint."""

    number: int


class Finish(msgspec.Struct, frozen=True, kw_only=True, tag="finish"):
    """Refit, use the test panels once, and save the models that ship."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag="prepared"):
    """The session is ready to continue after its last checkpoint, or to start."""

    history: tuple[EpochScore, ...]  # the epochs that are in no segment of `score_history`
    n_in_segments: int = 0
    last_segment_sha256: str = ""
    record: EpochRecord | None
    checkpoint: str | None
    checkpoint_sha256: str | None
    damaged: tuple[str, ...]  # newer checkpoints that were skipped, and why
    warnings: tuple[str, ...] = ()  # the models' notes on how they are trained on this machine
    tuning: TuningProgress = TuningProgress(is_done=True)  # of the search before the first epoch, with all trials
    n_epochs: int | None = None  # the most there will be; None: as the settings say


class Tuned(msgspec.Struct, frozen=True, kw_only=True, tag="tuned"):
    """A batch of trials has ended, or the verdicts stand; its documents are on disk."""

    progress: TuningProgress


class EpochDone(msgspec.Struct, frozen=True, kw_only=True, tag="epoch_done"):
    """The epoch is measured and its checkpoint is on disk."""

    record: EpochRecord
    checkpoint: str
    checkpoint_sha256: str
    stage_seconds: dict[str, float]  # where the time went
    fit_seconds: dict[str, float] = {}  # what each model took to learn
    rates: dict[str, float] = {}  # how fast it learned, by metric; like all times no part of the record


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The models that ship are on disk."""

    record: FinalRecord
    fit_seconds: dict[str, float] = {}  # what each model took to learn for the end
    text: SessionModelFacts | None = None  # of a model of language


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The work could not be done.

    `kind` is "refused" when settings or models are wrong, "environment" when a library cannot be loaded (no retry can
    help in either case), "memory" when memory ran out, "error" otherwise.
    """

    kind: str
    reason: str
    details: str


class Working(msgspec.Struct, frozen=True, kw_only=True, tag="working"):
    """A part of the work begins; no answer."""

    part: str


ChildRequest = Prepare | Tune | RunEpoch | Finish
ChildReply = Prepared | Tuned | EpochDone | Finished | Failed
ChildMessage = ChildReply | Working

REQUESTS: msgspec.json.Decoder[ChildRequest] = json_decoder(ChildRequest)
MESSAGES: msgspec.json.Decoder[ChildMessage] = json_decoder(ChildMessage)

M = TypeVar("M")


def send(stream: BinaryIO, message: ChildRequest | ChildMessage) -> None:
    """Write one message immediately.

    Raises:
        OSError: The other end of the pipe is closed.
    """
    stream.write(msgspec.json.encode(message) + b"\n")
    stream.flush()


def receive(stream: BinaryIO, decoder: msgspec.json.Decoder[M]) -> M | None:
    """Read one message; None when the other end is closed, in the middle of a line or after one.

    Raises:
        msgspec.DecodeError: The line is not an expected message.
    """
    line = stream.readline()
    return decoder.decode(line) if line.endswith(b"\n") else None
