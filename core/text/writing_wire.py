"""What a console and the process that writes for it tell each other: JSON, a message a line."""

from typing import Annotated

import msgspec
from msgspec import Meta

from core.text.sampling import MAX_PROMPT_CHARACTERS, SamplingOptions


class WritingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Write a document; an earlier one that is not finished ends.

    Attributes:
        number: Of the order, which the answers repeat.
        prompt: How the document begins; None: only end the earlier one.
        options: How it is written.
    """

    number: int
    prompt: Annotated[str, Meta(max_length=MAX_PROMPT_CHARACTERS)] | None = None
    options: SamplingOptions = SamplingOptions()


class WriterLoaded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The model is ready to write.

    Attributes:
        architecture: "decoder", "gpt2" or "ngram".
    """

    architecture: str


class PromptWeighed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The prompt was read.

    Attributes:
        number: Of the order.
        n_tokens: How many tokens it has.
        nats: -log of their probability under the model.
    """

    number: int
    n_tokens: int
    nats: float


class TextPiece(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The text has grown.

    Attributes:
        number: Of the order.
        text: What was added; it may be empty.
        n_tokens: How many tokens were drawn so far.
        seconds: How long they took.
    """

    number: int
    text: str
    n_tokens: int
    seconds: float


class WritingEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The document is finished.

    Attributes:
        number: Of the order.
        finish: "end", "stop" or "length" as in `WrittenText`, or "stopped" where a later order ended it.
        n_tokens: How many tokens were drawn.
        nats: -log of their probability under the model at temperature 1; None where a later order ended it.
        seconds: How long they took.
    """

    number: int
    finish: str
    n_tokens: int
    nats: float | None
    seconds: float


class WriterFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The model cannot be opened or cannot write, or its process has ended.

    Attributes:
        problem: Why.
    """

    problem: str


WritingAnswer = WriterLoaded | PromptWeighed | TextPiece | WritingEnded | WriterFailed
"""What the process answers."""
