"""How fast pictures are sampled, against diffusers: `python -m tests.bench.diffusion [--json]`, part of `make bench`.

Both sides have the same weights, as many pictures and as many steps of DDIM, and take turns as in `tests.bench.engine`; theirs
is `DDIMPipeline` as it comes. That both networks say the same is measured first. Where there are trained weights, also
how near the engine's fast pictures come to its exact ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler, UNet2DModel
from torch.nn.functional import pixel_unshuffle

from genstudio import catalog
from genstudio.engine import Engine
from genstudio.engine.loaded import fused, side_by_side
from genstudio.engine.worker import Worker
from genstudio.images import to_uint8
from genstudio.importers.formats.diffusers import translated
from genstudio.layers.unet import DenoisingUNet
from genstudio.model import Noise
from genstudio.models.diffusion import Diffusion
from genstudio.precision import best_precision, choose_device, keep_memory
from genstudio.registry import find_system
from tests.bench import engine as bench

LAYOUTS = {
    "DDPM's for CIFAR-10": lambda: Diffusion((3, 32, 32), (128, 256, 256, 256), attention=(1,), schedule="linear"),
    "ddpm_avatars": lambda: find_system("ddpm_avatars").build(),
}
TRAINED = ("ddpm_mnist", "ddpm_avatars")
SAME = 1e-3  # how far two networks that are the same may be apart, as a share of the largest number
WARM = 2  # steps of the turn that is not measured


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.diffusion", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each side takes")
    parser.add_argument("--batch", type=int, default=16, help="pictures sampled at once")
    parser.add_argument("--steps", type=int, default=20, help="of DDIM")
    parser.add_argument("--seeds", type=int, default=64, help="pictures of which fast and exact are compared")
    parser.add_argument("--layout", choices=LAYOUTS, help="only this one; else all, and fast against exact")
    parser.add_argument("--processor-time", action="store_true", help="one thread, by its own clock")
    options = parser.parse_args()
    if options.processor_time:
        torch.set_num_threads(1)
        bench.clock = bench.time.process_time
    keep_memory()

    rows = []
    for name in [options.layout] if options.layout else LAYOUTS:
        rows.append(sampling(name, options.batch, options.steps, options.rounds))
        if not options.json:
            show(rows[-1], first=len(rows) == 1)
    for name in () if options.layout else TRAINED:
        try:
            catalog.locate(name)
        except ValueError as none:
            print(f"Fast against exact is not measured: {none}.", file=sys.stderr)
            continue
        rows.append(fidelity(name, options.seeds))
        if not options.json:
            said = "{what}: PSNR fast/exact over {seeds} seeds: median {median dB:.1f} dB, least {least dB:.1f} dB"
            print(said.format_map(rows[-1]), flush=True)
    if options.json:
        json.dump({"device": bench.device_line(), "rows": rows}, sys.stdout, indent=1)
        print()


def sampling(name: str, batch: int, steps: int, rounds: int) -> dict:
    """Pictures per second of `Diffusion.sample` as the engine runs it, and of diffusers' pipeline."""
    device = choose_device().device
    torch.manual_seed(0)
    model = LAYOUTS[name]().eval().requires_grad_(False)
    net = counterpart(model).eval()
    model.network.load_state_dict(translated(net.state_dict()))
    apart = difference(model.network, net, model.image_shape)
    assert apart < SAME, f"{name}: the two networks differ by {apart:.1e}, so there is nothing to compare"

    precision = best_precision(device)
    model = fused(model).to(device, precision.dtype, memory_format=precision.memory_format)
    held = SimpleNamespace(model=model, precision=precision)
    if net.class_embedding is not None:  # the pipeline would not name a class
        net.forward = partial(net.forward, class_labels=torch.arange(batch, device=device) % model.classes)
    pipeline = DDIMPipeline(net, DDIMScheduler()).to(device)
    pipeline.set_progress_bar_config(disable=True)
    turns = Worker()  # both on the thread where the engine computes

    def ours(steps: int) -> np.ndarray:
        how = {"steps": steps, "sampler": "ddim", "guidance": 1.0}
        frames = side_by_side(held, [model.sample(Noise(range(batch), device), **how)])
        *_, last = turns.run(to_uint8(frame.images) for [frame] in frames)
        return last

    def theirs(steps: int) -> np.ndarray:
        made = (pipeline(batch, num_inference_steps=steps, output_type="np").images for _ in range(1))
        return next(turns.run(made))

    with bench.as_torch_comes():
        ours(WARM), theirs(WARM)
        seconds, least = bench.take_turns(rounds, idle=0, ours=partial(ours, steps), theirs=partial(theirs, steps))
    return {
        "what": f"sample {name}",
        "million weights": sum(p.numel() for p in net.parameters()) / 1e6,
        "batch": batch,
        "steps": steps,
        "precision": precision.name,
        "ours per s": batch / seconds["ours"],
        "diffusers per s": batch / seconds["theirs"],
        "x diffusers": seconds["theirs"] / seconds["ours"],
        "x diffusers, best": least["theirs"] / least["ours"],
        "difference in float32": apart,
    }


def fidelity(name: str, seeds: int) -> dict:
    """PSNR of the engine's fast pictures to its exact ones, as a visitor gets them who changes nothing."""
    pictures = []
    for exact in (False, True):
        *_, last = Engine(exact=exact).sample(name, range(seeds))
        pictures.append(last)
    each = [bench.psnr(fast, exact) for fast, exact in zip(*pictures, strict=True)]
    return {"what": name, "seeds": seeds, "median dB": float(np.median(each)), "least dB": float(min(each))}


# The same network in diffusers ------------------------------------------------------------------------------------


def counterpart(model: Diffusion) -> UNet2DModel:
    """A network of diffusers of the layout of this model's, with the weights that it is born with: none are zero.

    It works on the folded picture, having no fold of its own.
    """
    network, (channels, side, _) = model.network, model.image_shape
    attends = [not isinstance(down.attention[0], torch.nn.Identity) for down in network.downs]
    return UNet2DModel(
        sample_size=side // network.fold,
        in_channels=channels * network.fold**2,
        out_channels=network.conv_out.out_channels,
        block_out_channels=[down.blocks[-1].conv2.out_channels for down in network.downs],
        down_block_types=["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        up_block_types=["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        layers_per_block=len(network.downs[0].blocks),
        norm_num_groups=network.norm.num_groups,
        norm_eps=network.norm.eps,
        attention_head_dim=None,  # one head
        num_class_embeds=network.class_embedding.num_embeddings if network.class_embedding is not None else None,
        flip_sin_to_cos=False,
        freq_shift=1,
    )


@torch.no_grad()
def difference(ours: DenoisingUNet, theirs: UNet2DModel, image_shape: tuple[int, int, int], n: int = 2) -> float:
    """The largest between the outputs of two networks for the same random input, as a share of the largest output."""
    x, times = torch.randn(n, *image_shape), torch.linspace(0, 999, n).long()
    kinds = torch.arange(n) if ours.class_embedding is not None else None
    a = pixel_unshuffle(ours(x, times, kinds), ours.fold)
    b = theirs(pixel_unshuffle(x, ours.fold), times, kinds).sample
    return float((a - b).abs().max() / b.abs().max())


def show(row: dict, first: bool) -> None:
    if first:
        print(bench.device_line())
        heads = f"{'ours/s':>8} {'diffusers/s':>11} {'x diffusers':>11} {'best':>6}"
        print(f"{'':26} {'batch':>5} {'steps':>5} {'precision':>9} {heads}")
    print(
        f"{row['what']:26} {row['batch']:5} {row['steps']:5} {row['precision']:>9} {row['ours per s']:8.3f}"
        f" {row['diffusers per s']:11.3f} {row['x diffusers']:11.2f} {row['x diffusers, best']:6.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
