"""What the trainer and its child say to each other: one JSON object a line, checked against a type on both sides."""

from typing import Any, BinaryIO, TypeVar

import msgspec

from core.training.convergence import EpochScore
from core.training.records import EpochRecord, FinalRecord


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag="prepare"):
    """Take up a session: build its panels and models, from its newest checkpoint where there is one."""

    settings: dict[str, Any]
    folder: str


class RunEpoch(msgspec.Struct, frozen=True, kw_only=True, tag="epoch"):
    """Draw, judge, learn, validate, and leave a checkpoint."""

    number: int


class Finish(msgspec.Struct, frozen=True, kw_only=True, tag="finish"):
    """Refit, look at the test panels once, and leave the models that ship."""


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag="prepared"):
    """The session is taken up after its last checkpoint, or at its start."""

    history: tuple[EpochScore, ...]
    record: EpochRecord | None
    checkpoint: str | None
    checkpoint_sha256: str | None
    damaged: tuple[str, ...]  # newer checkpoints that were passed over, and why
    warnings: tuple[str, ...] = ()  # what the models say of the way they are trained here


class EpochDone(msgspec.Struct, frozen=True, kw_only=True, tag="epoch_done"):
    """The epoch is measured and its checkpoint is on the disk."""

    record: EpochRecord
    checkpoint: str
    checkpoint_sha256: str
    stage_seconds: dict[str, float]  # where the time went


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The models that ship are on the disk."""

    record: FinalRecord


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The work could not be done.

    `kind` is "refused" when settings or models are wrong, "environment" when a library cannot be loaded (neither can
    succeed at a later attempt), "memory" when memory ran out, "error" otherwise.
    """

    kind: str
    reason: str
    details: str


ChildRequest = Prepare | RunEpoch | Finish
ChildReply = Prepared | EpochDone | Finished | Failed

REQUESTS: msgspec.json.Decoder[ChildRequest] = msgspec.json.Decoder(ChildRequest)
REPLIES: msgspec.json.Decoder[ChildReply] = msgspec.json.Decoder(ChildReply)

M = TypeVar("M")


def send(stream: BinaryIO, message: ChildRequest | ChildReply) -> None:
    """Write one message, at once.

    Raises:
        OSError: Nobody reads at the other end any more.
    """
    stream.write(msgspec.json.encode(message) + b"\n")
    stream.flush()


def receive(stream: BinaryIO, decoder: msgspec.json.Decoder[M]) -> M | None:
    """Read one message; None when the other end is closed, in the middle of a line or after one.

    Raises:
        msgspec.DecodeError: The line is not one of the messages expected.
    """
    line = stream.readline()
    return decoder.decode(line) if line.endswith(b"\n") else None
