"""StyleGAN2 of NVIDIA's: pickles in their layout, made here by networks written from the papers, are read and compared."""

from __future__ import annotations

import copy
import math
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from genstudio import checkpoint
from genstudio.controls import NONE
from genstudio.importers.convert import convert, recognise
from genstudio.importers.lazy_tensor import Refused
from genstudio.model import Batch, Noise, Progress
from genstudio.models.stylegan2 import OFF, StyleGAN2

CLOSE = {"rtol": 0, "atol": 2e-5}


# The networks of the papers, with the names of NVIDIA's code. Everything is computed the long way: what is put between
# pixels and what is left out passes through `filtered`, and each picture through convolutions of its own. --------------


class Kept(nn.Module):
    """Pickled as NVIDIA's code does it: the class by its name, with its program, and its attributes."""

    def __reduce__(self):
        meta = {"type": "class", "version": 6, "module_src": "raise SystemExit", "class_name": type(self).__name__}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, ({**meta, "state": self.__dict__},)


def binomial() -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return taps.outer(taps) / 64


def filtered(x: Tensor, filter: Tensor, pads: tuple[int, int], up: int = 1, down: int = 1) -> Tensor:
    """Zeros between pixels, zeros around, the filter, and only every `down`-th pixel."""
    n, c, h, w = x.shape
    apart = torch.zeros(n, c, h * up, w * up)
    apart[:, :, ::up, ::up] = x
    apart = functional.pad(apart, (*pads, *pads))
    each = filter.flip(0, 1)[None, None] * up**2
    return functional.conv2d(apart.flatten(0, 1)[:, None], each).unflatten(0, (n, c))[:, :, 0, ::down, ::down]


def resampled(x: Tensor, weight: Tensor, filter: Tensor, up: int = 1, down: int = 1) -> Tensor:
    """A convolution after which the picture has `up` / `down` times its size; one that doubles it is a true convolution,
    all others are correlations."""
    pad = weight.shape[2] // 2
    if up > 1:
        return functional.conv2d(filtered(x, filter, (pad + 2, pad + 1), up), weight.flip(2, 3))
    if down > 1:
        x = functional.conv2d(functional.pad(x, (pad + 1,) * 4), weight)
        return filtered(x, filter, (0, 0), down=down)
    return functional.conv2d(x, weight, padding=pad)


def leaky(x: Tensor) -> Tensor:
    return math.sqrt(2) * functional.leaky_relu(x, 0.2)


def one_moment(x: Tensor) -> Tensor:
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


class FullyConnectedLayer(Kept):
    def __init__(self, narrow: int, wide: int, rate: float = 1.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(wide, narrow)), nn.Parameter(torch.empty(wide))
        self.weight_gain, self.bias_gain = rate / math.sqrt(narrow), rate

    def forward(self, x: Tensor) -> Tensor:
        return x @ (self.weight * self.weight_gain).T + self.bias * self.bias_gain


class MappingNetwork(Kept):
    def __init__(self, z_dim: int, c_dim: int, w_dim: int, depth: int, rate: float, averaged: bool = True, inner: int = 0):
        super().__init__()
        self.z_dim, self.c_dim, self.depth = z_dim, c_dim, depth
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, w_dim)
        widths = [z_dim + (w_dim if c_dim else 0), *[inner or w_dim] * (depth - 1), w_dim]
        for i in range(depth):
            setattr(self, f"fc{i}", FullyConnectedLayer(widths[i], widths[i + 1], rate))
        if averaged:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor | None, c: Tensor | None, psi: float = 1.0) -> Tensor:
        parts = ([one_moment(z)] if self.z_dim else []) + ([one_moment(self.embed(c))] if self.c_dim else [])
        x = torch.cat(parts, 1)
        for i in range(self.depth):
            x = leaky(getattr(self, f"fc{i}")(x))
        return x if psi == 1 else self.w_avg + psi * (x - self.w_avg)


class SynthesisLayer(Kept):
    def __init__(self, narrow: int, wide: int, w_dim: int, side: int, up: int = 1, use_noise: bool = True):
        super().__init__()
        self.up, self.use_noise = up, use_noise
        self.affine = FullyConnectedLayer(w_dim, narrow)
        self.weight, self.bias = nn.Parameter(torch.empty(wide, narrow, 3, 3)), nn.Parameter(torch.empty(wide))
        if use_noise:
            self.register_buffer("noise_const", torch.zeros(side, side))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("resample_filter", binomial())

    def forward(self, x: Tensor, w: Tensor, noise: bool = True) -> Tensor:
        made = []
        for picture, style in zip(x, self.affine(w), strict=True):
            weight = self.weight * style[None, :, None, None]
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            made.append(resampled(picture[None], weight, self.resample_filter, self.up))
        x = torch.cat(made)
        if noise and self.use_noise:
            x = x + self.noise_const * self.noise_strength
        return leaky(x + self.bias[:, None, None])


class ToRGBLayer(Kept):
    def __init__(self, narrow: int, channels: int, w_dim: int):
        super().__init__()
        self.affine = FullyConnectedLayer(w_dim, narrow)
        self.weight, self.bias = nn.Parameter(torch.empty(channels, narrow, 1, 1)), nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) / math.sqrt(x.shape[1])
        return torch.einsum("nchw,nc,oc->nohw", x, styles, self.weight[:, :, 0, 0]) + self.bias[:, None, None]


class SynthesisBlock(Kept):
    def __init__(
        self, narrow: int, wide: int, w_dim: int, side: int, channels: int, architecture: str, last: bool, use_noise: bool
    ):
        super().__init__()
        self.register_buffer("resample_filter", binomial())
        if narrow:
            self.conv0 = SynthesisLayer(narrow, wide, w_dim, side, 2, use_noise)
        else:
            self.const = nn.Parameter(torch.empty(wide, 4, 4))
        self.conv1 = SynthesisLayer(wide, wide, w_dim, side, use_noise=use_noise)
        if last or architecture == "skip":
            self.torgb = ToRGBLayer(wide, channels, w_dim)
        if narrow and architecture == "resnet":
            self.skip = SynthesisLayer(narrow, wide, w_dim, side, 2, use_noise)  # its weight is what matters here

    def forward(self, x: Tensor | None, picture: Tensor | None, w: Iterator[Tensor], noise: bool) -> tuple[Tensor, Tensor]:
        first = next(w)
        if x is None:
            x = self.conv1(self.const.expand(len(first), -1, -1, -1), first, noise)
        else:
            x = self.conv1(self.conv0(x, first, noise), next(w), noise)
        if picture is not None:
            picture = filtered(picture, self.resample_filter, (2, 1), up=2)
        return x, picture


class SynthesisNetwork(Kept):
    def __init__(self, w_dim: int, img_resolution: int, img_channels: int, widths, architecture="skip", use_noise=True, **_):
        super().__init__()
        self.block_resolutions = [4 << i for i in range(len(widths))]
        assert self.block_resolutions[-1] == img_resolution
        for i, side in enumerate(self.block_resolutions):
            last, narrow = side == img_resolution, widths[i - 1] if i else 0
            block = SynthesisBlock(narrow, widths[i], w_dim, side, img_channels, architecture, last, use_noise)
            setattr(self, f"b{side}", block)
        self.num_ws = 2 * len(widths)

    def forward(self, ws: Tensor, noise: bool = True) -> Tensor:
        """Each block takes styles from where the last one's convolutions ended: its picture has the next one's first."""
        x = picture = None
        at = 0
        for side in self.block_resolutions:
            block = getattr(self, f"b{side}")
            count = 1 if x is None else 2
            x, picture = block(x, picture, iter(ws[:, at : at + count].unbind(1)), noise)
            at += count
            shown = block.torgb(x, ws[:, at])
            picture = shown if picture is None else picture + shown
        return picture


class Generator(Kept):
    """Settings of the synthesis are nested in StyleGAN2-ADA, and flat in the repository of StyleGAN3."""

    def __init__(self, z_dim, c_dim, w_dim, img_resolution, img_channels, mapping_kwargs, synthesis_kwargs=None, **flat):
        super().__init__()
        own = synthesis_kwargs or flat
        told = {"synthesis_kwargs": synthesis_kwargs} if synthesis_kwargs else flat
        shape = {"img_resolution": img_resolution, "img_channels": img_channels}
        self._init_args = ()
        widths = {"z_dim": z_dim, "c_dim": c_dim, "w_dim": w_dim}
        self._init_kwargs = {**widths, **shape, "mapping_kwargs": mapping_kwargs, **told}
        self.synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, **own)
        rate, inner = mapping_kwargs.get("lr_multiplier", 0.01), mapping_kwargs.get("layer_features", 0)
        self.mapping = MappingNetwork(z_dim, c_dim, w_dim, mapping_kwargs["num_layers"], rate, inner=inner)

    def forward(self, z: Tensor, c: Tensor | None, psi: float = 1.0) -> Tensor:
        w = self.mapping(z, c, psi)
        return self.synthesis(w[:, None].expand(-1, self.synthesis.num_ws, -1)).clamp(-1, 1)


class Conv2dLayer(Kept):
    def __init__(self, narrow: int, wide: int, size: int, down: int = 1, bias: bool = True):
        super().__init__()
        self.down, self.weight_gain = down, 1 / math.sqrt(narrow * size**2)
        self.register_buffer("resample_filter", binomial())
        self.weight = nn.Parameter(torch.empty(wide, narrow, size, size))
        self.bias = nn.Parameter(torch.empty(wide)) if bias else None

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        x = resampled(x, self.weight * self.weight_gain, self.resample_filter, down=self.down)
        return gain * (x if self.bias is None else leaky(x + self.bias[:, None, None]))


class DiscriminatorBlock(Kept):
    def __init__(self, entry: int, narrow: int, wide: int, architecture: str):
        super().__init__()
        self.register_buffer("resample_filter", binomial())
        if entry:
            self.fromrgb = Conv2dLayer(entry, narrow, 1)
        self.conv0, self.conv1 = Conv2dLayer(narrow, narrow, 3), Conv2dLayer(narrow, wide, 3, down=2)
        if architecture == "resnet":
            self.skip = Conv2dLayer(narrow, wide, 1, down=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fromrgb(x) if hasattr(self, "fromrgb") else x
        return self.skip(x, math.sqrt(0.5)) + self.conv1(self.conv0(x), math.sqrt(0.5))


class DiscriminatorEpilogue(Kept):
    def __init__(self, narrow: int, cmap: int, group: int):
        super().__init__()
        self.group = group
        self.conv = Conv2dLayer(narrow + 1, narrow, 3)
        self.fc, self.out = FullyConnectedLayer(narrow * 16, narrow), FullyConnectedLayer(narrow, cmap or 1)

    def forward(self, x: Tensor, cmap: Tensor | None) -> Tensor:
        """A group has every n-th picture, with n groups."""
        groups = len(x) // min(self.group, len(x))
        spread = torch.empty(len(x), 1, 4, 4)
        for i in range(groups):
            spread[i::groups] = (x[i::groups].var(0, unbiased=False) + 1e-8).sqrt().mean()
        x = self.out(leaky(self.fc(self.conv(torch.cat([x, spread], 1)).flatten(1))))
        return x if cmap is None else (x * cmap).sum(1, keepdim=True) / math.sqrt(x.shape[1])


class Discriminator(Kept):
    def __init__(self, c_dim, img_resolution, img_channels, widths, mapping_kwargs, epilogue_kwargs, architecture="resnet"):
        super().__init__()
        shape = {"img_resolution": img_resolution, "img_channels": img_channels, "architecture": architecture}
        self._init_args = ()
        self._init_kwargs = {"c_dim": c_dim, **shape, "mapping_kwargs": mapping_kwargs, "epilogue_kwargs": epilogue_kwargs}
        self.sides = [4 << i for i in range(1, len(widths))][::-1]
        for i, side in enumerate(self.sides):
            entry = img_channels if i == 0 or architecture == "skip" else 0
            setattr(self, f"b{side}", DiscriminatorBlock(entry, widths[-1 - i], widths[-2 - i], architecture))
        self.b4 = DiscriminatorEpilogue(widths[0], widths[0] if c_dim else 0, epilogue_kwargs.get("mbstd_group_size", 4))
        if c_dim:
            self.mapping = MappingNetwork(0, c_dim, widths[0], 8, mapping_kwargs.get("lr_multiplier", 0.01), averaged=False)

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        for side in self.sides:
            x = getattr(self, f"b{side}")(x)
        return self.b4(x, self.mapping(None, c) if hasattr(self, "mapping") else None)


# Files ----------------------------------------------------------------------------------------------------------


def random(network: nn.Module, seed: int) -> nn.Module:
    """Every number is drawn; pictures lie for the most part in [-1, 1], and verdicts lie apart."""
    sizes = {"torgb": 0.15, "out": 20.0}
    draw = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        for key, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if key == "resample_filter":
                continue
            size = 0.3 if key == "bias" else 0.5 if key == "noise_strength" else 1.0
            size *= sizes.get(name.rpartition(".")[2], 1.0) / getattr(module, "bias_gain", 1.0)
            tensor.data.copy_(size * torch.randn(tensor.shape, generator=draw) + (key == "bias" and name.endswith("affine")))
    return network.requires_grad_(False)


def made(
    c_dim: int = 0, widths=(8, 8, 4), channels: int = 3, z_dim: int = 8, w_dim: int = 8, nested: bool = True,
    mapping: dict | None = None, group: int = 4, critic: str = "resnet", **synthesis,
) -> dict[str, nn.Module]:  # fmt: skip
    """G, D and G_ema as a run leaves them."""
    side, mapping = 4 << (len(widths) - 1), {"num_layers": 3, **(mapping or {})}
    own = {"widths": list(widths), "conv_clamp": 256, **synthesis}
    told = {"synthesis_kwargs": own} if nested else own
    networks = {
        "G": Generator(z_dim, c_dim, w_dim, side, channels, mapping, **told),
        "D": Discriminator(c_dim, side, channels, widths, {}, {"mbstd_group_size": group}, critic),
        "G_ema": Generator(z_dim, c_dim, w_dim, side, channels, mapping, **told),
    }
    return {name: random(network, seed) for seed, (name, network) in enumerate(networks.items())}


@pytest.fixture
def pickled(monkeypatch, tmp_path):
    """pickled(networks): a file as NVIDIA's code leaves it. That code stands in for as long as it is written."""

    class EasyDict(dict):
        """A stand-in."""

    def write(networks: dict[str, nn.Module], protocol: int = 4) -> Path:
        def _reconstruct_persistent_obj(meta):
            raise AssertionError("something in the pickle was run")

        place = {"torch_utils.persistence": _reconstruct_persistent_obj, "dnnlib.util": EasyDict}
        with monkeypatch.context() as patch:
            for module, thing in place.items():
                package = module.partition(".")[0]
                patch.setitem(sys.modules, package, types.ModuleType(package))
                patch.setitem(sys.modules, module, types.ModuleType(module))
                setattr(sys.modules[module], thing.__name__, thing)
                thing.__module__, thing.__qualname__ = module, thing.__name__
            settings = EasyDict(class_name="training.dataset.ImageFolderDataset", path="cats.zip")
            path = tmp_path / "network-snapshot-000100.pkl"
            path.write_bytes(pickle.dumps({**networks, "training_set_kwargs": settings, "augment_pipe": None}, protocol))
        assert not {"torch_utils", "torch_utils.persistence", "dnnlib"} & set(sys.modules)
        return path

    return write


def one_hot(kinds: Tensor, count: int) -> Tensor | None:
    """Zeros where none is told."""
    return functional.one_hot(kinds, count + 1)[:, :-1].float() if count else None


def patches(shape: tuple[int, int, int], draw: torch.Generator) -> Tensor:
    """Four pictures of patches, with some noise on them."""
    coarse = torch.rand(4, shape[0], 4, 4, generator=draw) * 2 - 1
    return functional.interpolate(coarse, shape[1:]) + 0.2 * torch.randn(4, *shape, generator=draw)


def compared(model: StyleGAN2, networks: dict[str, nn.Module]) -> dict[str, float]:
    """The largest differences to the average generator, and to the critic where it is one of this kind."""
    reference, critic, classes = networks["G_ema"], networks.get("D"), model.classes
    draw = torch.Generator().manual_seed(9)
    kinds = torch.arange(4) % (classes + 1)
    c, told = one_hot(kinds, classes), kinds if classes else None
    found = {}
    with torch.no_grad():
        z = torch.randn(4, reference.mapping.z_dim, generator=draw)
        w = reference.mapping(z, c)
        found["mapping"] = model.generator["mapping"](z, told) - w
        mixed = w[torch.randint(4, (4, model.layers), generator=draw)]
        expected = reference.synthesis(mixed)
        assert expected.std() > 0.05 and (expected.abs() < 1).float().mean() > 0.6, "there is little to compare"
        found["synthesis"] = model.generator["synthesis"](mixed) - expected
        found["without noise"] = model.synthesize(mixed, noise_mode=OFF) - reference.synthesis(mixed, noise=False).clamp(-1, 1)
        for label in (NONE, *model.class_names):
            one, word = Noise([5]).normal(model.z_dim), torch.tensor([classes if label == NONE else int(label)])
            *_, frame = model.sample(Noise([5]), label=label, truncation=0.6)
            found[f"picture of {label}"] = frame.images - reference(one, one_hot(word, classes), 0.6)
        if critic is not None:
            verdicts = critic(images := patches(model.image_shape, draw), c)
            assert verdicts.std() > 0.02, "it says the same of all pictures"
            found["critic"] = model.critic(images, told) - verdicts
    return {name: float(difference.abs().max()) for name, difference in found.items()}


KINDS = {
    "of nothing": {},
    "of classes": {"c_dim": 3},
    "flat settings": {"c_dim": 3, "nested": False},
    "grey, one class": {"c_dim": 1, "channels": 1},
    "codes narrower than styles": {"z_dim": 5, "w_dim": 8, "c_dim": 2},
    "codes wider than styles": {"z_dim": 12, "w_dim": 8},
    "another pace": {"mapping": {"lr_multiplier": 0.03}, "c_dim": 2},
    "without noise": {"use_noise": False},
    "32 pixels": {"widths": (8, 6, 5, 4), "w_dim": 6},
    "all of a batch": {"group": 32},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_of_nvidias_gives_the_same_pictures_and_verdicts(kind, pickled):
    networks = made(**KINDS[kind])
    found = recognise(pickled(networks))
    assert found.system == "stylegan2" and "non-commercial" in found.licence
    assert found.classes == [str(k) for k in range(KINDS[kind].get("c_dim", 0))]
    measured = compared(found.model(), networks)
    assert max(measured.values()) < CLOSE["atol"], measured


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_protocol_of_pickles_is_read(protocol, pickled):
    networks = made(c_dim=2, widths=(4, 4))
    assert max(compared(recognise(pickled(networks, protocol)).model(), networks).values()) < CLOSE["atol"]


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_plain_weights_are_read_too(new, alone, tmp_path):
    """Whose they are is not in the file: nothing is said of a licence."""
    networks = made(c_dim=2)
    states = {name: OrderedDict(network.state_dict()) for name, network in networks.items()}
    path = tmp_path / "weights.pt"
    torch.save(states["G_ema"] if alone else states, path, _use_new_zipfile_serialization=new)
    found = recognise(path)
    if alone:
        networks.pop("D")
    assert max(compared(found.model(), networks).values()) < CLOSE["atol"] and not found.licence


def test_a_critic_sees_as_many_pictures_together_as_it_used_to(pickled):
    """Its groups are interleaved, and ours stand one after the other."""
    networks = made(group=2)
    model, images = recognise(pickled(networks)).model(), patches((3, 16, 16), torch.Generator().manual_seed(0))
    order = [0, 2, 1, 3]
    with torch.no_grad():
        torch.testing.assert_close(model.critic(images[order]), networks["D"](images, None)[order], **CLOSE)


@pytest.mark.parametrize("c_dim", [0, 3])
def test_a_converted_file_is_the_same_and_learning_goes_on_from_it(c_dim, pickled, tmp_path):
    networks, target = made(c_dim=c_dim), tmp_path / "stylegan2.cats.safetensors"
    convert(pickled(networks), target)
    model, header = checkpoint.load(target, critic=True)
    assert "non-commercial" in header.licence and "NVIDIA" in header.credit
    assert max(compared(model, networks).values()) < CLOSE["atol"]
    model.train()
    batch = Batch(torch.rand(4, 3, 16, 16) * 2 - 1, torch.arange(4) % max(c_dim, 1))
    moved = {}
    for player, terms in model.losses(batch, Progress()):
        assert all(term.isfinite() for term in terms.values())
        before = copy.deepcopy(model.players()[player].state_dict())
        model.zero_grad()
        sum(terms.values()).backward()
        torch.optim.SGD(model.players()[player].parameters(), 1e-3).step()
        moved[player] = any(not torch.equal(before[k], v) for k, v in model.players()[player].state_dict().items())
    assert moved == {"critic": True, "generator": True}


@pytest.mark.parametrize("why", ["another architecture", "other widths", "another filter", "none at all"])
def test_without_a_critic_that_fits_there_are_still_the_pictures(why, pickled):
    networks = made(c_dim=2, critic="skip" if why == "another architecture" else "resnet")
    if why == "other widths":
        networks["D"] = made(c_dim=2, widths=(8, 4, 4))["D"]
    elif why == "another filter":
        networks["D"].b16.skip.resample_filter.mul_(2)
    elif why == "none at all":
        networks.pop("D")
    found = recognise(pickled(networks))
    assert not [key for key in found.state() if key.startswith(checkpoint.CRITIC)]
    assert max(compared(found.model(), {"G_ema": networks["G_ema"]}).values()) < CLOSE["atol"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"architecture": "resnet"}, "adds no picture at 4 pixels"),
        ({"architecture": "orig"}, "adds no picture at 4 pixels"),
        ({"mapping": {"layer_features": 6}}, "of several widths"),
        ({"activation": "relu"}, "activation is relu"),
        ({"channels": 4}, "4 channels"),
    ],
)
def test_what_our_network_has_not_is_refused_in_words(changes, words, pickled):
    with pytest.raises(Refused, match=words):
        recognise(pickled(made(**changes)))


@pytest.mark.parametrize("pace", ["fast", 0, float("nan"), None, [1]])
def test_a_pace_that_is_none_is_refused(pace, pickled):
    networks = made()
    networks["G_ema"]._init_kwargs["mapping_kwargs"]["lr_multiplier"] = pace
    with pytest.raises(Refused, match="its lr_multiplier is"):
        recognise(pickled(networks))


@pytest.mark.parametrize("said", [None, [], "much", {"mapping_kwargs": 3, "synthesis_kwargs": None}])
def test_settings_of_any_kind_do_no_harm(said, pickled):
    networks = made()
    for network in networks.values():
        network._init_kwargs = said
    assert max(compared(recognise(pickled(networks)).model(), networks).values()) < CLOSE["atol"]


def test_another_filter_is_refused(pickled):
    networks = made()
    networks["G_ema"].synthesis.b8.resample_filter.copy_(torch.ones(4, 4) / 16)
    with pytest.raises(Refused, match="another filter"):
        recognise(pickled(networks)).model()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("mapping.w_avg"), "mapping.w_avg is not there"),
        (lambda state: state.pop("synthesis.b16.conv0.noise_const"), "synthesis.b16.conv0.noise_const is not there"),
        (lambda state: state.update({"synthesis.b8.attention.weight": torch.zeros(2)}), "b8.attention.weight has no place"),
        (lambda state: state.update({"mapping.fc2.bias": torch.zeros(3)}), r"should be \(8,\), and is \(3,\)"),
        (lambda state: state.update({"synthesis.b8.conv1.weight": torch.zeros(2)}), "b8.conv1.weight has the shape"),
        (lambda state: state.update({"mapping.embed.bias": torch.zeros(3)}), "classes have 8 numbers"),
        (lambda state: state.update({"synthesis.input.freqs": torch.zeros(3)}), "it is a StyleGAN3"),
        (lambda state: [state.pop(key) for key in list(state) if ".b8." in key], r"its sizes are \[4, 16\]"),
    ],
)  # fmt: skip
def test_a_file_that_lies_is_refused_in_words(change, words, tmp_path):
    state, path = OrderedDict(made(c_dim=2)["G_ema"].state_dict()), tmp_path / "weights.pt"
    change(state)
    torch.save(state, path)
    with pytest.raises(Refused, match=words):
        recognise(path).model()


def test_a_stylegan3_is_told_by_its_own_keys(tmp_path):
    keys = ("mapping.fc0.weight", "synthesis.input.freqs", "synthesis.L0_36_512.weight")
    torch.save({"G_ema": {key: torch.zeros(4, 4) for key in keys}}, tmp_path / "network.pt")
    with pytest.raises(Refused, match="it is a StyleGAN3"):
        recognise(tmp_path / "network.pt")


def test_a_picture_that_is_dark_beyond_its_border_is_that_of_our_own_systems_within():
    """The option changes the border of what is doubled and what the critic's shortcuts see, and no key of the weights."""
    torch.manual_seed(0)
    ours = StyleGAN2((3, 16, 16), (4, 4, 4), styles=4, depth=1, classes=2).eval().requires_grad_(False)
    theirs = StyleGAN2((3, 16, 16), (4, 4, 4), styles=4, depth=1, classes=2, original=True).eval().requires_grad_(False)
    theirs.load_state_dict(ours.state_dict())
    w = torch.randn(2, 6, 4)
    one, other = (model.generator["synthesis"](w) for model in (ours, theirs))
    torch.testing.assert_close(one[:, :, 4:-4, 4:-4], other[:, :, 4:-4, 4:-4])
    assert (one - other).abs().amax((0, 1))[0].max() > 0.01
