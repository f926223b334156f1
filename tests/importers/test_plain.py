"""Weights of the best known small networks, PyTorch's DCGAN and its dense VAE, give here what they give there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from genstudio import checkpoint
from genstudio.importers.convert import convert, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.model import Noise

CLOSE = 1e-4


def random(network: nn.Module) -> nn.Module:
    """Every weight, norms, biases and statistics too."""
    draw = torch.Generator().manual_seed(0)
    for key, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(0, (1 / tensor[0].numel()) ** 0.5, generator=draw)
        elif tensor.is_floating_point():
            positive = key.endswith(("var", "weight"))
            tensor.uniform_(0.5, 1.5, generator=draw) if positive else tensor.normal_(0, 0.3, generator=draw)
    return network.eval()


def saved(state: dict[str, Tensor], path: Path, new: bool = True) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=new)
    return path


def refused(state: dict[str, Tensor], path: Path) -> str:
    with pytest.raises(Refused) as caught:
        recognise(saved(state, path)).model()
    return str(caught.value)


def broken(state: dict[str, Tensor], path: Path, free: str = "") -> None:
    """Each tensor in turn is missing, is a number, or has one row more: a sentence each time. `free` may have more rows."""
    for key, tensor in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        for wrong in (None, torch.tensor(1.0), torch.zeros(tensor.shape[0] + 1, *tensor.shape[1:]))[: 2 if key == free else 3]:
            assert refused({k: v for k, v in (state | {key: wrong}).items() if v is not None}, path)


# DCGAN


class Main(nn.Module):
    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.main = nn.Sequential(*layers)


def generator(
    codes: int = 5,
    widths: tuple[int, ...] = (12, 8, 6),
    channels: int = 3,
    first: int = 4,  # pixels of the first kernel
    size: int = 4,  # and of the others
    bias: bool = False,
) -> Main:
    layers, before = [], codes
    for i, width in enumerate(widths):
        kernel = (size, 2, 1) if i else (first, 1, 0)
        layers += [nn.ConvTranspose2d(before, width, *kernel, bias=bias), nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return random(Main(*layers, nn.ConvTranspose2d(before, channels, size, 2, 1, bias=bias), nn.Tanh()))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    ("facts", "side"),
    [
        ({}, 32),
        ({"widths": (12, 8, 6, 4), "channels": 1, "bias": True}, 64),
        ({"widths": (8, 6), "first": 7, "codes": 9}, 28),
    ],
)
def test_a_dcgan_draws_as_it_did(facts, side, bare, new, tmp_path):
    network = generator(**facts)
    state = network.main.state_dict() if bare else network.state_dict()
    path = saved(state, tmp_path / "netG_epoch_24.pth", new)
    found = recognise(path)
    model = found.model()
    z = torch.randn(3, model.latent_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        due = network.main(z[:, :, None, None])
        assert found.system == "dcgan" and model.image_shape == due.shape[1:] == (due.shape[1], side, side)
        assert due.std() > 0.05 and (model.decode(z) - due).abs().max() < CLOSE
        convert(path, target := tmp_path / "ours.safetensors")
        assert torch.equal(checkpoint.load(target)[0].decode(z), model.decode(z))


def test_a_dcgan_of_another_kind_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "netG.pth"
    assert "kernels of 3x3 pixels" in refused(generator(size=3).state_dict(), path)
    assert "has no place" in refused(generator().state_dict() | {"main.11.weight": torch.zeros(3)}, path)
    assert "2 channels" in refused(generator(channels=2).state_dict(), path)
    critic = Main(
        nn.Conv2d(3, 6, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
        nn.Conv2d(6, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
    )  # fmt: skip
    assert "it is a critic: its generator is what draws" in refused(critic.state_dict(), path)
    assert "generator.0.bias" in refused(generator().state_dict() | {"main.0.bias": torch.zeros(13)}, path)
    broken(generator(widths=(4, 2)).state_dict(), path, free="main.0.weight")  # as many rows as there are codes


# The dense VAE


class Dense(nn.Module):
    def __init__(self, pixels: int, hidden: int, codes: int):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(pixels, hidden), nn.Linear(hidden, codes), nn.Linear(hidden, codes)
        self.fc3, self.fc4 = nn.Linear(codes, hidden), nn.Linear(hidden, pixels)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (n, pixels) in [0, 1] -> means and log variances."""
        seen = relu(self.fc1(x))
        return self.fc21(seen), self.fc22(seen)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.fc4(relu(self.fc3(z))))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(("side", "hidden", "codes"), [(28, 400, 20), (16, 30, 2)])
def test_a_dense_vae_encodes_and_draws_as_it_did(side, hidden, codes, new, tmp_path):
    network = random(Dense(side**2, hidden, codes))
    path = saved(network.state_dict(), tmp_path / "vae.pth", new)
    found = recognise(path)
    model = found.model()
    x = torch.rand(4, side**2, generator=torch.Generator().manual_seed(1)).round(decimals=1)
    z = torch.randn(4, codes, generator=torch.Generator().manual_seed(2))
    images = (2 * x - 1).view(4, 1, side, side)
    with torch.no_grad():
        mean, log_variance = network.encode(x)
        due = network.decode(z).view(4, 1, side, side) * 2 - 1
        assert found.system == "dense_vae" and mean.std() > 0.05 and due.std() > 0.05
        assert (model.encode(images) - mean).abs().max() < CLOSE
        assert (model._posterior(images)[1] - log_variance.clamp(-12, 4)).abs().max() < CLOSE
        assert (model.decode(z) - due).abs().max() < CLOSE
        convert(path, target := tmp_path / "ours.safetensors")
        again = checkpoint.load(target)[0]
        assert torch.equal(again.decode(z), model.decode(z)) and torch.equal(again.encode(images), model.encode(images))


def test_codes_of_a_dense_vae_are_standard_normal(tmp_path):
    model = recognise(saved(random(Dense(256, 8, 3)).state_dict(), tmp_path / "vae.pth")).model()
    noise = Noise(range(5))
    noise.uniform(1)  # which draws the kind, of which there is one
    assert torch.equal(model.latents(Noise(range(5))), noise.normal(3))


def test_a_dense_vae_of_another_kind_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "vae.pth"
    assert "800 pixels, which make no square" in refused(Dense(800, 8, 3).state_dict(), path)
    assert "fc22.weight should be (3, 8)" in refused(Dense(256, 8, 3).state_dict() | {"fc22.weight": torch.zeros(4, 8)}, path)
    broken(Dense(256, 8, 3).state_dict(), path)
