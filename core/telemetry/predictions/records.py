"""The stored fields of a prediction and of an outcome."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from core.losses import AnswerForm

_UNKNOWN = AnswerForm()


class Arm(StrEnum):
    """The side of a rollout that made a prediction."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    SHADOW = "shadow"  # made by the candidate on a copy of the request; the answer is not sent
    STABLE_COPY = "stable_copy"  # made by the stable version on a copy of a request that the candidate answered

    @property
    def is_copy(self) -> bool:
        """Whether the answer was made on a copy of a request, and sent to nobody."""
        return self in (Arm.SHADOW, Arm.STABLE_COPY)

    @property
    def is_of_candidate(self) -> bool:
        """Whether the candidate made the answer."""
        return self in (Arm.CANDIDATE, Arm.SHADOW)


class TextCounts(NamedTuple):
    """What is recorded of the documents of one request for texts; of none more than 255."""

    n_documents: int  # whose end the caller left to the model: no shorter limit than the usual one, and no stop text
    n_cut: int  # of these, not ended by the model: by the limit of tokens or time
    n_judged: int  # of these, whole documents whose facts were judged
    n_contradicted: int  # of these, documents whose facts contradict each other

    def packed(self) -> bytes:
        """Return them as the detail of a prediction."""
        return bytes(self)

    @classmethod
    def unpacked(cls, detail: bytes | None) -> "TextCounts | None":
        """Read what `packed` wrote; None if it is nothing of the kind.

        >>> TextCounts.unpacked(TextCounts(3, 1, 2, 0).packed())
        TextCounts(n_documents=3, n_cut=1, n_judged=2, n_contradicted=0)
        """
        n = len(cls._fields)
        return cls(*detail[:n]) if detail is not None and len(detail) in (n, n + PROMPT_BYTES) else None


PROMPT_BYTES = 10


class PromptRecord(NamedTuple):
    """What is recorded of the prompt of a request for texts, behind its `TextCounts`."""

    caller: int  # 64 bits, the same in every rollout and without one
    rank: float  # the share of held-out documents whose beginnings are likelier, to half a percent
    is_long: bool  # longer than nearly all of these documents

    def packed(self) -> bytes:
        """Return it as the end of the detail of a prediction."""
        return bytes((round(_RANKS * self.rank), self.is_long)) + self.caller.to_bytes(8, "big", signed=True)

    @classmethod
    def unpacked(cls, detail: bytes | None) -> "PromptRecord | None":
        """Read what `packed` wrote behind the counts of texts; None if it is nothing of the kind.

        >>> PromptRecord.unpacked(TextCounts(1, 0, 1, 0).packed() + PromptRecord(-7, 0.25, True).packed())
        PromptRecord(caller=-7, rank=0.25, is_long=True)
        """
        begin = len(TextCounts._fields)
        if detail is None or len(detail) != begin + PROMPT_BYTES:
            return None
        rank, is_long, *_ = own = detail[begin:]
        return cls(int.from_bytes(own[2:], "big", signed=True), rank / _RANKS, bool(is_long))


_RANKS = 200


class PredictionRecord(NamedTuple):
    """One prediction made; a plain tuple, since thousands come a second."""

    request_id: str
    at: datetime
    model: str
    version: str
    latency_ms: float | None  # None: one row of a request of several, which is recorded beside its rows
    error: bool = False  # a failure of the server; a refused bad request is not a failure
    value: float | None = None
    rollout_id: str | None = None
    arm: Arm = Arm.STABLE
    share: float = 0.0  # the candidate's share of the traffic when this request was routed
    unit: int | None = None  # `Route.unit` if requests are routed by the caller's key; None: each request separately
    slices: int | None = None  # the levels of the slice columns, packed; None: there are no slices
    form: AnswerForm = _UNKNOWN  # what the version answers
    detail: bytes | None = None  # `pack_probabilities` of all classes, the answered class, or `TextCounts` and a prompt


class OutcomeRecord(NamedTuple):
    """The outcome of one prediction; the first report of a request counts."""

    request_id: str
    at: datetime  # arrival, by the writer's clock; decides when readers see it and when it expires
    actual: float | None = None
    loss: float | None = None  # None: computed from the actual value by the loss of the rollout
    name: str | None = None  # of the class that came, where `actual` is no number


def request_number(request_id: str) -> int:
    """Return the 64-bit number under which a request is stored.

    A third of the room of an id, and two of ten million requests share one with a chance of 3 in a million.
    """
    spelled = request_id.encode(errors="surrogatepass")  # JSON allows halves of characters
    return int.from_bytes(hashlib.blake2b(spelled, digest_size=8).digest(), "big", signed=True)
