"""Inception v3 as a feature extractor, from a file of its weights: those of FID, or torchvision's."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, linear, max_pool2d
from torchvision.models.inception import Inception3, InceptionE

from genstudio.scores.network import FeatureNetwork

KNOWN = {  # prefix of the file name -> name of the network in scores
    "pt_inception-2015-12-05": "inception",  # pytorch-fid's file of the weights that FID was defined with
    "weights-inception-2015-12-05": "inception",  # torch-fidelity's
    "inception_v3_google": "inception of torchvision",  # other weights: its distances are close to FID, but not FID
}


def find_weights() -> Path:
    """Path of the weights in torch's download folder, where pytorch-fid, torch-fidelity and torchvision save them."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for prefix in KNOWN:
        for path in sorted(folder.glob(f"{prefix}*.pth")):
            return path
    raise ValueError(
        f"Inception's weights are not on this machine, and nothing is downloaded unasked: "
        f"put pt_inception-2015-12-05-6726825d.pth into {folder}, or give its path"
    )


def inception(path: Path, device: torch.device) -> FeatureNetwork:
    """Inception v3 with the weights of a state dict: 1008 outputs for those of FID, 1000 for torchvision's."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net = inception_net(outputs=len(state["fc.weight"]))
        net.load_state_dict({name: t for name, t in state.items() if not name.startswith("AuxLogits.")})
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, AttributeError, ValueError, pickle.UnpicklingError):
        raise ValueError(f"{path.name} holds no weights of Inception v3") from None
    net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    head, net.fc = net.fc, nn.Identity()

    def features(images: Tensor) -> Tensor:
        """Features (n, 2048) of images resized as in pytorch-fid."""
        return net(interpolate(images.expand(-1, 3, -1, -1), (299, 299), mode="bilinear", align_corners=False))

    def logits(features: Tensor) -> Tensor:
        of_fid = head.out_features == 1008  # Salimans et al. leave the bias out
        return linear(features, head.weight, None if of_fid else head.bias)

    known = [name for prefix, name in KNOWN.items() if path.name.startswith(prefix)]
    name = known[0] if known else f"{path.stem} {hashlib.sha256(path.read_bytes()).hexdigest()[:6]}"
    return FeatureNetwork(name, device, features, logits, batch=20, quick=False)


def inception_net(outputs: int) -> Inception3:
    """torchvision's network; with 1008 outputs that of FID, with average pools that exclude the padding and a last max
    pool."""
    if outputs not in (1000, 1008):
        raise ValueError(f"Inception has 1000 or 1008 outputs, not {outputs}")
    net = Inception3(num_classes=outputs, aux_logits=False, init_weights=False)
    if outputs == 1008:
        for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b"):
            net.get_submodule(f"Mixed_{block}.branch_pool").register_forward_pre_hook(without_border)
        net.Mixed_7c = MaxPooled(2048)
    return net


def without_border(block: nn.Module, averages: tuple[Tensor]) -> Tensor:
    """Correct 3x3 average pools that count the zero padding, so that they exclude it."""
    [x] = averages
    return x / avg_pool2d(torch.ones_like(x[:1, :1]), 3, stride=1, padding=1)


class MaxPooled(InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x)
        return [*others, self.branch_pool(max_pool2d(x, 3, stride=1, padding=1))]
