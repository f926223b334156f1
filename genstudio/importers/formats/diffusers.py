"""Hugging Face's diffusers: the folder of a denoising U-Net, unconditional or class-conditional, and its schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import StateDict, WeightFile, numbered

MAX_COUNT = 4096  # upper bound of all counts

# Options of `UNet2DModel` that ours does not have: each must be absent, or have this value.
FIXED = {
    "_class_name": "UNet2DModel", "center_input_sample": False, "time_embedding_type": "positional",
    "mid_block_type": "UNetMidBlock2D", "mid_block_scale_factor": 1, "downsample_type": "conv", "upsample_type": "conv",
    "resnet_time_scale_shift": "default", "add_attention": True, "class_embed_type": None,
}  # fmt: skip
FIXED_NOISE = {"trained_betas": None, "rescale_betas_zero_snr": False}  # the same for a schedule
# Without scaled_linear: it is the schedule of latent diffusion, whose latents would be taken for images.
SCHEDULES = {"linear": "linear", "squaredcos_cap_v2": "cosine"}
PREDICTS = {"epsilon": "epsilon", "sample": "x_0", "v_prediction": "v"}

# Replacements, in order, from their keys to ours. Attention has older names as well.
NAMES = {
    "time_embedding.linear_1": "time_embedding.0",
    "time_embedding.linear_2": "time_embedding.2",
    "mid_block.resnets.0": "middle.0",
    "mid_block.attentions.0": "middle.1",
    "mid_block.resnets.1": "middle.2",
    "down_blocks": "downs",
    "up_blocks": "ups",
    "downsamplers.0.conv": "downsample",
    "upsamplers.0.conv": "upsample.conv",
    "resnets": "blocks",
    "attentions": "attention",
    "time_emb_proj": "conditioning",
    "conv_shortcut": "shortcut",
    "group_norm": "norm",
    "to_q": "query",
    "to_k": "key",
    "to_v": "value",
    "to_out.0": "out",
    "proj_attn": "out",
    "conv_norm_out": "norm",
}


def recognise(file: WeightFile) -> Reading | None:
    network = file.only
    if network is None or not network.shape("conv_in.weight"):
        return None
    if len(network.shape("time_embedding.linear_1.weight")) != 2:
        return None
    if not file.settings:
        raise Refused(
            "it does not say how it was built: it has to be a folder, with its config.json",
            "il ne dit pas comment il est construit : il faut un dossier, avec son config.json",
        )
    noise = file.more.get("scheduler", {})
    arguments = layout(file.settings, network) | noising(noise)
    if noise.get("variance_type") == "learned_range" and not arguments["learned_variance"]:
        raise Refused("its schedule needs a learned variance, and the network says none")
    read = partial(state, network, sine_first=not file.settings.get("flip_sin_to_cos", True))
    classes = [str(number) for number in range(arguments.get("classes", 0))]
    return Reading("unet_diffusion", arguments, read, "Hugging Face's diffusers", classes=classes)


def state(network: StateDict, sine_first: bool) -> dict[str, Tensor]:
    ours = translated({key: network.read(key) for key in network.tensors})
    if not sine_first:
        weight = ours["time_embedding.0.weight"]
        ours["time_embedding.0.weight"] = weight.roll(weight.shape[1] // 2, 1)
    if "class_embedding.weight" in ours:
        # Ours has one more embedding, for no class (unconditional); theirs was not trained with one, so it is the mean.
        embeddings = torch.atleast_2d(ours["class_embedding.weight"].float())
        ours["class_embedding.weight"] = torch.cat([embeddings, embeddings.mean(0, keepdim=True)])
    return {f"network.{name}": tensor for name, tensor in ours.items()}


def translated(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `UNet2DModel`, by the keys of our `DenoisingUNet`."""
    ours = {}
    for name, weight in theirs.items():
        for old, new in NAMES.items():
            name = name.replace(old, new)
        ours[name] = weight
    for name in [name for name in ours if ".query." in name]:
        parts = [ours.pop(name.replace("query", part), None) for part in ("query", "key", "value")]
        if any(part is None or not part.dim() or part.shape != parts[0].shape for part in parts):
            raise Refused(f"its {name} has no key and value of its shape")
        ours[name.replace("query", "query_key_value")] = torch.cat(parts)
    return ours


# Settings -------------------------------------------------------------------------------------------------------------


def layout(config: dict[str, Any], network: StateDict) -> dict[str, Any]:
    """Arguments of our builder for the network. Missing settings have the defaults of diffusers."""
    check(config, FIXED)
    one_of(config, "act_fn", ("silu", "swish"))  # synonyms
    channels, out_channels = one_of(config, "in_channels", (3, 1)), count(config, "out_channels", 3)
    if out_channels not in (channels, 2 * channels):
        raise Refused(f"it is shown {channels} channels and says {out_channels}")
    widths, groups = counts(config, "block_out_channels"), count(config, "norm_num_groups", 32)
    for key, due in (("time_embedding_dim", 4 * widths[0]), ("attn_norm_num_groups", groups)):
        if config.get(key) not in (None, due):
            raise Refused(f"its {key} is {shown(config[key])}, and only {due} is known beside the rest")
    blocks = count(config, "layers_per_block", 2)
    if len(numbered(network, r"down_blocks\.0\.resnets\.(\d+)\.conv1\.weight")) != blocks:
        raise Refused(f"it says that each level has {blocks} blocks, and its first has not")
    down, up = attention_levels(config, "Down"), attention_levels(config, "Up")
    if down != up[::-1] or len(down) != len(widths):
        raise Refused("its levels on the way up are not those on the way down, turned around")
    found = {
        "size": side(config.get("sample_size")),
        "channels": channels,
        "widths": widths,
        "blocks": blocks,
        "attention": tuple(level for level, has_attention in enumerate(down) if has_attention),
        "conditional": config.get("num_class_embeds") is not None,
        "groups": groups,
        "norm_eps": config.get("norm_eps", 1e-5),
        "centred": one_of(config, "downsample_padding", (1, 0)) == 1,
        "full_range": one_of(config, "freq_shift", (0, 1)) == 1,
        "learned_variance": out_channels == 2 * channels,
    }
    if found["conditional"]:
        found["classes"] = count(config, "num_class_embeds")
    if config.get("attention_head_dim", 8) is not None:
        found["head"] = count(config, "attention_head_dim", 8)
    return found


def noising(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments of our builder for the noise schedule; without settings, DDPM's."""
    check(config, FIXED_NOISE)
    if config.get("variance_type") == "learned":
        raise Refused("its variance_type is learned, and only learned_range is known, beside fixed ones")
    if "beta_schedule" not in config and config.get("_class_name") not in (None, "DDPMScheduler", "DDIMScheduler"):
        raise Refused(f"its {shown(config['_class_name'])} knows no betas, and only schedules of betas are known")
    schedule = one_of(config, "beta_schedule", tuple(SCHEDULES))
    found = {"schedule": SCHEDULES[schedule], "times": count(config, "num_train_timesteps", 1000)}
    usual = "epsilon" if config.get("predict_epsilon", True) else "sample"  # the key of versions before 0.9
    found["predicts"] = PREDICTS[one_of({"prediction_type": usual} | config, "prediction_type", tuple(PREDICTS))]
    if schedule == "linear":
        found |= {"beta_start": config.get("beta_start", 1e-4), "beta_end": config.get("beta_end", 0.02)}
    return found


def attention_levels(config: dict[str, Any], way: str) -> list[bool]:
    """Flags per level, True with attention. way: "Down" or "Up"."""
    types, plain = config.get(f"{way.lower()}_block_types"), f"{way}Block2D"
    if not isinstance(types, list):
        raise Refused(f"its {way.lower()}_block_types are {shown(types)}")
    types = [str(block).removeprefix("UNetRes") for block in types]  # the prefix of early versions
    for block in types:
        if block not in (plain, f"Attn{plain}"):
            raise Refused(f"it is built of {shown(block)}, and only {plain} and Attn{plain} are known")
    return [block != plain for block in types]


def side(size: Any) -> int:
    """Side of an image. Raises Refused unless it is square."""
    two = size if isinstance(size, list) else [size, size]
    if len(two) != 2 or two[0] != two[1]:
        raise Refused(f"its sample_size is {shown(size)}, and only squares are known")
    return count({"sample_size": two[0]}, "sample_size")


def check(config: dict[str, Any], fixed: dict[str, Any]) -> None:
    for key, due in fixed.items():
        if config.get(key, due) != due:
            raise Refused(f"its {key} is {shown(json.dumps(config[key]))}, and only {json.dumps(due)} is known")


def one_of(config: dict[str, Any], key: str, known: tuple[Any, ...]) -> Any:
    """A setting restricted to `known` values, the first of which is the default."""
    value = config.get(key, known[0])
    if value not in known:
        raise Refused(f"its {key} is {shown(value)}, and only {' and '.join(map(str, known))} are known")
    return value


def count(config: dict[str, Any], key: str, usual: int | None = None) -> int:
    value = config.get(key, usual)
    if type(value) is not int or not 1 <= value <= MAX_COUNT:
        raise Refused(f"its {key} is {shown(value)}, and should be a whole number from 1 to {MAX_COUNT}")
    return value


def counts(config: dict[str, Any], key: str) -> tuple[int, ...]:
    values = config.get(key)
    if not isinstance(values, list) or not values:
        raise Refused(f"its {key} are {shown(values)}")
    return tuple(count({key: value}, key) for value in values)
