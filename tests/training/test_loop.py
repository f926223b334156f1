"""The training loop: runs that were killed go on as if nothing had happened, and runs that went wrong keep what was good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from genstudio import checkpoint
from genstudio.controls import Text
from genstudio.data import Pictures, stream_seed
from genstudio.model import Batch, Model, Progress
from genstudio.models.gan import DCGAN
from genstudio.precision import Precision
from genstudio.registry import find_system, systems
from genstudio.system import Recipe, system
from genstudio.training import finalize, loop, runs
from genstudio.training import sample_grid as walls
from genstudio.training.run import Run
from tests import ROOT

RECIPE = Recipe(images=320, batch=8, betas=(0.5, 0.999), warmup=40, ema=0.9, flip=True, jitter=1)


@system(title=Text("Tiny", "Petit"), data="mnist", recipe=RECIPE)
def tiny() -> DCGAN:
    """A DCGAN that trains in a blink, batch norm in both networks."""
    return DCGAN((3, 16, 16), latent_dim=8, widths=(16, 8))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(systems(), "tiny", tiny.system)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """30 coloured pictures: 27 to train on, so that no epoch ends where a batch does."""
    root = tmp_path_factory.mktemp("pictures")
    draw = np.random.RandomState(0)
    for i in range(30):
        Image.fromarray(draw.randint(0, 256, (4, 4, 3), dtype=np.uint8)).resize((16, 16)).save(root / f"{i:02d}.png")
    return root


@pytest.fixture
def start(folder, tmp_path):
    """start(**options): a run of the tiny system in `tmp_path / "run"`."""
    def begin(**options):
        return loop.train("tiny", **{"data": str(folder), "out": tmp_path / "run", "device": "cpu"} | options)

    begin.data = str(folder)
    return begin


def tensors(value, name: str = "") -> dict[str, torch.Tensor]:
    """All tensors and numbers inside nested dicts and lists, by their path."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in tensors(inner, f"{name}/{key}").items()}
    if isinstance(value, (list, tuple)):
        return {k: v for i, inner in enumerate(value) for k, v in tensors(inner, f"{name}/{i}").items()}
    return {name: value if isinstance(value, torch.Tensor) else torch.tensor(float(value or 0))}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


def state_of(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "state.pt", weights_only=True)
    del state["minutes"]
    return tensors(state)


def reports_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "reports.jsonl").read_text().splitlines()]


# Exact resume

MORTAL = """
import os, signal, sys
from pathlib import Path
import torch
from genstudio.models.gan import DCGAN
from genstudio.registry import find_system, systems
from genstudio.training import loop
from tests.training.test_loop import tiny

class Mortal(DCGAN):
    dies = None
    def losses(self, batch, progress):
        for turn in super().losses(batch, progress):
            yield turn
            if progress.step == Mortal.dies:  # the critic has taken its step, the generator has not
                os.kill(os.getpid(), signal.SIGKILL)

def build() -> Mortal:
    return Mortal((3, 16, 16), latent_dim=8, widths=(16, 8))

torch.set_num_threads(1)
object.__setattr__(tiny.system, "build", build)
systems()["tiny"] = tiny.system
data, out, work = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
options = {"data": data, "device": "cpu", "save_minutes": 0.0, "report_steps": 5}
if work == "die":
    Mortal.dies = 18
    list(loop.train("tiny", out=out / "killed", **options))
else:
    list(loop.train("tiny", out=out / "killed", resume=True, **options))
    list(loop.train("tiny", out=out / "whole", **options))
"""


def test_a_run_killed_in_mid_epoch_goes_on_to_equal_bytes(folder, tmp_path):
    """Batch norm, averaged weights, augmentation, warm-up, and a SIGKILL between two players' turns of one step."""

    def python(work: str) -> int:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", MORTAL, str(folder), str(tmp_path), work]
        return subprocess.run(command, env=environment, timeout=200, cwd=ROOT).returncode

    assert python("die") == -9
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    assert torch.load(killed / "state.pt", weights_only=True)["step"] == 18
    assert not (killed / "tiny.safetensors").exists()
    assert python("live") == 0

    for file in ("tiny.safetensors", "tiny.critic.safetensors"):
        assert_equal(load_file(killed / file), load_file(whole / file))
    assert_equal(state_of(killed), state_of(whole))
    one, other = reports_of(killed), reports_of(whole)
    assert [r["step"] for r in one] == [r["step"] for r in other] == list(range(5, 41, 5))
    assert [r["terms"] for r in one[4:]] == [r["terms"] for r in other[4:]]  # the report at 20 has seen two steps only
    walls = [sorted((run / "walls").glob("*.png")) for run in (killed, whole)]
    assert [w.name for w in walls[0]] == [w.name for w in walls[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*walls, strict=True))


def test_a_run_goes_on_in_another_memory_layout(start, tmp_path):
    """Fused Adam pairs weights and moments by address: moments saved in one layout and used in another were noise."""
    run = Run(tiny.system, {}, RECIPE, torch.device("cpu"))
    batch = Batch(torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    for _ in range(3):
        loop.play(run, batch, Precision.exact("cpu"))
    run.save_state(tmp_path / "state.pt")
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        again = Run(tiny.system, {}, RECIPE, torch.device("cpu"))
        again.model.to(memory_format=layout)
        again.load_state(tmp_path / "state.pt")
        loop.play(again, batch, Precision.exact("cpu"))
        results.append(again.model.state_dict())
    for key, tensor in results[0].items():
        # Adam's step is at most the learning rate, 2e-4: sums in another order are far smaller, other moments are not.
        torch.testing.assert_close(results[1][key], tensor, rtol=0, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")


# Stopping


def test_closing_a_run_saves_it_and_it_can_go_on(start, tmp_path):
    reports = start(report_steps=4)
    first = next(reports)
    reports.close()
    assert first.step == 4 and first.steps == 40 and first.images == 32
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["step"] == 4
    assert next(start(report_steps=4, resume=True)).step == 8


def test_reports_tell_finite_terms_rate_and_time(start):
    *_, last = start(images=48, report_steps=4)
    assert last.step == last.steps == 6 and last.images == 48 and last.eta == 0
    assert last.rate > 0 and last.minutes > 0 and last.sample_grid.exists()
    assert set(last.terms) == {"critic", "generator", "D(real)", "D(fake)", "D(fake_after)"}
    assert 0 < last.terms["D(real)"] < 1


def test_max_minutes_stops_in_good_order(start, tmp_path):
    list(start(max_minutes=0.0))
    run = tmp_path / "run"
    model, header = checkpoint.load(run / "tiny.safetensors")
    assert header.step == 1 and header.images == 8 and (run / "tiny.webp").exists()
    assert not torch.load(run / "state.pt", weights_only=True)["step"] != 1
    *_, last = start(resume=True)
    assert last.step == 40, "the schedule is not shortened"


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_a_run_of_another_optimizer_goes_on_to_equal_bytes_and_travels(start, tmp_path, optimizer):
    options = {"optimizer": optimizer, "report_steps": 4, "images": 96}
    list(start(out=tmp_path / "whole", **options))
    reports = start(**options)
    next(reports)
    reports.close()
    file = runs.export(tmp_path / "run", tmp_path / "some.run")[0]
    moved, _ = runs.import_(file, tmp_path / "moved")
    list(start(out=moved, resume=True, report_steps=4))
    assert_equal(state_of(moved), state_of(tmp_path / "whole"))
    names = {type(o).__name__.lower() for o in Run(tiny.system, {}, replace(RECIPE, optimizer=optimizer), torch.device("cpu")).optimizers.values()}
    assert names == {optimizer}
    assert checkpoint.describe(moved / "tiny.safetensors").recipe["optimizer"] == optimizer


def test_a_run_of_before_keeps_its_random_streams(start, tmp_path):
    """Runs whose run.json names no version have the seeds of Python's hash, and end as they would have."""
    streams = {version: stream_seed("step", 0, 3, 0, 1, version=version) for version in (1, 2)}
    assert streams[1] == hash((0, 3, 0, 1)) % 2**63 and streams[2] != streams[1]
    assert stream_seed("augment", 0, 3, 0) != stream_seed("shuffle", 0, 3, 0), "streams of one key differ"
    batches = {version: loop.begin("tiny", data=start.data, out=tmp_path / str(version), device="cpu") for version in (1, 2)}
    saved = json.loads((tmp_path / "1" / "run.json").read_text())
    assert saved.pop("seeds") == 2
    (tmp_path / "1" / "run.json").write_text(json.dumps(saved))
    old = loop.begin("tiny", out=tmp_path / "1", resume=True, device="cpu")
    assert (old.batches.seeds, batches[2].batches.seeds) == (1, 2)
    assert not torch.equal(old.batches[0].images, batches[2].batches[0].images)
    assert json.loads((tmp_path / "1" / "run.json").read_text())["seeds"] == 1, "and it stays so"


class Thirsty(DCGAN):
    """Two critic steps on batches of their own, and a record of what each step was given."""

    seen: list = []

    def losses(self, batch, progress):
        fresh = progress.draw()
        self.seen.append((progress.step, progress.images, progress.of, batch.images.mean().item(), fresh.images.mean().item()))
        assert fresh.images.shape == batch.images.shape
        yield from super().losses(fresh, progress)


def test_a_step_may_draw_fresh_batches_and_counts_images(start, tmp_path, monkeypatch):
    def build() -> Thirsty:
        return Thirsty((3, 16, 16), latent_dim=8, widths=(16, 8))

    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=build))
    monkeypatch.setattr(Thirsty, "seen", [])

    def steps(count: int, **options) -> None:
        reports = start(report_steps=4, **options)
        while next(reports).step < count:
            pass
        reports.close()

    steps(8, out=tmp_path / "whole")
    whole, Thirsty.seen = Thirsty.seen, []
    assert [row[:3] for row in whole[:3]] == [(0, 0, 320), (1, 8, 320), (2, 16, 320)]
    assert all(row[3] != row[4] for row in whole), "it is another batch"
    steps(4)
    steps(8, resume=True)
    assert Thirsty.seen == whole, "a run that was stopped draws the same"


def test_a_run_is_exported_as_it_stands(start, folder, tmp_path):
    reports, run = start(report_steps=4), tmp_path / "run"
    assert next(reports).step == 4
    reports.close()
    before = state_of(run)
    report = loop.export("tiny", run, data=str(folder), device="cpu")
    assert report.step == 4 and report.images == 32 and report.terms == {}
    assert_equal(state_of(run), before)
    assert checkpoint.describe(run / "tiny.safetensors").step == 4 and (run / "tiny.webp").exists()
    *_, last = start(resume=True)
    whole = load_file(run / "tiny.safetensors")
    list(start(out=tmp_path / "whole"))
    assert last.step == 40
    assert_equal(load_file(tmp_path / "whole" / "tiny.safetensors"), whole)


def test_a_run_without_a_step_has_nothing_to_export(start, folder, tmp_path):
    reports = start(max_minutes=0.0)
    next(reports)
    reports.close()
    (tmp_path / "run" / "state.pt").unlink()
    with pytest.raises(ValueError, match="without a step so far"):
        loop.export("tiny", tmp_path / "run", data=str(folder), device="cpu")


def test_a_report_is_the_mean_since_the_one_before_it_after_a_resume_too(start, tmp_path):
    """A state saved between two reports: the next report divides by the steps that it has seen."""
    list(start(max_minutes=0.0, report_steps=10))  # one step
    reports = start(resume=True, report_steps=10)
    terms = next(reports).terms
    reports.close()
    assert 0.2 < terms["D(real)"] < 0.8 and terms["critic"] > 1.0  # near 2 log 2 at the start; nine tenths of it were wrong


# Going wrong


class Diverging(DCGAN):
    """Losses that are not finite from step 7 on."""

    def losses(self, batch, progress):
        for player, terms in super().losses(batch, progress):
            yield player, {k: v * (float("nan") if progress.step >= 7 and v.requires_grad else 1) for k, v in terms.items()}


@pytest.mark.parametrize("report_steps", [2, 5, 1000])
def test_a_run_that_diverged_keeps_its_last_good_state(start, tmp_path, monkeypatch, report_steps):
    """However the times to save, to report and to stop fall: a state with NaN in it would make the loss final."""

    def build() -> Diverging:
        return Diverging((3, 16, 16), latent_dim=8, widths=(16, 8))

    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=build))
    with pytest.raises(FloatingPointError, match="diverged"):
        list(start(report_steps=report_steps, save_minutes=0.0))
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert state["step"] <= 7 and all(t.isfinite().all() for t in state["model"].values())
    assert not (tmp_path / "run" / "tiny.safetensors").exists()
    monkeypatch.setitem(systems(), "tiny", tiny.system)  # with the cause removed it goes on
    *_, last = start(resume=True)
    assert last.step == 40


class Crowded(DCGAN):
    """Room for three pictures, and none at all in between: the critic has had its turn when memory runs out."""

    room = 3

    def losses(self, batch, progress):
        for i, turn in enumerate(super().losses(batch, progress)):
            if i == 1 and len(batch) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            yield turn


def test_a_step_that_is_too_large_is_played_in_parts_from_the_next_on(start, tmp_path, monkeypatch):
    """And says so; half a game is never played twice: two steps are given up, and counted."""

    def build() -> Crowded:
        return Crowded((3, 16, 16), latent_dim=8, widths=(16, 8))

    monkeypatch.setitem(systems(), "tiny", replace(tiny.system, build=build))
    reports = start(report_steps=4)
    report = next(reports)
    reports.close()
    assert report.step == 4 and report.parts == 4
    optimizers = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["optimizers"]
    taken = {name: next(iter(o["state"].values()))["step"] for name, o in optimizers.items()}
    assert taken == {"critic": 4, "generator": 2}
    monkeypatch.setattr(Crowded, "room", 0)
    with pytest.raises(ValueError, match="no memory left to train on even one picture"):
        list(start())


def test_a_run_in_a_used_folder_leaves_nothing_of_the_old_one(start, tmp_path):
    run = tmp_path / "run"
    list(start())
    assert {int(p.stem) for p in (run / "walls").glob("*.png")} > {40}
    list(start(images=80))
    assert max(int(p.stem) for p in (run / "walls").glob("*.png")) == 10
    assert max(r["step"] for r in reports_of(run)) == 10


def test_a_half_written_report_does_not_stop_a_resume(start, tmp_path):
    list(start(max_minutes=0.0, report_steps=1))
    with (tmp_path / "run" / "reports.jsonl").open("a") as file:
        file.write('{"step": 1, "ter')
    next(start(resume=True))
    assert [r["step"] for r in reports_of(tmp_path / "run")] == [1, 20]


def test_a_resume_of_nothing_or_of_another_system_is_refused(start, tmp_path):
    with pytest.raises(ValueError, match="holds no run to resume"):
        next(start(resume=True))
    list(start(images=8))
    with pytest.raises(ValueError, match="holds a run of tiny, not of vae_mnist"):
        next(loop.train("vae_mnist", out=tmp_path / "run", resume=True))
    with pytest.raises(ValueError, match="no system is called"):
        next(loop.train("nothing", out=tmp_path / "other"))


# What a run leaves


def test_a_run_leaves_weights_that_say_where_they_come_from_and_a_film(start, tmp_path):
    list(start())
    run = tmp_path / "run"
    model, header = checkpoint.load(run / "tiny.safetensors")
    assert header.system == "tiny" and header.step == 40 and header.images == 320 and header.threads >= 1
    assert header.recipe["flip"] is True and header.data and header.command and header.versions["torch"]
    assert checkpoint.critic_of(run / "tiny.safetensors").exists()
    assert (run / "tiny.webp").stat().st_size <= 200_000
    with Image.open(run / "tiny.webp") as film:
        assert 5 <= film.n_frames <= len(list((run / "walls").glob("*.png"))) == 22  # WebP joins frames that look the same


def test_a_run_can_start_from_a_checkpoint_with_its_critic(start, tmp_path):
    list(start(images=80))
    weights = tmp_path / "run" / "tiny.safetensors"
    reports = start(init=str(weights), out=tmp_path / "tuned", images=8, rate=1e-12)
    list(reports)
    before, after = load_file(weights), load_file(tmp_path / "tuned" / "tiny.safetensors")
    for key in (k for k in before if "weight" in k):
        torch.testing.assert_close(after[key], before[key], rtol=2e-3, atol=1e-4)
    state = torch.load(tmp_path / "tuned" / "state.pt", weights_only=True)["model"]
    critic = load_file(checkpoint.critic_of(weights))
    torch.testing.assert_close(state["critic.0.weight"], critic["critic.0.weight"].float(), rtol=2e-3, atol=1e-4)


# The parts of the loop


def test_the_average_follows_its_recipe_and_copies_buffers():
    run = Run(tiny.system, {}, replace(RECIPE, ema=0.9), torch.device("cpu"))
    start = [p.clone() for p in run.average.parameters()]
    with torch.no_grad():
        for p in run.model.parameters():
            p.add_(1)
        for b in run.model.buffers():
            b.add_(1)
    run.step = 1000
    loop.update_average(run)
    for now, old in zip(run.average.parameters(), start, strict=True):
        torch.testing.assert_close(now, old + 0.1)
    assert all(torch.equal(a, b) for a, b in zip(run.average.buffers(), run.model.buffers(), strict=True))
    run.step = 0  # the memory is short at first: untrained weights are soon forgotten
    loop.update_average(run)
    assert (next(run.average.parameters()) - next(run.model.parameters())).abs().max() < 0.2


def test_no_average_keeps_the_last_weights():
    run = Run(tiny.system, {}, replace(RECIPE, ema=0.0), torch.device("cpu"))
    with torch.no_grad():
        for p in run.model.parameters():
            p.normal_()
    loop.update_average(run)
    assert all(torch.equal(a, b) for a, b in zip(run.average.parameters(), run.model.parameters(), strict=True))


def test_rates_rise_over_the_warm_up_and_fall_on_a_half_cosine():
    recipe = replace(RECIPE, images=8000, warmup=800, rate=1.0, rates={"critic": 0.5}, cosine=True)
    run, seen = Run(tiny.system, {}, recipe, torch.device("cpu")), []
    for _ in range(run.steps):
        loop.set_rates(run)
        seen.append(run.optimizers["generator"].param_groups[0]["lr"])
        assert run.optimizers["critic"].param_groups[0]["lr"] == pytest.approx(0.5 * seen[-1])
        run.advance()
    assert seen[0] == pytest.approx(0.01, rel=0.01) and 0.97 < max(seen) <= 1 and 95 <= int(np.argmax(seen)) <= 100
    assert seen[500] == pytest.approx(0.5, abs=0.01) and seen[-1] < 1e-4
    assert all(a > b for a, b in zip(seen[100:], seen[101:]))


def test_the_gradient_is_clipped_to_its_norm():
    class Steep(Model):
        image_shape = (1, 1, 1)

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4))

        def losses(self, batch, progress):
            yield "model", {"loss": 1000 * self.weight.sum()}

    def build() -> Steep:
        return Steep()

    run = Run(replace(tiny.system, build=build), {}, replace(RECIPE, clip=3.0), torch.device("cpu"))
    loop.play(run, Batch(torch.zeros(2, 1, 1, 1)), Precision.exact("cpu"))
    assert run.model.weight.grad.norm().item() == pytest.approx(3.0, rel=1e-3)


def test_batch_norm_is_measured_on_the_averaged_weights_without_touching_the_run():
    run = Run(tiny.system, {}, RECIPE, torch.device("cpu"))
    batches = loop.Batches(Pictures("noise", torch.randint(0, 256, (16, 3, 16, 16), dtype=torch.uint8)), 64)
    norm = run.average.generator[1]
    norm.running_mean.fill_(99)
    before, weights = torch.get_rng_state(), norm.weight.clone()
    finalize.refresh_batch_norm(run.average, batches, torch.device("cpu"), count=8)
    z = torch.randn(4096, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        activations = run.average.generator[0](z[:, :, None, None])
    torch.testing.assert_close(norm.running_mean, activations.mean((0, 2, 3)), rtol=0, atol=0.01)
    torch.testing.assert_close(norm.running_var, activations.var((0, 2, 3)), rtol=0.2, atol=1e-4)
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(norm.weight, weights)
    assert norm.momentum == 0.1 and not run.average.training


def test_walls_stand_at_log_spaced_steps():
    steps = sorted(walls.sample_grid_steps(10_000))
    assert steps[0] == 1 and steps[-1] == 10_000 and 25 <= len(steps) <= walls.FRAMES
    assert np.all(np.diff(np.log(steps[10:])) < 0.4)
    assert walls.sample_grid_steps(1) == {1}


def test_the_film_of_a_model_that_grows_has_a_frame_in_every_phase():
    """On a log scale most frames would be of the lowest resolution."""
    steps = sorted(walls.sample_grid_steps(10_000, even=True))
    assert steps[0] == 1 and steps[-1] == 10_000 and len(steps) == walls.FRAMES
    assert np.all(np.abs(np.diff(steps) - 10_000 / (walls.FRAMES - 1)) <= 2)
    system = find_system("progan_faces")
    model, recipe = system.build(), system.recipe
    places = [step * recipe.images / 10_000 for step in steps]
    stages = [model.stage_at(Progress(images=int(images), of=recipe.images)) for images in places]
    for level in range(1, model.levels):
        assert sum(level - 1 < stage < level for stage in stages) >= 2, "a fade that the film does not show"


def test_a_term_without_gradient_is_only_shown():
    run = Run(tiny.system, {}, RECIPE, torch.device("cpu"))
    seen = loop.play(run, Batch(torch.zeros(8, 3, 16, 16)), Precision.exact("cpu")).terms
    assert {"D(real)", "critic", "generator"} <= set(seen) and not any(v.requires_grad for v in seen.values())
    assert next(islice(run.optimizers["critic"].state.values(), 1))["step"] == 1
