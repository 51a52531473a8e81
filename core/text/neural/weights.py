"""The decoder as a model of language, and its weights as safetensors: arrays and nothing else, never executed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional

from core.arrays import FloatArray
from core.errors import UsageError
from core.settings.text_model import TextModelSettings
from core.text.language_model import TokenizedDocuments
from core.text.neural.batches import NOT_PREDICTED, batch_of, rows_of
from core.text.neural.decoder import Decoder, KeyValues
from core.text.tokenizers.tokenizer import END

_ROWS_AT_ONCE = 64


class WeightsError(UsageError):
    """A file holds no weights of this decoder."""


class DecoderModel:
    """A trained decoder."""

    name = "decoder"

    def __init__(self, decoder: Decoder) -> None:
        """Take it; it is not trained any further."""
        self.decoder = decoder.eval()

    @property
    def n_tokens(self) -> int:
        """The size of its vocabulary."""
        return self.decoder.embedding.num_embeddings

    @property
    def n_weights(self) -> int:
        """How many numbers it has learned."""
        return sum(weight.numel() for weight in self.decoder.parameters())

    @torch.inference_mode()
    def document_nats(self, documents: TokenizedDocuments) -> FloatArray:
        """Return -log P of each document, its end included."""
        rows, owners = [], []
        for owner, document in enumerate(documents):
            cut = rows_of([document], self.decoder.max_length)
            rows += cut
            owners += [owner] * len(cut)
        nats = np.zeros(len(documents))
        order = np.argsort([len(row) for row in rows], kind="stable").tolist()
        for at in range(0, len(order), _ROWS_AT_ONCE):
            places = order[at : at + _ROWS_AT_ONCE]
            batch = batch_of([rows[place] for place in places])
            targets = torch.from_numpy(batch.targets)
            logits, _ = self.decoder(torch.from_numpy(batch.inputs))
            losses = token_losses(logits, targets).double().sum(dim=1).numpy()
            np.add.at(nats, [owners[place] for place in places], losses)
        return nats

    def begin(self) -> "DecoderContinuation":
        """Begin a document."""
        return DecoderContinuation(self.decoder)


class DecoderContinuation:
    """A document that a decoder is writing; what it has computed of earlier tokens is kept."""

    def __init__(self, decoder: Decoder) -> None:
        """Begin it."""
        self._decoder = decoder
        self._tokens: list[int] = []
        self._caches: list[KeyValues] | None = None
        self._logs = np.empty(0)
        self.take([END])

    @torch.inference_mode()
    def take(self, tokens: Sequence[int]) -> None:
        """Append tokens. Where the text outgrows the longest document, its last half counts."""
        for token in tokens:
            self._tokens.append(token)
            pending = [token]
            if self._caches is not None and self._caches[0][0].shape[2] >= self._decoder.max_length:
                pending, self._caches = self._tokens[-max(self._decoder.max_length // 2, 1) :], None
            logits, self._caches = self._decoder(torch.tensor([pending]), self._caches)
        if tokens:
            self._logs = torch.log_softmax(logits[0, -1].double(), dim=-1).numpy()

    def next_log_probabilities(self) -> FloatArray:
        """Return the log of the probability of each token as the next."""
        return self._logs


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return -log P of each target, shape (n, length); 0 where nothing is predicted."""
    flat = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=NOT_PREDICTED, reduction="none"
    )
    return flat.view(targets.shape)


def spell_weights(weights: Mapping[str, Tensor], notes: dict[str, str] | None = None) -> bytes:
    """Return weights as safetensors, with notes in its header; the same weights and notes give the same bytes."""
    return save({name: weight.detach().contiguous() for name, weight in weights.items()}, notes)


def read_tensors(content: bytes, where: object) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        WeightsError: They are none.
    """
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{where} holds no weights: {error}.") from None


def open_decoder(content: bytes, settings: TextModelSettings, n_tokens: int, where: object) -> DecoderModel:
    """Read a decoder.

    Raises:
        WeightsError: The weights are not those of such a decoder.
    """
    decoder = Decoder(settings, n_tokens)
    fill(decoder, read_tensors(content, where), where)
    return DecoderModel(decoder)


def fill(decoder: Decoder, weights: Mapping[str, Any], where: object) -> None:
    """Put weights into a decoder.

    Raises:
        WeightsError: They are not those of such a decoder.
    """
    try:
        decoder.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise WeightsError(f"{where} holds no weights of this decoder: {first}") from None
    if not all(bool(torch.isfinite(weight).all()) for weight in decoder.parameters()):
        raise WeightsError(f"{where} holds weights that are no finite numbers.")
