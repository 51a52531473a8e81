"""The decoder: rotary positions, root-mean-square norms, normalised queries and keys, squared ReLU, tied output.

Source:
    Vaswani et al., Attention Is All You Need, NeurIPS 2017; Su et al., RoFormer, 2021; Zhang and Sennrich, Root Mean
    Square Layer Normalization, NeurIPS 2019; So et al., Primer, NeurIPS 2021 (squared ReLU); Dehghani et al., Scaling
    Vision Transformers to 22 Billion Parameters, 2023 (normalised queries and keys).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from core.settings.text_model import TextModelSettings

_ROPE_BASE = 10_000.0
_INITIAL_SD = 0.02

KeyValues = tuple[Tensor, Tensor]


class Decoder(nn.Module):
    """Predicts the next token from those before it."""

    def __init__(self, settings: TextModelSettings, n_tokens: int) -> None:
        """Draw the weights from torch's random stream.

        Args:
            settings: Its widths and layers.
            n_tokens: The size of the vocabulary.
        """
        super().__init__()
        width, heads = settings.embedding_dim, settings.num_heads
        self.max_length = settings.max_length
        self.recomputes = False
        """Whether training computes the activations of each layer a second time instead of keeping them."""
        self.embedding = nn.Embedding(n_tokens, width)
        self.dropout = nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            _Layer(width, settings.hidden_dim, heads, settings.dropout) for _ in range(settings.num_layers)
        )
        self.norm = nn.RMSNorm(width)
        angles = rotary_angles(width // heads, settings.max_length)
        self.register_buffer("cosine", angles.cos(), persistent=False)
        self.register_buffer("sine", angles.sin(), persistent=False)
        self._draw(settings.num_layers)

    def forward(self, tokens: Tensor, caches: list[KeyValues] | None = None) -> tuple[Tensor, list[KeyValues]]:
        """Predict.

        Args:
            tokens: Shape (n, length).
            caches: Keys and values of the tokens before these, a pair for each layer; None: there are none. After
                some, `tokens` has length 1.
        Returns:
            The logits of each next token, shape (n, length, n_tokens); and the caches with these tokens.
        """
        start = caches[0][0].shape[2] if caches else 0
        end = start + tokens.shape[1]
        rotation = (self.cosine[start:end], self.sine[start:end])
        state = self.dropout(self.embedding(tokens))
        kept: list[KeyValues] = []
        for place, layer in enumerate(self.layers):
            given = (state, rotation, caches[place] if caches else None)
            state, cache = recomputed(layer, *given) if self.recomputes and self.training else layer(*given)
            kept.append(cache)
        return functional.linear(self.norm(state), self.embedding.weight), kept

    def _draw(self, n_layers: int) -> None:
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            is_residual = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
            sd = _INITIAL_SD / math.sqrt(2 * n_layers) if is_residual else _INITIAL_SD
            nn.init.normal_(weight, std=sd)


def recomputed(layer: nn.Module, *given: object) -> tuple[Tensor, KeyValues]:
    """Apply a layer, and keep what it was given instead of what it computed; dropout draws the same both times.

    Source:
        Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016 (arXiv 1604.06174).
    """
    found: tuple[Tensor, KeyValues] = checkpoint(layer, *given, use_reentrant=False)
    return found


class _Layer(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.RMSNorm(width), _Attention(width, heads, dropout)
        self.feed_forward_norm, self.feed_forward = nn.RMSNorm(width), _FeedForward(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, state: Tensor, rotation: tuple[Tensor, Tensor], cache: KeyValues | None
    ) -> tuple[Tensor, KeyValues]:
        attended, kept = self.attention(self.attention_norm(state), rotation, cache)
        state = state + self.dropout(attended)
        return state + self.dropout(self.feed_forward(self.feed_forward_norm(state))), kept


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.query_norm, self.key_norm = nn.RMSNorm(width // heads), nn.RMSNorm(width // heads)

    def forward(
        self, state: Tensor, rotation: tuple[Tensor, Tensor], cache: KeyValues | None
    ) -> tuple[Tensor, KeyValues]:
        n, length, width = state.shape
        parts = self.queries_keys_values(state).view(n, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        queries, keys = (each.to(self.query_norm.weight.dtype) for each in (queries, keys))  # of mixed precision
        queries, keys = rotated(self.query_norm(queries), rotation), rotated(self.key_norm(keys), rotation)
        if cache is not None:
            keys, values = torch.cat([cache[0], keys], dim=2), torch.cat([cache[1], values], dim=2)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=cache is None, dropout_p=self.dropout if self.training else 0.0
        )
        return self.output(mixed.transpose(1, 2).reshape(n, length, width)), (keys, values)


class _FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, width, bias=False)

    def forward(self, state: Tensor) -> Tensor:
        down: Tensor = self.down(functional.relu(self.up(state)).square())
        return down


def rotary_angles(head_width: int, max_length: int) -> Tensor:
    """Return by how much each pair of a head turns at each position, shape (max_length, head_width / 2)."""
    turns = _ROPE_BASE ** (-torch.arange(0, head_width, 2, dtype=torch.float64) / head_width)
    return torch.outer(torch.arange(max_length, dtype=torch.float64), turns).float()


def rotated(heads: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn each pair of a head by the angle of its position."""
    cosine, sine = rotation
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
