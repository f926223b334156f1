"""The VAE of PyTorch's examples: an encoder and a decoder of two dense layers each, mostly trained on MNIST."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genstudio.importers.convert import Reading
from genstudio.importers.lazy_tensor import Refused
from genstudio.importers.weight_file import WeightFile
from genstudio.registry import find_system


def recognise(file: WeightFile) -> Reading | None:
    candidates = (n for n in file.networks.values() if len(n.tensors) == 10 and len(n.shape("fc21.weight")) == 2)
    network = next(candidates, None)
    if network is None or len(network.shape("fc1.weight")) != 2:
        return None
    (hidden, pixels), latent_dim = network.shape("fc1.weight"), network.shape("fc21.weight")[0]
    layers = {"fc1": (hidden, pixels), "fc21": (latent_dim, hidden), "fc22": (latent_dim, hidden)}
    layers |= {"fc3": (hidden, latent_dim), "fc4": (pixels, hidden)}
    for layer, shape in layers.items():
        for key, due in ((f"{layer}.weight", shape), (f"{layer}.bias", shape[:1])):
            if network.shape(key) != due:
                raise Refused(f"its {key} should be {due}, and is {network.shape(key) or 'not there'}")
    side = math.isqrt(pixels)
    if side**2 != pixels:
        raise Refused(f"its pictures have {pixels} pixels, which make no square of grey ones")
    arguments = {"side": side, "latent_dim": latent_dim, "hidden": hidden}

    def state() -> dict[str, Tensor]:
        w, b = ({layer: network.read(f"{layer}.{part}") for layer in layers} for part in ("weight", "bias"))
        initial = find_system("dense_vae").build(**arguments).state_dict()  # with the prior N(0, I), as theirs
        return {key: value for key, value in initial.items() if key.startswith(("prior_", "map_"))} | {
            # The input of theirs is in [0, 1], of ours in [-1, 1]: W (x + 1) / 2 + b.
            "encoder.1.weight": w["fc1"] / 2,
            "encoder.1.bias": b["fc1"] + w["fc1"].double().sum(1).float() / 2,
            "encoder.3.weight": torch.cat([w["fc21"], w["fc22"]]),  # means, log variances
            "encoder.3.bias": torch.cat([b["fc21"], b["fc22"]]),
            "decoder.0.weight": w["fc3"],
            "decoder.0.bias": b["fc3"],
            "decoder.2.weight": w["fc4"],
            "decoder.2.bias": b["fc4"],
        }

    return Reading("dense_vae", arguments, state, "PyTorch's example of a VAE")
