"""Weights of pytorch-CycleGAN-and-pix2pix give here what they give there, and what is not known is refused in words.

The references are written from the description of their networks, and stand in evaluation mode: the original's own test of
pix2pix leaves dropout and batch norm as in training unless it is told `--eval`, and then draws another picture each time.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from genstudio import checkpoint
from genstudio.engine import Engine
from genstudio.importers.convert import convert, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.layers.image_to_image import MirroredResNetGenerator

CLOSE = 1e-4


class Model(nn.Module):
    """The originals keep what is inside of them under this name."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.model = nn.Sequential(*layers) if len(layers) > 1 else layers[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Block(nn.Module):
    def __init__(self, width: int, norm: str, dropout: bool):
        super().__init__()

        def half() -> list[nn.Module]:
            return [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=norm != "batch"), norm_of(norm, width)]

        self.conv_block = nn.Sequential(*half(), nn.ReLU(), *([nn.Dropout(0.5)] if dropout else []), *half())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Level(Model):
    """What comes out of it is laid behind what went in."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


def norm_of(norm: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else nn.InstanceNorm2d(width, track_running_stats=norm == "old instance")


def resnet(
    norm: str = "instance", blocks: int = 2, dropout: bool = False, width: int = 4, inputs: int = 3, outputs: int = 3
) -> Model:
    bias = norm != "batch"

    def down(n: int) -> list[nn.Module]:
        return [nn.Conv2d(n, 2 * n, 3, 2, 1, bias=bias), norm_of(norm, 2 * n), nn.ReLU()]

    def up(n: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(n, n // 2, 3, 2, 1, output_padding=1, bias=bias), norm_of(norm, n // 2), nn.ReLU()]

    return random(Model(
        nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias), norm_of(norm, width), nn.ReLU(),
        *down(width), *down(2 * width), *(Block(4 * width, norm, dropout) for _ in range(blocks)), *up(4 * width), *up(2 * width),
        nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh(),
    ))  # fmt: skip


def unet(
    norm: str = "batch", widths: tuple[int, ...] = (4, 6, 8, 8, 8), dropout: bool = True, inputs: int = 3, outputs: int = 3
) -> Model:
    bias, inner = norm != "batch", None
    for i in reversed(range(1, len(widths))):
        before, width, innermost = widths[i - 1], widths[i], i == len(widths) - 1
        down = [nn.LeakyReLU(0.2), nn.Conv2d(before, width, 4, 2, 1, bias=bias)] + ([] if innermost else [norm_of(norm, width)])
        up = [nn.ReLU(), nn.ConvTranspose2d((1 if innermost else 2) * width, before, 4, 2, 1, bias=bias), norm_of(norm, before)]
        inner = Level(*down, *([] if innermost else [inner]), *up, *([nn.Dropout(0.5)] if dropout and i > 1 else []))
    last = nn.ConvTranspose2d(2 * widths[0], outputs, 4, 2, 1)
    outermost = Model(nn.Conv2d(inputs, widths[0], 4, 2, 1, bias=bias), inner, nn.ReLU(), last, nn.Tanh())
    return random(Model(outermost))


def random(network: nn.Module) -> nn.Module:
    """Every weight, norms, biases and statistics too; filters large enough that the middle of a network is seen in the end."""
    draw = torch.Generator().manual_seed(0)
    for key, tensor in network.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=draw)
        elif tensor.is_floating_point():
            positive = key.endswith(("var", "weight"))
            tensor.uniform_(0.5, 1.5, generator=draw) if positive else tensor.normal_(0, 0.3, generator=draw)
    return network.eval()


def saved(network: nn.Module, path: Path, new: bool = True, **changes: Tensor) -> Path:
    torch.save(network.state_dict() | changes, path, _use_new_zipfile_serialization=new)
    return path


def pictures(channels: int = 3, side: int = 32) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def same(path: Path, network: nn.Module, x: Tensor) -> None:
    found = recognise(path)
    with torch.no_grad():
        due, made = network(x), found.model().translate(x)
        assert due.std() > 0.05 and made.shape == due.shape
        assert (made - due).abs().max() < CLOSE
        convert(path, target := path.with_name("ours.safetensors"), found)
        assert torch.equal(checkpoint.load(target)[0].translate(x), made)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("norm", ["instance", "batch", "old instance"])
@pytest.mark.parametrize(("blocks", "dropout"), [(2, False), (3, True)])
def test_a_resnet_translates_as_it_did(norm, blocks, dropout, new, tmp_path):
    network = resnet(norm, blocks, dropout)
    if norm == "old instance":  # its statistics were written down and never used
        assert "model.2.running_mean" in network.state_dict()
        for module in network.modules():
            if isinstance(module, nn.InstanceNorm2d):
                module.train()
    same(saved(network, tmp_path / "latest_net_G.pth", new), network, pictures(side=40))


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize(("widths", "dropout"), [((4, 6, 8, 8, 8), True), ((4, 6), False)])
def test_a_u_net_translates_as_it_did(norm, widths, dropout, new, tmp_path):
    network = unet(norm, widths, dropout)
    same(saved(network, tmp_path / "latest_net_G.pth", new), network, pictures())


def test_statistics_without_a_count_are_of_an_early_pytorch(tmp_path):
    network = resnet("batch")
    counted = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(counted, path := tmp_path / "latest_net_G.pth")
    same(path, network, pictures())


@pytest.mark.parametrize("build", [resnet, unet])
def test_grey_pictures_are_the_light_of_coloured_ones(build, tmp_path):
    """BT.601's, as its loader makes them; what is drawn in grey has three equal channels."""
    x = pictures()
    light = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    for inputs, outputs in ((1, 3), (3, 1), (1, 1)):
        network = build(inputs=inputs, outputs=outputs)
        model = recognise(saved(network, tmp_path / "latest_net_G.pth")).model()
        with torch.no_grad():
            assert (model.translate(x) - network(light if inputs == 1 else x)).abs().max() < CLOSE
            assert model.translate(x).shape == x.shape


def test_it_knows_its_size_and_nothing_is_foreign_to_it(tmp_path):
    model = recognise(saved(unet(), tmp_path / "unet.pth")).model()
    assert (model.own_side, model.multiple, model.reach) == (32, 32, 160)
    assert recognise(saved(unet("instance"), tmp_path / "unet.pth")).model().reach is None
    model = recognise(saved(resnet(), tmp_path / "resnet.pth")).model()
    assert (model.own_side, model.multiple, model.reach) == (256, 8, None)
    assert (model.domain(pictures()) <= 1).all()


def test_a_resnet_with_batch_norm_sees_as_far_as_it_says():
    """In float64, where rounding is no sight: a pixel is changed, and nothing farther than `reach` moves, but something there."""
    network = random(MirroredResNetGenerator(3, 3, width=2, blocks=1, norm="batch")).double()
    far = 0
    for place in range(40, 44):
        x = torch.zeros(1, 3, 88, 88, dtype=torch.float64)
        changed = x.clone()
        changed[..., place, place] = 1
        with torch.no_grad():
            moved = (network(changed) - network(x)).abs().amax((0, 1, 3)).nonzero()
        far = max(far, int((moved - place).abs().max()))
    assert far == network.reach


def test_an_imported_translator_works_in_the_engine(tmp_path):
    """Also in tiles, where the norms of the whole picture are taken."""
    convert(saved(resnet(), tmp_path / "latest_net_G.pth"), target := tmp_path / "resnet_translator.horses.safetensors")
    given = (pictures(side=48).permute(0, 2, 3, 1)[:1] * 127.5 + 127.5).byte().numpy()
    *_, last = Engine("cpu").translate(str(target), given, view="tiles")
    assert last.images.shape == given.shape and last.images.std() > 5


# What is refused


def refused(network: nn.Module, path: Path, **changes: Tensor) -> str:
    with pytest.raises(Refused) as caught:
        recognise(saved(network, path, **changes)).model()
    return str(caught.value)


def test_what_is_not_known_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "latest_net_G.pth"
    assert "draws pictures of 2 channels" in refused(unet(outputs=2), path)
    affine = {"model.2.weight": torch.ones(4), "model.2.bias": torch.zeros(4)}
    assert "instance norm has weights" in refused(resnet(), path, **affine)
    assert "model.30.weight has no place" in refused(resnet(), path, **{"model.30.weight": torch.zeros(3)})
    assert "two halvings" in refused(resnet(), path, **{"model.9.conv_block.1.weight": torch.zeros(16, 16, 3, 3)})
    critic = Model(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 1, 1))
    assert "it is a critic" in refused(critic, path)


@pytest.mark.parametrize("build", [resnet, unet])
def test_tensors_of_any_shape_end_in_a_sentence(build, tmp_path):
    """Some of them in turn are missing, are a number, or have one row more."""
    state = build("batch").state_dict()
    for key in [key for key in state if not key.endswith("num_batches_tracked")][::4]:
        for wrong in (None, torch.tensor(1.0), torch.zeros(state[key].shape[0] + 1, *state[key].shape[1:])):
            changed = {k: v for k, v in (state | {key: wrong}).items() if v is not None}
            torch.save(changed, path := tmp_path / "latest_net_G.pth")
            with pytest.raises(Refused):
                recognise(path).model()
