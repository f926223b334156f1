"""Inception v3 as a network for scores, from a file of its weights: those of FID, or torchvision's."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, linear, max_pool2d
from torchvision.models.inception import Inception3, InceptionE

from genstudio.scores.network import Network

KNOWN = {  # how a file's name begins -> what its numbers are called
    "pt_inception-2015-12-05": "inception",  # pytorch-fid's file of the weights that FID was defined with
    "weights-inception-2015-12-05": "inception",  # torch-fidelity's
    "inception_v3_google": "inception of torchvision",  # trained otherwise: its numbers are near FID, and are none
}


def find_weights() -> Path:
    """The weights in torch's folder of downloads, where pytorch-fid, torch-fidelity and torchvision leave them."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    for beginning in KNOWN:
        for path in sorted(folder.glob(f"{beginning}*.pth")):
            return path
    raise ValueError(
        f"Inception's weights are not on this machine, and nothing is downloaded unasked: "
        f"put pt_inception-2015-12-05-6726825d.pth into {folder}, or give its path"
    )


def inception(path: Path, device: torch.device) -> Network:
    """Inception v3 with the weights of a state dict: those of FID have 1008 outputs, torchvision's 1000."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        net = inception_net(outputs=len(state["fc.weight"]))
        net.load_state_dict({name: t for name, t in state.items() if not name.startswith("AuxLogits.")})
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, AttributeError, ValueError, pickle.UnpicklingError):
        raise ValueError(f"{path.name} holds no weights of Inception v3") from None
    net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    head, net.fc = net.fc, nn.Identity()

    def features(images: Tensor) -> Tensor:
        """(n, 2048), of pictures enlarged as pytorch-fid does."""
        return net(interpolate(images.expand(-1, 3, -1, -1), (299, 299), mode="bilinear", align_corners=False))

    def logits(features: Tensor) -> Tensor:
        of_fid = head.out_features == 1008  # Salimans et al. left its bias out
        return linear(features, head.weight, None if of_fid else head.bias)

    called = [name for beginning, name in KNOWN.items() if path.name.startswith(beginning)]
    name = called[0] if called else f"{path.stem} {hashlib.sha256(path.read_bytes()).hexdigest()[:6]}"
    return Network(name, device, features, logits, batch=20, quick=False)


def inception_net(outputs: int) -> Inception3:
    """torchvision's network; with 1008 outputs FID's, whose pools leave the border out and end in a maximum."""
    if outputs not in (1000, 1008):
        raise ValueError(f"Inception has 1000 or 1008 outputs, not {outputs}")
    net = Inception3(num_classes=outputs, aux_logits=False, init_weights=False)
    if outputs == 1008:
        for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b"):
            net.get_submodule(f"Mixed_{block}.branch_pool").register_forward_pre_hook(without_border)
        net.Mixed_7c = MaxPooled(2048)
    return net


def without_border(block: nn.Module, averages: tuple[Tensor]) -> Tensor:
    """Averages over 3x3 pixels where those beyond the border counted as 0, as if they had not counted."""
    [x] = averages
    return x / avg_pool2d(torch.ones_like(x[:1, :1]), 3, stride=1, padding=1)


class MaxPooled(InceptionE):
    def _forward(self, x: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x)
        return [*others, self.branch_pool(max_pool2d(x, 3, stride=1, padding=1))]
