"""Transformer over sequences of tokens, causal with a key-value cache, or attending to the whole sequence.

Radford et al. 2019 (GPT-2): a norm before each part, GELU, residual sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from genstudio.layers.unet import dot_product_attention


class Cache:
    """Keys and values of the places that a causal transformer has read, for each of its blocks."""

    def __init__(self) -> None:
        self.length = 0  # places read
        self.parts: list[Tensor] = []  # keys and values (2, n, heads, room, d), by block

    def extended(self, block: int, fresh: Tensor, room: int) -> Tensor:
        """All keys and values up to the `fresh` ones, (2, n, heads, places, d). `room` places are allocated once."""
        two, n, heads, new, d = fresh.shape
        if block == len(self.parts):
            self.parts.append(fresh.new_empty(two, n, heads, room, d))
        self.parts[block].narrow(3, self.length, new).copy_(fresh)
        return self.parts[block].narrow(3, 0, self.length + new)


class Attention(nn.Module):
    """Self-attention (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} channels are not shared out among {heads} heads")
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool, cache: Cache | None, block: int, room: int) -> Tensor:
        n, length, width = x.shape
        split = self.query_key_value(x).view(n, length, 3, self.heads, width // self.heads)
        split = split.permute(2, 0, 3, 1, 4)  # query, key and value, (n, heads, length, d) each
        query, others = split[0], split[1:]
        before, mask = 0, None
        if cache is not None:
            before, others = cache.length, cache.extended(block, others, room)
        key, value = others
        if causal and length > 1:  # the first of the new places follows `before` others
            mask = torch.ones(length, before + length, dtype=torch.bool, device=x.device).tril(before)
        attended = dot_product_attention(query, key, value, mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, causal: bool, cache: Cache | None, block: int, room: int) -> Tensor:
        x = x + self.dropped(self.attention(self.norm1(x), causal, cache, block, room))
        return x + self.dropped(self.outer(gelu(self.inner(self.norm2(x)))))

    def dropped(self, x: Tensor) -> Tensor:
        """Dropout in training; in writing a call for nothing would be felt, at a token a pass."""
        return self.dropout(x) if self.training else x


class Transformer(nn.Module):
    """Vectors (n, length, width) -> (n, length, width), after a last norm.

    places: largest length. causal: each place reads itself and those before it; else all read all.
    """

    def __init__(self, places: int, width: int, depth: int, heads: int, causal: bool, dropout: float = 0.0):
        super().__init__()
        self.places, self.causal = places, causal
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:  # section 2.3: the residual sums keep their scale
                last = name.endswith(("out.weight", "outer.weight"))
                nn.init.normal_(weight, 0.0, 0.02 / (2 * depth) ** 0.5 if last else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """With a `cache`, x holds the places that follow those in it."""
        if (end := x.shape[1] + (cache.length if cache else 0)) > self.places:
            raise ValueError(f"a sequence of {end} tokens is too long: this transformer reads {self.places}")
        for number, block in enumerate(self.blocks):
            x = block(x, self.causal, cache, number, self.places)
        if cache is not None:
            cache.length = end
        return self.norm(x)
