"""How fast, against what anybody would write first: `make bench`, or `python -m tests.bench.engine [--json]`.

Both sides have the same weights and the same batch, and take turns (A B A B ...), so that a busy machine slows both.
Times are medians; "best" is the ratio of the fastest turns. On a machine that others keep busy, `--processor-time`
counts the seconds that one thread of this process computed, in place of those that went by. Without trained weights
untrained ones are measured: the arithmetic is the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ContextDecorator, closing
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from genstudio import catalog, checkpoint
from genstudio.engine import Engine
from genstudio.engine import engine as engine_module
from genstudio.latent.style_layers import mixed
from genstudio.layers.stylegan2 import modulated_one_by_one
from genstudio.model import Batch, Noise, Progress
from genstudio.precision import best_precision, choose_device
from genstudio.registry import find_system
from genstudio.training import loop
from genstudio.training.run import Run

DECODED = ("dcgan_avatars", "vae_avatars", "vae_mnist")
TRANSLATED = ("pix2pix_sketch", "colorize_photo", "denoise_photo")
SIDE, LARGE = 64, 1024  # pixels along the pictures that are translated: many small ones, and a photograph
STYLED = "stylegan2_avatars"
MATRIX = 6  # faces along both sides of the matrix that the page opens in one go
TRAINED = "dcgan_avatars"
clock = time.perf_counter


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9, help="turns that each side takes")
    parser.add_argument("--batch", type=int, default=64, help="pictures decoded or translated at once")
    parser.add_argument("--processor-time", action="store_true", help="one thread, by its own clock: for a busy machine")
    options = parser.parse_args()
    if options.processor_time:
        torch.set_num_threads(1)
        global clock
        clock = time.process_time

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in DECODED:
            rows.append(decoding(name, weights_of(name, Path(folder)), options.batch, options.rounds))
            show(rows[-1], options.json)
        if torch.cuda.is_available():
            for name in DECODED:
                rows.append(replaying(name, weights_of(name, Path(folder)), options.rounds))
                show(rows[-1], options.json)
        for name in TRANSLATED:
            rows.append(translating(name, weights_of(name, Path(folder)), options.batch, options.rounds))
            show(rows[-1], options.json)
        rows.append(styling(STYLED, weights_of(STYLED, Path(folder)), options.batch, options.rounds))
        show(rows[-1], options.json)
        rows.append(training(TRAINED, options.rounds))
        show(rows[-1], options.json)
    if options.json:
        json.dump({"device": device_line(), "rows": rows}, sys.stdout, indent=1)
        print()


def decoding(name: str, path: Path, batch: int, rounds: int) -> dict:
    """Pictures per second of the engine in fast mode, of plain PyTorch on the same batch, and one by one."""
    engine, (plain, _) = Engine(), checkpoint.load(path)
    engine_module.FRAME_SECONDS = 1000.0  # equal batches: for visitors in turns the engine would cut this one up
    codes = np.stack([plain.latents(Noise([seed]))[0].numpy() for seed in range(batch)])
    plain = plain.to(engine.device)
    tensor = torch.from_numpy(codes)

    @torch.no_grad()
    @as_torch_comes()
    def at_once() -> np.ndarray:
        images = plain.decode(tensor.to(engine.device))
        return ((images + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    @torch.no_grad()
    @as_torch_comes()
    def one_by_one() -> list[np.ndarray]:
        outputs = [plain.decode(tensor[i : i + 1].to(engine.device)) for i in range(batch)]
        return [((images + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy() for images in outputs]

    # All on the engine's thread: each thread that computes has a team of its own, and the idle one's would spin a while.
    def there(side: Callable[[], object]) -> Callable[[], object]:
        return lambda: list(engine._worker.run(side() for _ in range(1)))

    seconds, least = take_turns(
        rounds, engine=lambda: engine.decode(str(path), codes), plain=there(at_once), one_by_one=there(one_by_one)
    )
    fast, exact = engine.decode(str(path), codes), engine.decode(str(path), codes, exact=True)
    return compared(f"decode {name}", batch, engine.hold(str(path)).precision.name, seconds, least, "engine", "plain") | {
        "one by one per s": batch / seconds["one_by_one"],
        "x one by one": seconds["one_by_one"] / seconds["engine"],
        "x one by one, best": least["one_by_one"] / least["engine"],
        "PSNR fast/exact dB": float(np.median([psnr(a, b) for a, b in zip(fast, exact, strict=True)])),
    }


def translating(name: str, path: Path, batch: int, rounds: int) -> dict:
    """Pictures per second of the engine and of plain PyTorch on the same batch; seconds for one picture, and a large one."""
    engine, (plain, _) = Engine(), checkpoint.load(path)
    plain = plain.to(engine.device)
    draw = np.random.RandomState(0)
    pictures = draw.randint(0, 256, (batch, SIDE, SIDE, 3), dtype=np.uint8)
    large = draw.randint(0, 256, (1, LARGE, LARGE, 3), dtype=np.uint8)

    def translate(pictures: np.ndarray) -> np.ndarray:
        *_, last = engine.translate(str(path), pictures, view="tiles")
        return last.images

    @torch.no_grad()
    @as_torch_comes()
    def at_once() -> np.ndarray:
        images = torch.from_numpy(pictures).to(engine.device).permute(0, 3, 1, 2).contiguous() / 127.5 - 1
        made = plain.translate(images).clamp(-1, 1)
        return ((made + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def there() -> object:  # on the engine's thread, as in `decoding`
        return list(engine._worker.run(at_once() for _ in range(1)))

    seconds, least = take_turns(rounds, engine=lambda: translate(pictures), plain=there)
    single, _ = take_turns(rounds, one=lambda: translate(pictures[:1]))
    long, _ = take_turns(min(rounds, 3), large=lambda: translate(large))
    fast = translate(pictures)
    *_, exact = Engine(exact=True).translate(str(path), pictures, view="tiles")
    return compared(f"translate {name}", batch, engine.hold(str(path)).precision.name, seconds, least, "engine", "plain") | {
        f"ms for one of {SIDE} px": 1000 * single["one"],
        f"s for one of {LARGE} px": long["large"],
        "PSNR fast/exact dB": float(np.median([psnr(a, b) for a, b in zip(fast, exact.images, strict=True)])),
    }


def styling(name: str, path: Path, batch: int, rounds: int) -> dict:
    """Pictures per second of the engine, and of plain PyTorch that makes filters for each picture of the same batch, each a
    group of one wide convolution; seconds for a matrix of mixtures with its faces, seeds and all."""
    engine, (plain, _) = Engine(), checkpoint.load(path)
    engine_module.FRAME_SECONDS = 1000.0  # as in `decoding`
    w = engine.styles(str(path), range(batch))
    plain, tensor = plain.to(engine.device), torch.from_numpy(w)

    @torch.no_grad()
    @as_torch_comes()
    def grouped() -> np.ndarray:
        with mock.patch("genstudio.layers.stylegan2.modulated", modulated_one_by_one):
            images = plain.synthesize(tensor.to(engine.device))
        return ((images + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

    def there() -> object:  # on the engine's thread, as in `decoding`
        return list(engine._worker.run(grouped() for _ in range(1)))

    def matrix() -> np.ndarray:
        faces = engine.styles(str(path), range(2 * MATRIX))
        mixtures = [mixed(row, column, range(3)) for row in faces[:MATRIX] for column in faces[MATRIX:]]
        return engine.synthesize(str(path), np.stack([*faces, *mixtures]))

    seconds, least = take_turns(rounds, engine=lambda: engine.synthesize(str(path), w), plain=there)
    table, _ = take_turns(rounds, matrix=matrix)
    fast, exact = engine.synthesize(str(path), w), Engine(exact=True).synthesize(str(path), w)
    return compared(f"synthesize {name}", batch, engine.hold(str(path)).precision.name, seconds, least, "engine", "plain") | {
        f"ms for one of {MATRIX} x {MATRIX} faces": 1000 * table["matrix"],
        "PSNR fast/exact dB": float(np.median([psnr(a, b) for a, b in zip(fast, exact, strict=True)])),
    }


def replaying(name: str, path: Path, rounds: int, count: int = 50) -> dict:
    """Single pictures per second on a graphics card, as a page asks for them: from a recording, and without."""
    engine = Engine("cuda")
    model = engine.hold(str(path)).model
    recorded, codes = model.decode, engine.latents(str(path), [0])

    def with_verb(verb: Callable) -> Callable[[], object]:
        def decode() -> None:
            model.decode = verb
            for _ in range(count):
                engine.decode(str(path), codes)

        return decode

    plain = type(model).decode.__get__(model)
    seconds, least = take_turns(rounds, recorded=with_verb(recorded), plain=with_verb(plain))
    return compared(f"replay {name}", 1, engine.hold(str(path)).precision.name, seconds, least, "recorded", "plain", count=count)


def as_torch_comes() -> ContextDecorator:
    """What a card does in float32 unless it is told otherwise: TF32, and whichever algorithm is fastest."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=True)


def training(name: str, rounds: int) -> dict:
    """Pictures per second of `train.play` and of the loop that a tutorial would show, on the same networks and batch."""
    system = find_system(name)
    device = choose_device().device
    precision = best_precision(device)
    run = Run(system, {}, system.recipe, device)
    run.model.to(memory_format=precision.memory_format).train()
    run.average.to(memory_format=precision.memory_format)
    plain = Run(system, {}, system.recipe, device)
    plain.model.train()
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=system.recipe.rate, betas=system.recipe.betas)
        for name, player in plain.model.players().items()
    }
    batch = Batch(torch.rand(system.recipe.batch, *run.model.image_shape) * 2 - 1)

    def ours() -> None:
        loop.play(run, batch.to(device, memory_format=precision.memory_format), precision)
        run.advance()
        loop.update_average(run)

    @as_torch_comes()
    def tutorial() -> None:
        with closing(plain.model.losses(batch.to(device), Progress())) as game:
            for player, terms in game:
                optimizers[player].zero_grad()
                sum(t for t in terms.values() if t.requires_grad).backward()
                optimizers[player].step()
        plain.step += 1
        loop.update_average(plain)

    seconds, least = take_turns(rounds, ours=ours, tutorial=tutorial)
    return compared(f"train {name}", len(batch), precision.name, seconds, least, "ours", "tutorial")


def compared(
    what: str, batch: int, precision: str, seconds: dict[str, float], least: dict[str, float], ours: str, plain: str, count: int | None = None
) -> dict:
    """What two sides took for `count` pictures, a batch unless that is said, as rates and ratios."""
    count = batch if count is None else count
    return {
        "what": what,
        "batch": batch,
        "precision": precision,
        "engine per s": count / seconds[ours],
        "plain per s": count / seconds[plain],
        "x plain": seconds[plain] / seconds[ours],
        "x plain, best": least[plain] / least[ours],
    }


def take_turns(rounds: int, idle: int = 2, **sides: Callable[[], object]) -> tuple[dict[str, float], dict[str, float]]:
    """Median and least seconds of each side, after `idle` unmeasured rounds."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for i in range(rounds + idle):
        for name, side in sides.items():
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            start = clock()
            side()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if i >= idle:
                spent[name].append(clock() - start)
    return {name: statistics.median(t) for name, t in spent.items()}, {name: min(t) for name, t in spent.items()}


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """10 log10(255^2 / mean squared difference); 99 for equal pictures."""
    error = np.square(a.astype(float) - b.astype(float)).mean()
    return 10 * np.log10(255**2 / error) if error else 99.0


def weights_of(name: str, folder: Path) -> Path:
    """The checkpoint of a system, else an untrained one in `folder`."""
    try:
        path = catalog.locate(name)
        checkpoint.load(path)
        return path
    except ValueError:  # none yet, or of an earlier form of the system
        path = folder / f"{name}.safetensors"
        checkpoint.save(path, find_system(name).build(), checkpoint.Header(name))
        return path


def device_line() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA", torch.backends.cpu.get_cpu_capability())
    return f"CPU, {torch.get_num_threads()} threads, {isa}, torch {torch.__version__}"


def show(row: dict, silent: bool) -> None:
    if silent:
        return
    if row["what"].startswith(f"decode {DECODED[0]}"):
        print(device_line())
        print(f"{'':26} {'batch':>5} {'precision':>9} {'ours/s':>8} {'plain/s':>8} {'x plain':>8} {'best':>6} {'x 1 by 1':>9} {'best':>6} {'PSNR':>6}")
    rest = f"{row['x one by one']:9.2f} {row['x one by one, best']:6.2f}" if "x one by one" in row else " " * 16
    rest += f" {row['PSNR fast/exact dB']:6.1f}" if "PSNR fast/exact dB" in row else ""
    rest += "".join(f"  {value:.3g} {what}" for what, value in row.items() if " for one of " in what)
    print(
        f"{row['what']:26} {row['batch']:5} {row['precision']:>9} {row['engine per s']:8.1f} {row['plain per s']:8.1f}"
        f" {row['x plain']:8.2f} {row['x plain, best']:6.2f} {rest}",
        flush=True,
    )


if __name__ == "__main__":
    main()
