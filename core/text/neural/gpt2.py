"""GPT-2: learned positions, norms with means, GELU by a hyperbolic tangent, biases, and tied output.

Source:
    Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.text.gpt2_shape import Gpt2Shape
from core.text.neural.decoder import KeyValues, recomputed


class Gpt2(nn.Module):
    """Predicts the next token from those before it, as a `Decoder` does."""

    def __init__(self, shape: Gpt2Shape, dropout: float) -> None:
        """Take its shape; the weights are read from a file.

        Args:
            shape: Its widths and layers.
            dropout: Share of activations left out while training.
        """
        super().__init__()
        self.max_length = shape.n_positions
        self.recomputes = False
        self.embedding = nn.Embedding(shape.vocab_size, shape.n_embd)
        self.positions = nn.Embedding(shape.n_positions, shape.n_embd)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Gpt2Layer(shape, dropout) for _ in range(shape.n_layer))
        self.norm = nn.LayerNorm(shape.n_embd, eps=shape.layer_norm_epsilon)

    def forward(self, tokens: Tensor, caches: list[KeyValues] | None = None) -> tuple[Tensor, list[KeyValues]]:
        """Predict; see `Decoder.forward`."""
        start = caches[0][0].shape[2] if caches else 0
        places = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        state = self.dropout(self.embedding(tokens) + self.positions(places))
        kept: list[KeyValues] = []
        for place, layer in enumerate(self.layers):
            given = (state, caches[place] if caches else None)
            state, cache = recomputed(layer, *given) if self.recomputes and self.training else layer(*given)
            kept.append(cache)
        return functional.linear(self.norm(state), self.embedding.weight), kept


class _Gpt2Layer(nn.Module):
    def __init__(self, shape: Gpt2Shape, dropout: float) -> None:
        super().__init__()
        width, epsilon = shape.n_embd, shape.layer_norm_epsilon
        self.attention_norm, self.attention = nn.LayerNorm(width, eps=epsilon), _Gpt2Attention(shape, dropout)
        self.feed_forward_norm, self.feed_forward = nn.LayerNorm(width, eps=epsilon), _Gpt2FeedForward(shape)
        self.dropout = nn.Dropout(dropout)

    def forward(self, state: Tensor, cache: KeyValues | None) -> tuple[Tensor, KeyValues]:
        attended, kept = self.attention(self.attention_norm(state), cache)
        state = state + self.dropout(attended)
        return state + self.dropout(self.feed_forward(self.feed_forward_norm(state))), kept


class _Gpt2Attention(nn.Module):
    def __init__(self, shape: Gpt2Shape, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = shape.n_head, dropout
        self.queries_keys_values = nn.Linear(shape.n_embd, 3 * shape.n_embd)
        self.output = nn.Linear(shape.n_embd, shape.n_embd)

    def forward(self, state: Tensor, cache: KeyValues | None) -> tuple[Tensor, KeyValues]:
        n, length, width = state.shape
        parts = self.queries_keys_values(state).view(n, length, 3, self.heads, width // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        if cache is not None:
            keys, values = torch.cat([cache[0], keys], dim=2), torch.cat([cache[1], values], dim=2)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, is_causal=cache is None, dropout_p=self.dropout if self.training else 0.0
        )
        return self.output(mixed.transpose(1, 2).reshape(n, length, width)), (keys, values)


class _Gpt2FeedForward(nn.Module):
    def __init__(self, shape: Gpt2Shape) -> None:
        super().__init__()
        inner = shape.n_inner or 4 * shape.n_embd
        self.up, self.down = nn.Linear(shape.n_embd, inner), nn.Linear(inner, shape.n_embd)

    def forward(self, state: Tensor) -> Tensor:
        down: Tensor = self.down(functional.gelu(self.up(state), approximate="tanh"))
        return down
