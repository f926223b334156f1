"""Several processes at the same global batch are one process: their weights agree, and no one's pictures are lost."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from genstudio import checkpoint
from genstudio.training import distributed, loop
from tests import ROOT

STEPS, BATCH = 20, 16
pytestmark = pytest.mark.timeout(600)  # two processes, on a machine that may be busy

# vae_mnist as it stands, but each picture's noise comes from a stream of its own: whoever plays it, it is the same.
# Runs are trained one after the other: importing torch takes longer than twenty steps.
TRAINS = """
import json, os, sys, zlib
from pathlib import Path
from unittest.mock import patch
import torch
from genstudio import data
from genstudio.training import loop as train
from genstudio.training import sample_grid as walls

streams = []

def bernoulli(p):
    streams[:] = [torch.Generator().manual_seed(zlib.crc32(row.contiguous().numpy().tobytes())) for row in p]
    return torch.stack([(torch.rand(row.shape, generator=g) < row).float() for row, g in zip(p, streams, strict=True)])

def randn_like(mean):
    return torch.stack([torch.randn(row.shape, generator=g) for row, g in zip(mean, streams, strict=True)])

plain = data.Batches.__init__

def of_the_first(self, *arguments, rank=0, **named):
    plain(self, *arguments, rank=0, **named)

torch.bernoulli, torch.randn_like = bernoulli, randn_like
torch.set_num_threads(1)
walls.FRAMES = 2  # walls are not what is tested
root = Path(sys.argv[1])
for name, options in json.loads(sys.argv[2]):
    faulty = patch.object(data.Batches, "__init__", of_the_first if name == "faulty" else plain)
    with faulty:
        list(train.train("vae_mnist", out=root / name, **options))
    if os.environ.get("RANK", "0") == "0":
        with (root / "steps.txt").open("a") as file:
            print(name, torch.load(root / name / "state.pt", weights_only=True)["step"], file=file)
"""
# Adam makes a whole step of a gradient that is nothing but rounding: a warm-up, as the recipe's own, keeps that small.
OPTIONS = {"images": STEPS * BATCH, "batch": BATCH, "warmup": 10 * STEPS * BATCH, "device": "cpu", "exact": True}
OPTIONS |= {"report_steps": 5, "save_minutes": 1000.0}


def trained(root: Path) -> Path:
    """Folders of runs: `one` by one process; by two `two`, `faulty`, where both play the first one's slice, and
    `stopped`, which went on."""
    # 90 blurred blots, 81 to train on: epochs end in the middle of a batch.
    pictures, draw = root / "blots", np.random.RandomState(0)
    pictures.mkdir()
    for i in range(90):
        blot = Image.fromarray(draw.randint(0, 256, (4, 4), dtype=np.uint8))
        blot.resize((28, 28), Image.Resampling.BICUBIC).save(pictures / f"{i:02d}.png")
    usual = OPTIONS | {"data": str(pictures)}
    launch(1, root, [("one", usual)])
    stopped, resumed = usual | {"max_minutes": 0.0}, usual | {"resume": True}
    launch(2, root, [("two", usual), ("faulty", usual), ("stopped", stopped), ("stopped", resumed)])
    return root


def launch(count: int, root: Path, jobs: list[tuple[str, dict]]) -> None:
    """By `accelerate launch` where it is installed, which hands on to torchrun; else by torchrun itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable]
    if count > 1 and importlib.util.find_spec("accelerate"):
        # Its word for several processes is multi_gpu, on processors too.
        command += ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(count)]
        command += ["--num_machines", "1", "--main_process_port", port]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    elif count > 1:
        command += ["-m", "torch.distributed.run", "--nproc_per_node", str(count), "--master_port", port]
    (script := root / "trains.py").write_text(TRAINS)
    command += [str(script), str(root), json.dumps(jobs)]
    done = subprocess.run(command, env=environment, cwd=ROOT, timeout=500, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def weights(run: Path, which: str = "model") -> dict[str, Tensor]:
    return torch.load(run / "state.pt", weights_only=True)[which]


def apart(one: Path, other: Path, which: str = "model") -> float:
    """The largest difference between two runs in any weight."""
    a, b = weights(one, which), weights(other, which)
    assert a.keys() == b.keys()
    return max((a[key] - b[key]).abs().max().item() for key in a)


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path, subtests):
    """Sums in another order differ in their last digits; on half of the pictures weights would go elsewhere."""
    runs = trained(tmp_path)
    one, two = runs / "one", runs / "two"
    with subtests.test("the steps are those of one process"):
        assert torch.load(two / "state.pt", weights_only=True)["step"] == STEPS
        assert apart(one, two) < 1e-5 and apart(one, two, "average") < 1e-5
    with subtests.test("a process whose pictures are ignored would be seen"):
        # With both halves played, but one of them twice, weights are far away: the law above can fail.
        assert apart(one, runs / "faulty") > 1e-4
    with subtests.test("the first process alone leaves the run, and its terms are those of all"):
        # Each wrote a folder of its own once: a run killed between two writes came back with two different steps.
        assert {p.name for p in one.iterdir()} == {p.name for p in two.iterdir()}
        left, right = (list(map(json.loads, (run / "reports.jsonl").read_text().splitlines())) for run in (one, two))
        assert [r["step"] for r in left] == [r["step"] for r in right] == [5, 10, 15, 20]
        for a, b in zip(left, right, strict=True):
            assert a["terms"] == pytest.approx(b["terms"], rel=1e-4)
        model, header = checkpoint.load(two / "vae_mnist.safetensors")
        assert header.step == STEPS and header.images == STEPS * BATCH
    with subtests.test("both stop at the same step, and go on from one state"):
        # To equal bytes: moments of Adam too, and in the process that wrote nothing.
        steps = (runs / "steps.txt").read_text().split("\n")
        assert [line for line in steps if line.startswith("stopped")] == ["stopped 1", f"stopped {STEPS}"]
        assert apart(runs / "stopped", two) == 0


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch, tmp_path):
    """It was cut to what could, while every schedule went on counting the whole."""
    monkeypatch.setattr(distributed, "join", lambda device: (0, 3, torch.device("cpu")))
    with pytest.raises(ValueError, match="a batch of 128 pictures cannot be shared evenly by 3 processes"):
        next(loop.train("vae_mnist", out=tmp_path))


def test_there_is_one_process_where_nobody_started_several(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.join("cpu") == (0, 1, torch.device("cpu"))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    assert distributed.join() == (0, 1, torch.device("cpu"))


def test_a_process_without_a_card_of_its_own_is_told_so(monkeypatch):
    """Two would have shared the last card, and nccl would have waited for ever."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="no graphics card for process 3: there are 2"):
        distributed.join()


def test_averages_of_one_process_are_what_they_were():
    tensors = [torch.ones(2, 3), torch.zeros(())]
    distributed.average_(tensors)
    assert tensors[0].eq(1).all() and tensors[1].eq(0) and distributed.agreed(3.5) == 3.5
    assert distributed.of_first({"step": 3}) == {"step": 3}
