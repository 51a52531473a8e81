"""What is measured of the texts that a served model reads and writes: how likely they are, and whether facts agree."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from core.errors import CoreError
from core.text.corpus import text_grammar
from core.text.model_folder import TextModel
from core.text.prompt_reference import prompt_nats, whole_words
from core.text.sampling import WrittenText

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar

MOST_WEIGHED_TOKENS = 256
"""Of a prompt: its first ones tell whether it is like what the model learned, and cost as much as writing a few."""


class TextFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How many whole documents of a request say what can be; none of both where nothing reads them.

    Attributes:
        n_agreeing: Those whose facts agree: hubs, units, prices and verdicts, as the grammar reads them.
        n_contradicted: Those that the grammar cannot read.
    """

    n_agreeing: int = 0
    n_contradicted: int = 0


class PromptFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a prompt.

    Attributes:
        n_tokens: Its length.
        n_weighed: How many of its tokens were weighed, the first ones.
        nats: -log of the probability of these under the model, as the beginning of a document.
        rank: The share of held-out documents whose beginnings of the length of its whole words are likelier; None
            where nothing is known of them, or the prompt has no word that has ended.
        is_long: Whether it is longer than 95 % of these documents.
    """

    n_tokens: int
    n_weighed: int
    nats: float
    rank: float | None = None
    is_long: bool = False


class TextGauge:
    """Measures the texts of one loaded model. Safe to share between threads."""

    def __init__(self, text: TextModel) -> None:
        """Prepare; the grammar of the model's documents is read at the first use."""
        self._text = text

    def facts(self, prompt: str, written: Sequence[WrittenText]) -> TextFacts:
        """Judge the facts of the documents of a request that the model has ended itself.

        They are read if the model has learned the documents of a grammar alone; that takes a tenth of a millisecond.
        """
        whole = [prompt + each.text for each in written if each.finish == "end"]
        if not whole or self._grammar is None:
            return TextFacts()
        n_agreeing = sum(self._grammar.read(text) is not None for text in whole)
        return TextFacts(n_agreeing=n_agreeing, n_contradicted=len(whole) - n_agreeing)

    def weigh(self, prompt: str) -> PromptFigures:
        """Measure a prompt; it takes about as long as reading it to go on with it.

        The mean of its nats is a cross-entropy: it rises where prompts are unlike the documents that the model has
        learned.
        """
        tokens = self._text.tokenizer.encode(prompt)
        first = tokens[:MOST_WEIGHED_TOKENS]
        nats = prompt_nats(self._text.model, first)
        reference = self._text.prompts
        whole = self._text.tokenizer.encode(whole_words(prompt))[:MOST_WEIGHED_TOKENS]
        if reference is None or not (length := reference.length_for(len(whole))):
            return PromptFigures(n_tokens=len(tokens), n_weighed=len(first), nats=nats)
        begun = nats if whole[:length] == first else prompt_nats(self._text.model, whole[:length])
        return PromptFigures(
            n_tokens=len(tokens),
            n_weighed=len(first),
            nats=nats,
            rank=reference.rank(length, begun),
            is_long=len(tokens) > reference.longest,
        )

    @cached_property
    def _grammar(self) -> "DocumentGrammar | None":
        settings = self._text.manifest.settings
        if settings.corpus or settings.base or settings.teacher:
            return None
        try:
            return text_grammar(settings.domain)
        except CoreError:  # of a plug-in that this machine has not
            return None
