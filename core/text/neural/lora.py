"""Low-rank adapters: the base stays as it is, and each target learns a correction of low rank beside it.

Source:
    Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022 (arXiv 2106.09685).
"""

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class LowRankLinear(nn.Module):
    """A frozen layer, and alpha / rank times the product of two matrices; the second begins at zero."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        """Draw the first matrix from torch's random stream.

        Args:
            base: The layer; its parameters are frozen.
            rank: Of the correction.
            alpha: Its scale, times the rank.
        """
        super().__init__()
        self.base, self.scale = base.requires_grad_(False), alpha / rank
        self.lora_down = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_down, a=math.sqrt(5))

    def forward(self, state: Tensor) -> Tensor:
        """Apply the layer and its correction."""
        base: Tensor = self.base(state)
        return base + self.scale * functional.linear(functional.linear(state, self.lora_down), self.lora_up)


def add_adapters(module: nn.Module, *, rank: int, alpha: float, targets: Collection[str]) -> None:
    """Freeze a model, and put an adapter beside each layer whose name ends with a target."""
    module.requires_grad_(False)
    for name, layer in list(module.named_modules()):
        parent, _, own = name.rpartition(".")
        if isinstance(layer, nn.Linear) and own in targets:
            setattr(module.get_submodule(parent), own, LowRankLinear(layer, rank, alpha))


@torch.no_grad()
def merge_adapters(module: nn.Module) -> None:
    """Add each correction to the weights of its layer; the adapters are gone afterwards."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, LowRankLinear):
            parent, _, own = name.rpartition(".")
            layer.base.weight += layer.scale * (layer.lora_up @ layer.lora_down)
            setattr(module.get_submodule(parent), own, layer.base)


def trained_weights(module: nn.Module) -> Mapping[str, nn.Parameter]:
    """Return the parameters that training changes, by name: all of a model, or those of its adapters."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
