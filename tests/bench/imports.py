"""How fast weights of another project are here, against their own program: `python -m tests.bench.imports [--json]`, part
of `make bench`. Diffusion is measured beside it, in `tests.bench.diffusion`.

Both sides have the same weights and codes, and take turns as in `tests.bench.engine`. That both draw the same is measured first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import torch
from pytorch_pretrained_biggan.config import BigGANConfig
from pytorch_pretrained_biggan.model import BigGAN as Theirs

from genstudio.engine.loaded import fused
from genstudio.importers.convert import recognise
from genstudio.precision import best_precision
from tests.bench.engine import compared, show, take_turns

TRUNCATION = 0.5
SAME = 1e-3  # how far their pictures may be apart


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.imports", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7, help="turns that each side takes")
    parser.add_argument("--batch", type=int, default=4, help="pictures drawn at once")
    parser.add_argument("--widths", default="32,128", help="channels at full size; 128 are the published networks'")
    options = parser.parse_args()
    rows = []
    for width in map(int, options.widths.split(",")):
        rows.append(biggan(width, options.batch, options.rounds))
        show(rows[-1], options.json)
    if options.json:
        json.dump(rows, sys.stdout, indent=1)
        print()


@torch.no_grad()
def biggan(width: int, batch: int, rounds: int) -> dict:
    """A BigGAN-deep of 128 pixels."""
    config = BigGANConfig(channel_width=width)
    torch.manual_seed(0)
    theirs = Theirs(config).requires_grad_(False)
    theirs.generator.bn.weight.fill_(1)  # begun with whatever was in memory
    theirs.generator.bn.bias.fill_(0)
    z, kinds = torch.randn(batch, config.z_dim), torch.eye(config.num_classes)[:batch]
    for _ in range(8):  # a spectral norm that has seen nothing yet divides by nearly nothing
        theirs.train()(z[:1], kinds[:1], TRUNCATION)
    theirs.eval()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(config.to_json_string())
        torch.save(theirs.state_dict(), Path(folder) / "pytorch_model.bin")
        model = recognise(folder).model().requires_grad_(False)
    precision = best_precision("cpu")
    codes = torch.cat([z, model.generator.class_embedding.weight[:batch]], 1)
    exact = model.decode(codes, truncation=TRUNCATION)
    apart = (exact - theirs(z * TRUNCATION, kinds, TRUNCATION)).abs().max().item()
    assert apart < SAME, f"their pictures are {apart:.2g} apart"
    model = fused(model).to(precision.dtype, memory_format=precision.memory_format)

    def ours() -> torch.Tensor:
        with precision.autocast():
            return model.decode(codes, truncation=TRUNCATION)

    seconds, least = take_turns(rounds, ours=ours, theirs=lambda: theirs(z * TRUNCATION, kinds, TRUNCATION))
    return compared(f"BigGAN-deep 128 px, width {width}", batch, precision.name, seconds, least, "ours", "theirs") | {"apart": apart}


if __name__ == "__main__":
    main()
