"""BigGAN-deep in the format of Hugging Face's `pytorch-pretrained-biggan`: config.json and pytorch_model.bin.

Its weights are unnormalized, beside the singular vectors of their spectral norm, which is divided out on import.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused, shown
from genstudio.importers.weight_file import StateDict, WeightFile
from genstudio.layers.biggan_deep import EPS

MAX_BLOCKS = 15  # limit of the channel list in a header; the published 512-pixel model has 14
OWN = ("embeddings.weight", "generator.gen_z.weight_orig", "generator.bn.running_means")  # identify the format
START = 16  # channels at 4x4, in multiples of the narrowest layer's


def recognise(file: WeightFile) -> Reading | None:
    network = file.only
    if network is None or not all(key in network.tensors for key in OWN):
        return None
    if "layers" not in file.settings:
        raise Refused(
            "beside it is no config.json that says which blocks double the picture: give the folder of both",
            "il n’y a pas à côté de config.json qui dise quels blocs doublent l’image : donnez le dossier des deux",
        )
    blocks, attended = blocks_of(file.settings["layers"]), file.settings.get("attention_layer_position")
    embedding, classes = two(network, "embeddings.weight")
    rows, narrowest = two(network, "generator.bn.running_means")
    z = whole(file.settings, "z_dim", 128)
    for name, actual in (("channel_width", narrowest), ("num_classes", classes), ("n_stats", rows)):
        if (said := whole(file.settings, name, actual)) != actual:
            raise Refused(f"its config.json says that {name} is {said}, and its weights that it is {actual}")
    eps = file.settings.get("eps", EPS)
    if type(eps) is not float or not 0 < eps < 0.1:
        raise Refused(f"its config.json says that eps is {shown(eps)}: a number between 0 and 0.1 is meant")
    channels = [narrowest * times for times in (START, *(out for _, _, out in blocks))]
    if channels[-1] != narrowest:
        raise Refused(f"its last block should make {narrowest} channels, and makes {channels[-1]}")
    at = attended if type(attended) is int and 0 <= attended < len(blocks) else len(blocks)
    arguments = {
        "widths": channels,
        "doubles": [int(doubles) for doubles, _, _ in blocks],
        "latent_dim": z,
        "embedding": embedding,
        "classes": classes,
        "attention_position": at + 1,
        "rows": rows,
    }
    return Reading(
        "biggan_deep",
        arguments,
        lambda: translated(network, len(blocks), at, eps),
        maker="Hugging Face's BigGAN",
        classes=[str(number) for number in range(classes)],
    )


# Settings -----------------------------------------------------------------------------------------------------------


def blocks_of(said: Any) -> list[tuple[bool, int, int]]:
    """(upsamples, in, out) of each block, in multiples of the narrowest layer. Raises Refused if channels mismatch."""
    if not isinstance(said, list) or not 1 <= len(said) <= MAX_BLOCKS:
        raise Refused(f"its layers should be 1 to {MAX_BLOCKS} blocks, and are {shown(said)}")
    made = START
    for number, block in enumerate(said, 1):
        counts = block[1:] if isinstance(block, list) and len(block) == 3 and block[0] in (0, 1) else ()
        if len(counts) != 2 or not all(type(n) is int and 1 <= n <= 4096 for n in counts):
            raise Refused(f"its layers should be of the form [doubles, in, out], and one is {shown(block)}")
        taken, given = counts
        if taken != made:
            raise Refused(f"its block {number} should take {made} times the narrowest channels, and takes {taken}")
        made = given
    return [tuple(block) for block in said]


def two(network: StateDict, key: str) -> tuple[int, int]:
    shape = network.shape(key)
    if len(shape) != 2 or not all(1 <= n <= 4096 for n in shape):
        raise Refused(f"its {key} should have two sides of 1 to 4096 numbers, and is {shown(shape)}")
    return shape


def whole(settings: dict[str, Any], name: str, default: int) -> int:
    number = settings.get(name, default)
    if type(number) is not int or not 1 <= number <= 4096:
        raise Refused(f"its config.json says that {name} is {shown(number)}: a whole number from 1 to 4096 is meant")
    return number


# Weights ------------------------------------------------------------------------------------------------------------


def translated(network: StateDict, blocks: int, attended: int, eps: float) -> dict[str, Tensor]:
    """Tensors by the keys of our model. In theirs, attention is one of the layers, before the block of that number."""

    def read(key: str) -> Tensor:
        if key not in network.tensors:
            raise Refused(f"its {key} is not there", f"son {key} n’y est pas")
        return network.read(key).float()

    def weight(key: str) -> Tensor:
        """Spectrally normalized weight, w / (u' w v), with the stored singular vectors u and v."""
        w, u, v = (read(f"{key}.weight{end}") for end in ("_orig", "_u", "_v"))
        if w.dim() < 2 or u.dim() != 1 or w.flatten(1).shape != (*u.shape, *v.shape):
            raise Refused(f"its {key}.weight_orig is {shown(tuple(w.shape))}, and its weight_u and weight_v do not fit")
        return w / torch.dot(u, w.flatten(1) @ v)

    def layer(ours: str, theirs: str, bias: bool = True) -> dict[str, Tensor]:
        return {f"{ours}.weight": weight(theirs)} | ({f"{ours}.bias": read(f"{theirs}.bias")} if bias else {})

    def statistics(ours: str, theirs: str) -> dict[str, Tensor]:
        """Batch-norm statistics, with the difference of the two epsilons added to the variances."""
        means, variances = read(f"{theirs}.running_means"), read(f"{theirs}.running_vars")
        return {f"{ours}.means": means, f"{ours}.variances": variances + (eps - EPS)}

    embeddings = read("embeddings.weight").T
    # The last embedding is that of no class: the mean.
    state = {"generator.class_embedding.weight": torch.cat([embeddings, embeddings.mean(0, keepdim=True)])}
    state |= layer("generator.start", "generator.gen_z")
    for i in range(blocks):
        ours, theirs = f"generator.blocks.{i}", f"generator.layers.{i + (i >= attended)}"
        for j in range(4):
            state |= statistics(f"{ours}.norms.{j}", f"{theirs}.bn_{j}")
            gain, shift = (weight(f"{theirs}.bn_{j}.{name}") for name in ("scale", "offset"))
            if gain.shape != shift.shape:
                raise Refused(f"its {theirs}.bn_{j} has a scale and an offset that differ in shape")
            state[f"{ours}.norms.{j}.affine.weight"] = torch.cat([gain, shift])
            state |= layer(f"{ours}.convs.{j}", f"{theirs}.conv_{j}")
    if attended < blocks:
        ours, theirs = "generator.attention.0", f"generator.layers.{attended}"
        for name, known in (("query", "theta"), ("key", "phi"), ("value", "g"), ("out", "o_conv")):
            state |= layer(f"{ours}.{name}", f"{theirs}.snconv1x1_{known}", bias=False)
        state[f"{ours}.weight"] = read(f"{theirs}.gamma").squeeze()
    state |= statistics("generator.norm", "generator.bn")
    state |= {f"generator.norm.{name}": read(f"generator.bn.{name}") for name in ("weight", "bias")}
    for key, tensor in layer("generator.out", "generator.conv_to_rgb").items():
        state[key] = torch.atleast_1d(tensor)[:3].clone()  # theirs computes more channels than it shows
    return state
