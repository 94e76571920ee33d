"""The measured networks as single steps, made from the same seed for every engine.

Only processes that export, and those of engines that run PyTorch, import this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchmarks.models import FEATURES, GPT, GPT_TOKENS, Block, Stack
from benchmarks.peers.cases import Case

Tensors = tuple[torch.Tensor, ...]


class RecurrentStep(nn.Module):
    """One frame of a ``Stack``: states in, states out."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.layers, self.head = stack.layers, stack.head

    def forward(self, x: torch.Tensor, *states: torch.Tensor) -> Tensors:
        """``[1, 1, 64]`` and every state ``[layers, 1, hidden]`` to ``[1, 1, 32]`` and the states after it."""
        hidden, after = self.layers(x, states if len(states) > 1 else states[0])
        return (self.head(hidden), *(after if len(states) > 1 else (after,)))

    def initial(self) -> Tensors:
        """The states before the first frame: h, and c of an LSTM."""
        count = 2 if isinstance(self.layers, nn.LSTM) else 1
        return tuple(torch.zeros(self.layers.num_layers, 1, self.layers.hidden_size) for _ in range(count))


class CachedStep(nn.Module):
    """One token of the GPT, whose keys and values lie in buffers of ``capacity`` places that it writes in place.

    Every shape is fixed, as exporters like it: attention goes over the whole capacity behind a mask.
    """

    def __init__(self, gpt: GPT, capacity: int) -> None:
        super().__init__()
        self.gpt, self.capacity = gpt, capacity
        block = blocks_of(gpt)[0]
        shape = (1, block.heads, capacity, block.query_key_value.in_features // block.heads)
        for number in range(len(gpt.blocks)):
            self.register_buffer(f"keys_{number}", torch.zeros(shape))
            self.register_buffer(f"values_{number}", torch.zeros(shape))
        self.register_buffer("places", torch.arange(capacity))

    def forward(self, token: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """``[1, 1]`` and ``[1]``, int64, to ``[1, 1, 65]``."""
        mask = (cast(torch.Tensor, self.places) <= position).view(1, 1, 1, self.capacity)
        x = self.gpt.tokens(token) + self.gpt.positions(position)
        for number, block in enumerate(blocks_of(self.gpt)):
            keys, values = self.cache(number)
            query, key, value = parts_of(block, x)
            keys.index_copy_(2, position, key)
            values.index_copy_(2, position, value)
            x = finish(block, x, F.scaled_dot_product_attention(query, keys, values, attn_mask=mask))
        out: torch.Tensor = self.gpt.head(self.gpt.norm(x))
        return out

    def cache(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and the values of one layer."""
        return getattr(self, f"keys_{number}"), getattr(self, f"values_{number}")


class ExplicitStep(CachedStep):
    """The same with keys and values as inputs and outputs, for exporters without a state."""

    def forward(self, token: torch.Tensor, position: torch.Tensor, *caches: torch.Tensor) -> Tensors:  # type: ignore[override]
        """``[1, 1]``, ``[1]`` and the caches to ``[1, 1, 65]``, the next position and the caches after it."""
        mask = (cast(torch.Tensor, self.places) <= position).view(1, 1, 1, self.capacity)
        x = self.gpt.tokens(token) + self.gpt.positions(position)
        after: list[torch.Tensor] = []
        for number, block in enumerate(blocks_of(self.gpt)):
            query, key, value = parts_of(block, x)
            keys = caches[2 * number].index_copy(2, position, key)
            values = caches[2 * number + 1].index_copy(2, position, value)
            x = finish(block, x, F.scaled_dot_product_attention(query, keys, values, attn_mask=mask))
            after += [keys, values]
        return (self.gpt.head(self.gpt.norm(x)), position + 1, *after)

    def caches(self) -> Tensors:
        """Empty caches, keys before values, layer by layer."""
        return tuple(cache for number in range(len(self.gpt.blocks)) for cache in self.cache(number))


class LongerStep(nn.Module):
    """One token of the GPT that gives back every cache longer by one, for engines whose arrays take any size."""

    def __init__(self, gpt: GPT) -> None:
        super().__init__()
        self.gpt = gpt

    def forward(self, token: torch.Tensor, position: torch.Tensor, *caches: torch.Tensor) -> Tensors:
        """``[1, 1]`` twice and keys and values by layer, ``[1, heads, past, width]``, to ``[1, 1, 65]`` and these."""
        x = self.gpt.tokens(token) + self.gpt.positions(position)
        after: list[torch.Tensor] = []
        for number, block in enumerate(blocks_of(self.gpt)):
            query, key, value = parts_of(block, x)
            keys = torch.cat([caches[2 * number], key], dim=2)
            values = torch.cat([caches[2 * number + 1], value], dim=2)
            x = finish(block, x, F.scaled_dot_product_attention(query, keys, values))
            after += [keys, values]
        return (self.gpt.head(self.gpt.norm(x)), *after)


class GrowingStep(CachedStep):
    """The same with attention over the places in use alone, for engines that take any length."""

    def at(self, token: torch.Tensor, position: int) -> torch.Tensor:
        """One token at ``position``: ``[1, 1]``, int64, to ``[1, 1, 65]``."""
        x = self.gpt.tokens(token) + self.gpt.positions.weight[position]
        for number, block in enumerate(blocks_of(self.gpt)):
            keys, values = self.cache(number)
            query, key, value = parts_of(block, x)
            keys[:, :, position] = key[:, :, 0]
            values[:, :, position] = value[:, :, 0]
            past = position + 1
            seen = F.scaled_dot_product_attention(query, keys[:, :, :past], values[:, :, :past])
            x = finish(block, x, seen)
        out: torch.Tensor = self.gpt.head(self.gpt.norm(x))
        return out


def blocks_of(gpt: GPT) -> list[Block]:
    """The blocks, first to last."""
    return list(cast(Iterable[Block], gpt.blocks))


def parts_of(block: Block, x: torch.Tensor) -> Tensors:
    """Query, key and value of one token, each ``[1, heads, 1, width / heads]``."""
    made = block.query_key_value(block.attention_norm(x))
    return tuple(part.view(1, 1, block.heads, -1).transpose(1, 2) for part in made.chunk(3, dim=-1))


def finish(block: Block, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """What a block does once attention has looked."""
    x = x + block.out(seen.transpose(1, 2).reshape(x.shape))
    out: torch.Tensor = x + block.mlp(block.mlp_norm(x))
    return out


def network(case: Case) -> nn.Module:
    """The whole-sequence module of a case, with the weights of seed 0."""
    torch.manual_seed(0)
    made: nn.Module = GPT() if case.position is not None else Stack(case.kind, case.layers, case.hidden)
    return made.eval()


def recurrent_step(case: Case) -> RecurrentStep:
    """The step of a recurrent case."""
    return RecurrentStep(cast(Stack, network(case))).eval()


def transformer(case: Case) -> GPT:
    """The GPT of a case."""
    return cast(GPT, network(case))


def inputs(case: Case, steps: int) -> torch.Tensor:
    """Random inputs of ``steps`` steps: ``[steps, 1, 1, 64]``, or tokens ``[steps, 1, 1]``."""
    random = torch.Generator().manual_seed(1)
    if case.position is not None:
        return torch.randint(GPT_TOKENS, (steps, 1, 1), generator=random)
    return torch.randn(steps, 1, 1, FEATURES, generator=random)


def blank(case: Case, folder: Path) -> Any:
    """The whole-sequence module with the weights stored in ``folder``, none drawn at random."""
    with torch.device("meta"):
        made = GPT() if case.position is not None else Stack(case.kind, case.layers, case.hidden)
    made.load_state_dict(torch.load(folder / "weights.pt"), assign=True)
    return made.eval().requires_grad_(False)


def fill(step: CachedStep, stored: Mapping[str, NDArray[Any]]) -> CachedStep:
    """The same step with these keys and values, by the names of edgeseq's states, in its caches."""
    for number in range(len(step.gpt.blocks)):
        keys, values = step.cache(number)
        keys.copy_(torch.from_numpy(stored[f"blocks.{number}.keys"]))
        values.copy_(torch.from_numpy(stored[f"blocks.{number}.values"]))
    return step
