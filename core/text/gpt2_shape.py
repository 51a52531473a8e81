"""The shape of a GPT-2: what its `config.json` says, within bounds that a machine can hold."""

from typing import Annotated

import msgspec
from msgspec import Meta

GPT2_CONFIG = "config.json"


class Gpt2Shape(msgspec.Struct, frozen=True, kw_only=True):
    """The widths and layers of a GPT-2; the defaults are those of `config.json`, where a key may be missing.

    Attributes:
        vocab_size: The size of its vocabulary.
        n_positions: Longest document, in tokens.
        n_embd: Width.
        n_layer: Layers.
        n_head: Heads of attention.
        n_inner: Width of the feed-forward layers; None: four times `n_embd`.
        layer_norm_epsilon: What its norms add to the variance.
    """

    vocab_size: Annotated[int, Meta(ge=258, le=100_000)] = 50_257
    n_positions: Annotated[int, Meta(ge=8, le=8_192)] = 1_024
    n_embd: Annotated[int, Meta(ge=1, le=8_192)] = 768
    n_layer: Annotated[int, Meta(ge=1, le=128)] = 12
    n_head: Annotated[int, Meta(ge=1, le=128)] = 12
    n_inner: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    layer_norm_epsilon: Annotated[float, Meta(gt=0, le=0.1)] = 1e-5

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})")
