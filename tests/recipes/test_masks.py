"""Masks as people paint them: white on black, on nothing, as 0 and 1, of the picture's shape."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from genstudio import checkpoint, cli, paths
from genstudio.images import open_picture
from genstudio.recipes.encoding import mask_of, mask_remark
from genstudio.registry import systems
from genstudio.ui import api
from tests import small
from tests.test_images import encoded

SHAPE = (3, 16, 16)
PART = np.mgrid[:64, :64][1] >= 40  # the right 24 of 64 columns
WANTED = np.mgrid[:16, :16][1] >= 10
FACE = Image.effect_noise((64, 64), 80).convert("RGB")


def painted(on: tuple, off: tuple, mode: str) -> Image.Image:
    return Image.fromarray(np.where(PART[..., None], on, off).astype(np.uint8).squeeze(), mode)


def paletted(transparent: bool) -> bytes:
    """Two entries: black, and a dark red, as sets of segmented pictures have them; or a hole and black."""
    picture = Image.fromarray(PART.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 128, 0, 0] if not transparent else [255, 255, 255, 0, 0, 0])
    return encoded(picture, "PNG", **({"transparency": 0} if transparent else {}))


MASKS = {
    "white on black": encoded(painted((255,) * 3, (0,) * 3, "RGB")),
    "white on nothing": encoded(painted((255,) * 4, (255, 255, 255, 0), "RGBA")),
    "black on nothing": encoded(painted((0, 0, 0, 255), (0, 0, 0, 0), "RGBA")),
    "red on nothing": encoded(painted((200, 0, 0, 255), (0, 0, 0, 0), "RGBA")),
    "half transparent": encoded(painted((255, 255, 255, 200), (255, 255, 255, 20), "RGBA")),
    "grey on nothing": encoded(painted((90, 255), (90, 0), "LA")),
    "white on black, opaque": encoded(painted((255, 255, 255, 255), (0, 0, 0, 255), "RGBA")),
    "white on black, veiled": encoded(painted((255, 255, 255, 180), (0, 0, 0, 180), "RGBA")),
    "0 and 1": encoded(painted((1,), (0,), "L")),
    "0 and 1 in colour": encoded(painted((1,) * 3, (0,) * 3, "RGB")),
    "0 and 1 in 16 bits": encoded(Image.fromarray(PART.astype(np.uint16))),
    "0 and 1 in 32 bits": encoded(Image.fromarray(PART.astype(np.int32)), "TIFF"),
    "0 and 1 as floats": encoded(Image.fromarray(PART.astype(np.float32)), "TIFF"),
    "1 bit": encoded(Image.fromarray(PART)),
    "0 and 100": encoded(painted((100,), (0,), "L")),
    "palette": paletted(False),
    "palette with a hole": paletted(True),
    "half the size": encoded(painted((255,), (0,), "L").resize((32, 32))),
    "a JPEG": encoded(painted((255,), (0,), "L"), "JPEG", quality=60),
}


@pytest.mark.parametrize("body", MASKS.values(), ids=MASKS.keys())
def test_a_mask_is_where_it_was_painted(body):
    mask = mask_of(open_picture(body), SHAPE, FACE)
    assert np.array_equal(mask, WANTED) and mask_remark(mask) is None


@pytest.mark.parametrize(
    ("mask", "picture"),
    [((128, 64), (64, 64)), ((64, 64), (128, 64)), ((64, 65), (64, 64)), ((2, 1), (1, 1)), ((480, 640), (640, 480))],
)
def test_a_mask_of_another_shape_is_refused(mask, picture):
    sizes = f"{mask[0]} x {mask[1]} pixels, the picture {picture[0]} x {picture[1]}"
    with pytest.raises(ValueError, match=f"^the mask has {sizes}: they must have the same shape$"):
        mask_of(Image.new("L", mask), SHAPE, Image.new("RGB", picture))


@pytest.mark.parametrize(
    ("mask", "picture"), [((1365, 1024), (640, 480)), ((333, 500), (1000, 1501)), ((1, 1), (9, 9))]
)
def test_a_smaller_copy_may_be_rounded(mask, picture):
    assert mask_of(Image.new("L", mask), SHAPE, Image.new("RGB", picture)).shape == (16, 16)


@pytest.mark.parametrize(
    ("level", "said"),
    [(0, "the mask is empty"), (1, "covers the whole picture"), (255, "covers the whole picture"), (90, "is empty")],
)
def test_a_mask_of_nothing_and_of_everything_is_mentioned(level, said):
    assert said in mask_remark(mask_of(Image.new("L", (64, 64), level), SHAPE, FACE)).en


@pytest.fixture
def diffusion(tmp_path, monkeypatch) -> str:
    """A small diffusion model by name, a picture and masks in the working directory."""
    entry = small.INSTANCES["small_diffusion"]
    monkeypatch.setitem(systems(), entry.name, entry)
    monkeypatch.setattr(paths, "checkpoint_folders", lambda: [tmp_path])
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = small.awake(entry)
    checkpoint.save(tmp_path / f"{entry.name}.safetensors", model, checkpoint.Header(entry.name))
    FACE.resize((16, 16)).save("face.png")
    for name, body in {
        **MASKS,
        "empty": encoded(Image.new("L", (8, 8))),
        "wide": encoded(Image.new("L", (16, 8))),
    }.items():
        (tmp_path / f"{name}.png").write_bytes(body)
    return entry.name


def unchanged(body: bytes) -> np.ndarray:
    """Pixels of a result that are those of the face."""
    made = np.asarray(open_picture(body).convert("RGB"))
    return (made == np.asarray(open_picture("face.png").convert("RGB"))).all(-1)


def test_the_command_draws_under_the_mask_and_nowhere_else(diffusion, capsys, tmp_path):
    words = ["img2img", diffusion, "face.png", "--steps", "3", "--out", "out", "--overwrite", "--mask"]
    for name in ("white on nothing", "0 and 1"):
        assert cli.main([*words, f"{name}.png"]) == 0
        assert not capsys.readouterr().err.startswith(name)
        assert unchanged((tmp_path / "out" / "0000.png").read_bytes())[~WANTED].all()
    assert cli.main([*words, "empty.png"]) == 0
    assert "empty.png: the mask is empty at the model's size: nothing is drawn anew" in capsys.readouterr().err
    assert unchanged((tmp_path / "out" / "0000.png").read_bytes()).all()
    assert cli.main([*words, "wide.png"]) == 2
    assert "the mask has 16 x 8 pixels, the picture 16 x 16" in capsys.readouterr().err


def test_the_api_draws_under_the_mask_and_nowhere_else(diffusion, capsys, exact):
    from genstudio.recipes.verbs import VERBS

    img2img = api.endpoint(exact, VERBS["img2img"])

    def sent(name: str) -> str:
        return base64.b64encode(open(f"{name}.png", "rb").read()).decode()

    [made] = img2img(diffusion, sent("face"), [0], sent("black on nothing"), {"steps": 3})
    assert unchanged(base64.b64decode(made.partition(",")[2]))[~WANTED].all()
    capsys.readouterr()
    img2img(diffusion, sent("face"), [0], sent("empty"), {"steps": 3})
    assert "The mask is empty" in capsys.readouterr().out, "Gradio prints messages where there is no page"
    with pytest.raises(Exception, match="The mask has 16 x 8 pixels, the picture 16 x 16"):
        img2img(diffusion, sent("face"), [0], sent("wide"), {"steps": 3})
    animation = io.BytesIO()
    FACE.save(animation, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64))])
    img2img(diffusion, base64.b64encode(animation.getvalue()).decode(), [0], None, {"steps": 3})
    assert "The first of 2 frames" in capsys.readouterr().out
