"""Layers of eight bits: weights are rounded once, by output; activations as they come, by row.

A row is rounded by its own largest value, so what a document weighs does not depend on those beside it. The products of
whole numbers are exact, so they are the same on every number of threads.

Source:
    Yao et al., ZeroQuant, NeurIPS 2022 (activations by token); Dettmers et al., LLM.int8(), NeurIPS 2022 (symmetric
    steps of the largest magnitude, by row and by output).
"""

import torch
from torch import Tensor, nn

_STEPS = 127
_LEAST = torch.finfo(torch.float32).tiny


class Int8Linear(nn.Module):
    """A linear layer whose weights are whole numbers from -127 to 127, times a scale for each output."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        """Round a layer."""
        super().__init__()
        steps, largest = _rounded(layer.weight.detach())
        self.register_buffer("weight", steps)
        self.register_buffer("scale", (largest / _STEPS).squeeze(-1))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    def forward(self, state: Tensor) -> Tensor:
        """Apply the layer to each row of a state, shape (…, inputs)."""
        rows, largest = _rounded(state.flatten(0, -2))
        sums = torch._int_mm(rows, self.weight.t()).float()
        applied = sums * (largest / _STEPS) * self.scale
        if self.bias is not None:
            applied = applied + self.bias
        return applied.unflatten(0, state.shape[:-1])


def use_int8(module: nn.Module) -> None:
    """Round every linear layer of a model in its place; embeddings and norms stay as they are."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(module.get_submodule(parent), own, Int8Linear(layer))


def _rounded(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows in steps of their largest magnitude / 127, and that magnitude, shape (n, 1)."""
    largest = rows.abs().amax(-1, keepdim=True).clamp_min(_LEAST)
    return (rows * (_STEPS / largest)).round().to(torch.int8), largest
