"""Folders of diffusers, read as ours: the network says what theirs says, and sampling takes the same path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genstudio import checkpoint
from genstudio.importers.convert import Reading, convert, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.model import Noise

diffusers = pytest.importorskip("diffusers")

SAME = 1e-4
TIMES = (0, 1, 17, 500, 999)
PLAIN = {
    "sample_size": 8,
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
# As google/ddpm-cifar10-32 has it, but small, and with an epsilon that can be seen.
DDPM = {
    "sample_size": 16,
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-3,
    "attention_head_dim": None,
}
EVERYWHERE = {
    "down_block_types": ("AttnDownBlock2D",) * 2,
    "up_block_types": ("AttnUpBlock2D",) * 2,
    "attention_head_dim": 4,
}
LAYOUTS = {
    "as it comes": {},
    "as DDPM's": DDPM,
    "cosine first, from a corner": {"downsample_padding": 0, "freq_shift": 1},
    "sine first, evenly padded": {"flip_sin_to_cos": False, "attention_head_dim": None},
    "attention everywhere": EVERYWHERE,
    "told classes": {"num_class_embeds": 5},
    "grey": {"in_channels": 1, "out_channels": 1, "layers_per_block": 3},
    "with a variance": {"out_channels": 6},
}


def unet(**changes) -> diffusers.UNet2DModel:
    """Tiny, and with no number in it that could be left out unseen."""
    torch.manual_seed(0)
    net = diffusers.UNet2DModel(**PLAIN | changes).eval().requires_grad_(False)
    for name, weights in net.named_parameters():
        if weights.dim() > 1:
            weights.normal_(0, weights[0].numel() ** -0.5)
        else:
            weights.normal_(float(name.endswith("weight")), 0.3)
    return net


def folder(path: Path, net: diffusers.UNet2DModel, scheduler=None, safe: bool = True) -> Path:
    """As a model alone, or, with a scheduler, as a pipeline."""
    if scheduler is None:
        net.save_pretrained(path, safe_serialization=safe)
    else:
        diffusers.DDPMPipeline(net, scheduler).save_pretrained(path, safe_serialization=safe)
    return path


def changed(path: Path, **settings) -> Path:
    """The folder, which now says something else of itself."""
    config = path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))
    return path


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def apart(model, net: diffusers.UNet2DModel) -> float:
    """The largest difference between what both say of the same pictures at all TIMES."""
    x, times = normal(len(TIMES), *model.image_shape), torch.tensor(TIMES)
    kinds = torch.arange(len(TIMES)) % model.classes if model.classes else None
    with torch.no_grad():
        return float((model.network(x, times, kinds) - net(x, times, kinds).sample).abs().max())


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_network_says_what_theirs_says(layout, safe, tmp_path):
    net = unet(**LAYOUTS[layout])
    found = recognise(folder(tmp_path, net, safe=safe))
    assert found.system == "unet_diffusion" and apart(found.model(), net) < SAME


@pytest.mark.parametrize("legacy", [False, True])
def test_older_names_of_attention_are_known(legacy, tmp_path):
    net = unet(**DDPM)
    folder(tmp_path, net, safe=False)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for name, tensor in net.state_dict().items():
        for new, older in old.items():
            name = name.replace(new, older)
        weights[name] = tensor
    assert sum(".query." in name for name in weights) == 2 * (2 + 1 + 3)
    torch.save(weights, tmp_path / "diffusion_pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    kinds = {"down_block_types": ["UNetResDownBlock2D", "UNetResAttnDownBlock2D", "UNetResDownBlock2D"]}
    assert apart(recognise(changed(tmp_path, **kinds)).model(), net) < SAME


@pytest.mark.parametrize(
    ("layout", "argument", "other"),
    [
        ("as it comes", "head", 4),
        ("as it comes", "full_range", True),
        ("as it comes", "centred", False),
        ("as DDPM's", "head", 4),
        ("as DDPM's", "full_range", False),
        ("as DDPM's", "centred", True),
        ("as DDPM's", "norm_eps", 1e-5),
    ],
)
def test_every_setting_is_seen_in_what_is_compared(layout, argument, other, tmp_path):
    """Else the tests above would let it pass."""
    net = unet(**LAYOUTS[layout])
    found = recognise(folder(tmp_path, net))
    wrong = Reading(found.system, found.arguments | {argument: other}, found.state, found.maker)
    assert apart(wrong.model(), net) > 10 * SAME


SCHEDULES = {
    "as it comes": {},
    "other betas over fewer steps": {"num_train_timesteps": 200, "beta_start": 0.0015, "beta_end": 0.0195},
    "betas of no round number": {"num_train_timesteps": 200, "beta_start": 1.2345e-4, "beta_end": 0.123456},
    "cosine": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    "the picture": {"prediction_type": "sample"},
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_sampling_takes_the_path_of_their_ddim(schedule, tmp_path):
    net = unet()
    said = SCHEDULES[schedule] | {"timestep_spacing": "trailing"}
    scheduler, steps = diffusers.DDIMScheduler(**said), 4
    model = recognise(folder(tmp_path, net, scheduler)).model()
    torch.testing.assert_close(model.schedule.alpha_bars.float(), scheduler.alphas_cumprod, rtol=2e-4, atol=1e-7)
    scheduler.set_timesteps(steps)
    assert model.schedule.times(steps) == scheduler.timesteps.tolist()
    x = Noise([3, 4]).normal(*model.image_shape)
    with torch.no_grad():
        *_, ours = model.sample(Noise([3, 4]), steps=steps, sampler="ddim")
        for t in scheduler.timesteps:
            x = scheduler.step(net(x, t).sample, t, x, use_clipped_model_output=True).prev_sample
    assert float((ours.images - x).abs().max()) < SAME and x.std() > 0.1


def test_a_learned_variance_comes_after_the_noise(tmp_path):
    net, x, t = unet(out_channels=6), normal(2, 3, 8, 8), 100
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False)
    model = recognise(folder(tmp_path, net, scheduler)).model()
    with torch.no_grad():
        seen, said = model._denoiser(None)(x, t), net(x, t).sample
    guess = scheduler.step(said, t, x, generator=torch.Generator()).pred_original_sample
    assert float((seen.x_0 - guess).abs().max()) < SAME
    assert float((seen.width - (said[:, 3:] + 1) / 2).abs().max()) < SAME


def test_without_a_schedule_it_is_ddpms(tmp_path):
    model, due = recognise(folder(tmp_path, unet())).model(), diffusers.DDPMScheduler().alphas_cumprod
    torch.testing.assert_close(model.schedule.alpha_bars.float(), due, rtol=2e-4, atol=1e-7)
    assert model.predicts == "epsilon" and not model.learned_variance


def test_who_is_told_no_class_is_told_the_middle_of_all(tmp_path):
    found = recognise(folder(tmp_path, unet(num_class_embeds=5)))
    assert found.classes == ["0", "1", "2", "3", "4"]
    kinds = found.model().network.class_embedding.weight
    assert torch.allclose(kinds[5], kinds[:5].mean(0)) and len(kinds) == 6


@pytest.mark.parametrize("layout", ["as DDPM's", "told classes"])
def test_a_checkpoint_of_it_says_the_same(layout, tmp_path):
    net, target = unet(**LAYOUTS[layout]), tmp_path / "unet_diffusion.found.safetensors"
    convert(folder(tmp_path / "theirs", net, diffusers.DDPMScheduler(beta_end=0.03)), target)
    model, header = checkpoint.load(target)
    assert apart(model, net) < SAME and header.classes == [str(kind) for kind in range(model.classes)]
    assert model.schedule.betas == (1e-4, 0.03)


# What is refused


REFUSED = [
    ({"_class_name": "UNet2DConditionModel"}, "_class_name is .UNet2DConditionModel"),
    ({"act_fn": "gelu"}, "act_fn is gelu, and only silu and swish are known"),
    ({"add_attention": False}, "add_attention is false, and only true"),
    ({"resnet_time_scale_shift": "scale_shift"}, "resnet_time_scale_shift"),
    ({"class_embed_type": "timestep"}, "class_embed_type is .timestep., and only null is known"),
    ({"center_input_sample": True}, "center_input_sample"),
    ({"down_block_types": ["DownBlock2D", "ResnetDownsampleBlock2D"]}, "built of ResnetDownsampleBlock2D"),
    ({"down_block_types": ["AttnDownBlock2D", "DownBlock2D"]}, "turned around"),
    ({"sample_size": [8, 16]}, "only squares"),
    ({"sample_size": None}, "sample_size is None"),
    ({"sample_size": 9}, "9 pixels is not halved 1 times"),
    ({"in_channels": 4}, "in_channels is 4"),
    ({"out_channels": 5}, "shown 3 channels and says 5"),
    ({"layers_per_block": 4096}, "4096 blocks"),
    ({"norm_eps": 0.2}, "norm_eps of unet_diffusion must be a number from 1e-12 to 0.1, not .0.2"),
    ({"attention_head_dim": 5}, "16 channels are not shared out into heads of 5"),
    ({"block_out_channels": [10, 20]}, "10 | divisible"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_ours_cannot_do_is_refused_by_name(settings, words, tmp_path):
    with pytest.raises(Refused, match=words):
        recognise(changed(folder(tmp_path, unet()), **settings)).model()


@pytest.mark.parametrize(
    ("scheduler", "words"),
    [
        ({"beta_schedule": "scaled_linear"}, "beta_schedule is scaled_linear, and only linear and squaredcos_cap_v2"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEulerDiscreteScheduler knows no betas"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas"),
        ({"beta_end": 1.5}, "beta_end of unet_diffusion must be a number from 1e-06 to 0.5, not .1.5"),
        ({"beta_start": 0}, "beta_start of unet_diffusion must be a number"),
        ({"beta_end": 0.5}, "betas from 0.0001 to 0.5 over 1000 steps leave nothing of an image"),
        ({"variance_type": "learned"}, "variance_type is learned, and only learned_range"),
        ({"variance_type": "learned_range"}, "the network says none"),
        ({"prediction_type": "score"}, "prediction_type is score"),
    ],
)
def test_a_schedule_that_ours_has_not_is_refused_by_name(scheduler, words, tmp_path):
    folder(tmp_path, unet())
    (tmp_path / "scheduler_config.json").write_text(json.dumps(scheduler))
    with pytest.raises(Refused, match=words):
        recognise(tmp_path)


def test_weights_without_their_settings_are_refused_in_words(tmp_path):
    folder(tmp_path, unet(num_class_embeds=5))
    with pytest.raises(Refused, match="with its config.json"):
        recognise(tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(Refused, match="class_embedding.weight has no place"):
        recognise(changed(tmp_path, num_class_embeds=None)).model()


def test_attention_that_lacks_a_part_is_refused_in_words(tmp_path):
    net = unet()
    folder(tmp_path, net, safe=False)
    weights = {name: tensor for name, tensor in net.state_dict().items() if name != "mid_block.attentions.0.to_k.weight"}
    torch.save(weights, tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(Refused, match="middle.1.query.weight has no key and value"):
        recognise(tmp_path).model()


def test_no_setting_whatever_it_is_breaks_the_reader(tmp_path):
    """It reads the folder or refuses it in words."""
    folder(tmp_path, unet())
    config, schedule = tmp_path / "config.json", tmp_path / "scheduler_config.json"
    told = {config: json.loads(config.read_text()), schedule: dict(diffusers.DDPMScheduler().config)}
    refused = 0
    for path, settings in told.items():
        for key in settings:
            for value in (None, True, -1, float("nan"), 10**30, [{}, "x"]):
                path.write_text(json.dumps(settings | {key: value}))
                try:
                    recognise(tmp_path)
                except Refused:
                    refused += 1
        path.write_text(json.dumps(settings))
    assert refused > 100 and recognise(tmp_path)
