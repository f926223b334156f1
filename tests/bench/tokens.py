"""How fast tokens are written: `python -m tests.bench.tokens [--json]`, part of `make bench`.

One picture in float32, by networks of the size of `gpt_faces` and `maskgit_faces` with random weights, in turns: GPT with
its cache and without, MaskGIT in 8 steps, and transformers' GPT-2 of equal size by `generate`, where it is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch

from genstudio.model import Noise
from genstudio.models.prior import GPT, MaskGIT

clock = time.perf_counter
GRIDS = {64: (8, 8), 256: (16, 16)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tokens", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="turns that each side takes")
    parser.add_argument("--processor-time", action="store_true", help="one thread, by its own clock")
    options = parser.parse_args()
    if options.processor_time:
        global clock
        torch.set_num_threads(1)
        clock = time.process_time
    rows = [row for count in GRIDS for row in measure(count, options.rounds)]
    if options.json:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    for row in rows:
        print("{tokens:>4} tokens  {side:<34} {ms:8.1f} ms  {rate:8.0f} tokens/s  {ratio:5.2f} x GPT with cache".format(**row))


def measure(count: int, rounds: int) -> list[dict]:
    """Median time of each side over turns, and its speed relative to GPT with a cache."""
    sides = sides_of(count)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with torch.no_grad():
        for number in range(rounds + 1):  # the first is not measured
            for name, run in sides.items():
                started = clock()
                run()
                seconds[name] += [clock() - started] if number else []
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    own = next(iter(medians.values()))
    return [
        {"tokens": count, "side": name, "ms": 1000 * s, "rate": count / s, "ratio": own / s} for name, s in medians.items()
    ]


def sides_of(count: int) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    gpt, maskgit = (kind((3, 64, 64), GRIDS[count]).eval().requires_grad_(False) for kind in (GPT, MaskGIT))
    sides = {
        "GPT with cache": lambda: list(gpt.write(Noise([1]))),
        "GPT without cache, a plain loop": lambda: list(gpt.write(Noise([1]), cached=False)),
        "MaskGIT in 8 steps": lambda: list(maskgit.write(Noise([1]), steps=8)),
    }
    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError:
        print("transformers is not installed: its GPT-2 is not measured.", file=sys.stderr)
        return sides
    config = GPT2Config(
        vocab_size=gpt.vocabulary + 1, n_positions=count + 1, n_embd=160, n_layer=6, n_head=5, bos_token_id=gpt.vocabulary,
        eos_token_id=None, pad_token_id=gpt.vocabulary,
    )  # fmt: skip
    theirs = GPT2LMHeadModel(config).eval()
    start = torch.tensor([[gpt.vocabulary]])
    options = {"do_sample": True, "min_new_tokens": count, "max_new_tokens": count, "attention_mask": torch.ones_like(start)}
    return sides | {"transformers' GPT-2, generate": lambda: theirs.generate(start, top_k=0, **options)}


if __name__ == "__main__":
    main()
