"""Writing documents with a model: temperature, top-p, seed, stops and limits; text comes out as soon as it is whole."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import FloatArray
from core.domains.draws import stream
from core.errors import UsageError
from core.field_problems import refusal_of
from core.json_documents import converted
from core.text.language_model import Continuation, LanguageModel
from core.text.tokenizers.tokenizer import END, Tokenizer

BANNER = "Synthetic text of a language model: no name, number or fact in it is real."
OWN_BANNER = "Synthetic text of a language model: a name or number in it may be a real one."
"""Of a model whose documents, base or teacher may be about real persons, firms and prices, which it can repeat."""
SYNTHETIC_TEXT = "Synthetic text of a language model."
"""What is true of every one, before more is known."""
DRAFT_BANNER = "Synthetic text of a language model: a number or date is real only where a cell is named for it."
"""Of a draft about a row, whose numbers are traced to cells."""
MAX_NEW_TOKENS = 2_048
MAX_PROMPT_CHARACTERS = 8_000
_HALF = re.compile("[\ud800-\udfff]")  # of a character: a model can write it, and no answer can hold it
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_BYTES_OF_A_CHARACTER = 4


def banner_of(settings: Mapping[str, Any]) -> str:
    """Return the notice about the texts of a model.

    Args:
        settings: What it was trained with, by name: only a model that has learned nothing but drawn documents invents
            all that it writes.

    >>> banner_of({"corpus": "", "base": "", "teacher": ""}) == BANNER, banner_of({"corpus": "own.txt"}) == OWN_BANNER
    (True, True)
    """
    return OWN_BANNER if any(settings.get(name) for name in ("corpus", "base", "teacher")) else BANNER


class SamplingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a document is written."""

    temperature: Annotated[
        float, Meta(ge=0, le=10, description="Below 1: likelier tokens more often; 0: always the likeliest.")
    ] = 1.0
    top_p: Annotated[
        float, Meta(gt=0, le=1, description="Draw from the likeliest tokens that have this probability together.")
    ] = 1.0
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_NEW_TOKENS, description="Maximum number of new tokens.")] = 256
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Same seed, same text.")] = 42
    stop: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...],
        Meta(max_length=8, description="Texts that end the document; they are not part of it."),
    ] = ()


def sampling_options(*, named: Callable[[str], str] = str, **values: Any) -> SamplingOptions:
    """Return options.

    Args:
        named: Names a field as whoever gave it knows it, such as an option of a command.
        values: The fields.
    Raises:
        UsageError: A value is out of its range.
    """
    try:
        return converted({**values, "stop": list(values.get("stop", ()))}, SamplingOptions)
    except msgspec.ValidationError as error:
        raise UsageError(f"{refusal_of(error, values, named=named)}.") from None


def require_prompt(prompt: str, name: str = "The prompt") -> None:
    """Refuse a prompt that a model would read for minutes.

    Args:
        prompt: How a document begins.
        name: What a caller gave it as, for the refusal.
    Raises:
        UsageError: It is too long.
    """
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise UsageError(f"{name} has {len(prompt):,} characters; give at most {MAX_PROMPT_CHARACTERS:,}.")


class WrittenText(msgspec.Struct, frozen=True, kw_only=True):
    """A document that a model has written.

    Attributes:
        text: What was written after the prompt.
        n_tokens: How many tokens were drawn, the end included.
        finish: "end" if the model ended it, "stop" for a stop text, "length" for the limit of tokens.
        nats: -log of the probability of these tokens under the model, at temperature 1.
    """

    text: str
    n_tokens: int
    finish: str
    nats: float


class TextWriter:
    """Writes one document; iterate over it for its text in pieces, and read `written` at the end.

    Attributes:
        n_drawn: How many tokens were drawn so far.
        written: The whole document, once the last piece was taken.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokenizer: Tokenizer,
        options: SamplingOptions,
        *,
        prompt: str = "",
        number: int = 0,
        going: Continuation | None = None,
    ) -> None:
        """Begin.

        Args:
            model: The model.
            tokenizer: Its tokenizer.
            options: How the document is written.
            prompt: Its beginning.
            number: Tells several documents of one seed apart.
            going: A document that was begun already, with its prompt, to go on with.
        """
        self._going = going
        self.n_drawn = 0
        self._model, self._tokenizer, self._options = model, tokenizer, options
        self._prompt = prompt
        self._rng = stream(options.seed, f"writing {number}")
        self.written = WrittenText(text="", n_tokens=0, finish="length", nats=0.0)

    def __iter__(self) -> Iterator[str]:
        """Yield what each token adds to the text: whole characters that no stop text can take back, or nothing yet.

        What was held back comes last.
        """
        options, held_back = self._options, max((len(stop) - 1 for stop in self._options.stop), default=0)
        going = self._going or self._model.begin()
        if self._prompt:
            going.take(self._tokenizer.encode(self._prompt))
        tokens: list[int] = []
        given, nats, finish, text = 0, 0.0, "length", ""
        while len(tokens) < options.max_tokens:
            logs = going.next_log_probabilities()
            token = draw_token(logs, options, float(self._rng.random()))
            tokens.append(token)
            self.n_drawn = len(tokens)
            nats -= float(logs[token])
            if token == END:
                finish = "end"
                break
            text = _HALF.sub(_REPLACEMENT, self._tokenizer.decode(tokens))
            if (at := first_stop(text, options.stop)) >= 0:
                finish, text = "stop", text[:at]
                break
            whole = len(text) - held_back if held_back else len(text)
            whole = max(given, min(whole, len(text) - _unfinished(text)))
            yield text[given:whole]
            given = whole
            if len(tokens) < options.max_tokens:
                going.take([token])
        if text[given:]:
            yield text[given:]
        self.written = WrittenText(text=text, n_tokens=len(tokens), finish=finish, nats=nats)


def write_text(
    model: LanguageModel, tokenizer: Tokenizer, options: SamplingOptions, *, prompt: str = "", number: int = 0
) -> WrittenText:
    """Write one document; see `TextWriter`."""
    writer = TextWriter(model, tokenizer, options, prompt=prompt, number=number)
    for _ in writer:
        pass
    return writer.written


def draw_token(logs: FloatArray, options: SamplingOptions, uniform: float) -> int:
    """Draw a token.

    Args:
        logs: The log of the probability of each, shape (n_tokens,).
        options: Temperature and top-p.
        uniform: A uniform draw from [0, 1).

    >>> logs = np.log([0.5, 0.3, 0.2])
    >>> draw_token(logs, SamplingOptions(temperature=0), 0.99), draw_token(logs, SamplingOptions(), 0.99)
    (0, 2)
    >>> draw_token(logs, SamplingOptions(top_p=0.6), 0.99)
    1
    """
    if options.temperature == 0:
        return int(np.argmax(logs))
    scaled = logs / options.temperature
    shares = np.exp(scaled - scaled.max())
    order = np.argsort(-shares, kind="stable")
    cumulated = np.cumsum(shares[order])
    n_kept = len(order)
    if options.top_p < 1:
        n_kept = int(np.searchsorted(cumulated, options.top_p * cumulated[-1])) + 1
    place = int(np.searchsorted(cumulated[:n_kept], uniform * cumulated[n_kept - 1], side="right"))
    return int(order[min(place, n_kept - 1)])


def _unfinished(text: str) -> int:
    """Return how many characters at the end may be the first bytes of one that is not whole yet."""
    n = 0
    while n < min(len(text), _MAX_BYTES_OF_A_CHARACTER) and text[-1 - n] == _REPLACEMENT:
        n += 1
    return n


def first_stop(text: str, stops: Sequence[str]) -> int:
    """Return where the first of some stop texts begins; -1 if none is there."""
    return min((at for stop in stops if (at := text.find(stop)) >= 0), default=-1)
