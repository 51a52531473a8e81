"""What is measured of the texts that a served model reads and writes: how likely they are, and whether facts agree."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from core.errors import CoreError
from core.text.corpus import text_grammar
from core.text.model_folder import TextModel
from core.text.sampling import WrittenText
from core.text.tokenizers.tokenizer import END

if TYPE_CHECKING:
    from core.domains.grammar.grammar import DocumentGrammar

MOST_WEIGHED_TOKENS = 256
"""Of a prompt: its first ones tell whether it is like what the model learned, and cost as much as writing a few."""


class TextFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a request.

    Attributes:
        n_prompt_tokens: The length of the prompt.
        n_weighed: How many of its tokens were weighed, the first ones.
        prompt_nats: -log of the probability of these under the model, as the beginning of a document.
        n_agreeing: Whole documents whose facts agree: hubs, units, prices and verdicts, as the grammar reads them.
        n_contradicted: Whole documents that the grammar cannot read.
    """

    n_prompt_tokens: int
    n_weighed: int
    prompt_nats: float
    n_agreeing: int
    n_contradicted: int


class TextGauge:
    """Measures the texts of one loaded model. Safe to share between threads."""

    def __init__(self, text: TextModel) -> None:
        """Prepare; the grammar of the model's documents is read at the first use."""
        self._text = text

    def measure(self, prompt: str, written: Sequence[WrittenText]) -> TextFigures:
        """Measure a request; it takes about as long as reading the prompt to go on with it.

        The mean of the nats of the prompt is a cross-entropy: it rises where prompts are unlike the documents that the
        model has learned. Facts are judged of documents that the model has ended itself, if it has learned the
        documents of a grammar alone.
        """
        tokens = self._text.tokenizer.encode(prompt)
        whole = [prompt + each.text for each in written if each.finish == "end"]
        n_agreeing = sum(self._grammar.read(text) is not None for text in whole) if whole and self._grammar else 0
        return TextFigures(
            n_prompt_tokens=len(tokens),
            n_weighed=min(len(tokens), MOST_WEIGHED_TOKENS),
            prompt_nats=self._nats(tokens[:MOST_WEIGHED_TOKENS]),
            n_agreeing=n_agreeing,
            n_contradicted=len(whole) - n_agreeing if self._grammar else 0,
        )

    def _nats(self, tokens: Sequence[int]) -> float:
        if not tokens:
            return 0.0
        going = self._text.model.begin()
        going.take(tokens)
        ended = float(going.next_log_probabilities()[END])  # `document_nats` counts the end, which a prompt has not
        return float(self._text.model.document_nats([tokens])[0]) + ended

    @cached_property
    def _grammar(self) -> "DocumentGrammar | None":
        settings = self._text.manifest.settings
        if settings.corpus or settings.base or settings.teacher:
            return None
        try:
            return text_grammar(settings.domain)
        except CoreError:  # of a plug-in that this machine has not
            return None
