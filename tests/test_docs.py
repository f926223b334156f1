"""README and docs: links lead somewhere, commands are ones that the parser takes, figures are those of the headers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from genstudio import checkpoint
from genstudio.cli.parser import build_parser
from genstudio.paths import SHIPPED
from tests import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GALLERY = README.read_text("utf-8").partition("## Gallery")[2].partition("\n## ")[0]

# Score of the header, with the digits as the gallery writes it.
FIGURES = {
    "vae_avatars": {
        "squared error": "0.0047", "squared error over PCA's": "0.19", "precision (classifier_avatars)": "0.40",
        "recall (classifier_avatars)": "0.53", "kernel distance over training pictures' (classifier_avatars)": "44",
    },
    "vae_mnist": {
        "negative ELBO of binary pixels (nats)": "90.4", "squared error over PCA's": "0.30",
        "precision (classifier_mnist)": "0.78", "recall (classifier_mnist)": "0.83",
    },
    "ae_mnist": {"squared error over PCA's": "0.20"},
    "vae2d_mnist": {"negative ELBO of binary pixels (nats)": "139.4"},
    "ae2d_mnist": {"squared error over PCA's": "0.64"},
    "vae_freyfaces": {"squared error over PCA's": "0.21", "bits per dimension of 256 levels": "5.11"},
    "dcgan_avatars": {
        "precision (classifier_avatars)": "0.18", "recall (classifier_avatars)": "0.11",
        "kernel distance over training pictures' (classifier_avatars)": "325",
    },
    "cgan_mnist": {
        "class obeyed (judge_mnist)": "99.3 %", "variety within classes, of held-out pictures'": "1.02",
        "precision (classifier_mnist)": "0.83", "recall (classifier_mnist)": "0.78",
        "Frechet distance over training pictures' (classifier_mnist)": "1.3",
    },
    "stylegan2_faces": {
        "precision (judge_faces)": "0.50", "recall (judge_faces)": "0.60",
        "Frechet distance over training pictures' (judge_faces)": "23",
        "attributes changed by other coarse layers (judge_faces)": "78 %",
        "attributes kept by other fine layers (judge_faces)": "74 %",
    },
    "stylegan2_avatars": {},
    "ddpm_mnist": {
        "class obeyed (classifier_mnist)": "99.6 %", "precision (classifier_mnist)": "0.83",
        "recall (classifier_mnist)": "0.81", "bits per dimension of 256 levels": "1.82",
        "Frechet distance over training pictures' (classifier_mnist)": "1.0",
    },
    "ddpm_avatars": {
        "class obeyed (classifier_avatars)": "100 %", "precision (classifier_avatars)": "0.53",
        "recall (classifier_avatars)": "0.55", "bits per dimension of 256 levels": "3.21",
        "kernel distance over training pictures' (classifier_avatars)": "8",
    },
    "pix2pix_sketch": {
        "L1 to the truth": "0.093", "L1 of the unchanged picture": "0.113", "colourfulness over the truth's": "1.07",
        "Frechet distance over that of the unchanged picture (classifier_avatars)": "0.10",
    },
    "pix2pix_facades": {
        "Frechet distance over that of mean colour per label (efficientnet-lite0)": "0.82", "L1 to the truth": "0.38",
        "L1 of mean colour per label": "0.36", "kernel distance to the truth (efficientnet-lite0)": "0.21",
        "kernel distance of mean colour per label (efficientnet-lite0)": "0.34",
    },
    "pix2pix_facades_l1": {
        "Frechet distance over that of mean colour per label (efficientnet-lite0)": "1.06", "L1 to the truth": "0.31",
    },
    "pix2pix_facades_gan": {
        "Frechet distance over that of mean colour per label (efficientnet-lite0)": "0.87", "L1 to the truth": "0.44",
    },
    "facade_labels": {
        "mean IoU": "0.32", "mean IoU of logistic regression on colour and position": "0.046",
        "mean IoU over that of logistic regression on colour and position": "7.0",
    },
    "denoise_photo": {
        "PSNR above that of non-local means at noise 15 (dB)": "3.5",
        "PSNR above that of non-local means at noise 25 (dB)": "3.5",
        "PSNR above that of non-local means at noise 50 (dB)": "3.4",
    },
    "superres_photo": {"PSNR above that of bicubic enlargement (dB)": "2.6"},
    "colorize_photo": {
        "colourfulness over the truth's": "0.97", "PSNR (dB)": "23.4", "PSNR of the unchanged picture (dB)": "25.1",
        "Frechet distance over that of the unchanged picture (classifier_cifar10)": "0.31",
    },
    "classifier_mnist": {"accuracy": "99.57 %"},
    "judge_mnist": {"accuracy": "99.25 %"},
    "classifier_avatars": {"accuracy of glasses": "99.85 %"},
    "judge_faces": {
        "accuracy of glasses": "99.98 %", "accuracy of facial_hair": "99.8 %", "accuracy of covered": "100 %",
        "accuracy of hair_color": "99.97 %", "accuracy of mouth": "99.85 %",
    },
    "classifier_cifar10": {"accuracy": "89.2 %"},
}  # fmt: skip


def shipped() -> set[str]:
    return {path.stem for path in SHIPPED.glob("*.safetensors") if not path.stem.endswith(".critic")}


def header_of(name: str) -> checkpoint.Header:
    return checkpoint.describe(SHIPPED / f"{name}.safetensors")


def entry(name: str) -> str:
    """The lines of the gallery about a system, without those of its training."""
    [found] = re.findall(rf"(?ms)^(?:\*\*|\| )`{name}`.*?$", GALLERY.partition("### How they were trained")[0])
    return found


def anchors(page: Path) -> set[str]:
    """Those that GitHub gives to the headings of a page."""
    heads = re.findall(r"(?m)^#+ (.*)$", page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_is_there(page):
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    for target in targets:
        if not target.startswith(("https://", "http://")):
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors(there), target


def commands(text: str) -> list[str]:
    """Command lines of genstudio, in indented blocks and in spans of code, without a comment at their end."""
    found = re.findall(r"(?m)^ {4}(?:\S+/)?python3? -m genstudio (.*)$", text)
    found += re.findall(r"`python -m genstudio ([^`]*)`", text.replace("\n", " "))
    return [command.partition("  #")[0].strip() for command in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_parser_takes_every_command_of_a_page(page):
    """Of those that name no system, or one on the Hub, the flags are not known here: only the verb is looked up."""
    verbs = build_parser([])._subparsers._group_actions[0].choices
    for command in commands(page.read_text("utf-8")):
        words = shlex.split(command)
        if words != ["--help"]:
            assert words[0] in verbs, command
        if not {"NAME", "SYSTEM", "--help"} & set(words) and "hf:" not in command:
            build_parser(words).parse_args(words)  # raises ValueError, with what is wrong


def test_every_page_of_docs_is_named_in_the_readme():
    text = README.read_text("utf-8")
    assert [page.name for page in PAGES[2:] if f"(docs/{page.name})" not in text] == []


def test_the_first_screen_shows_the_page_in_motion_and_two_commands():
    first = README.read_text("utf-8").split("---\n")[2].partition("## Tabs")[0]
    assert "](docs/page.webp)" in first and "    make app " in first and "    make test " in first
    with Image.open(ROOT / "docs/page.webp") as film:
        assert film.is_animated and film.width == 900
    assert (ROOT / "docs/page.webp").stat().st_size <= 1.5e6


def test_the_gallery_shows_every_shipped_system_and_its_film_at_twice_its_size():
    assert shipped() == set(FIGURES)
    for path in SHIPPED.glob("*.webp"):
        [width] = re.findall(rf'<img src="checkpoints/{path.name}" width="(\d+)"', GALLERY)
        with Image.open(path) as film:
            assert int(width) == 2 * film.width, path.name


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_gallery_are_those_of_the_header(name):
    """To within one unit of their last digit: 1.025 may be rounded either way."""
    scores, text = header_of(name).scores, entry(name)
    for score, said in FIGURES[name].items():
        assert re.search(rf"(?<![\d.]){re.escape(said)}(?![\d])", text), f"{said} is not in the README"
        number, value = said.removesuffix(" %"), scores[score]["value"]
        unit = 10.0 ** -len(number.partition(".")[2])
        assert abs(float(number) - value * (100 if said.endswith("%") else 1)) <= 0.51 * unit, (score, value, said)


@pytest.mark.parametrize("name", FIGURES)
def test_training_figures_of_the_gallery_are_those_of_the_header(name):
    told = GALLERY.partition("### How they were trained")[2]
    [row] = re.findall(rf"(?m)^\| `{name}` \| ([\d ]+) \| (\d+) \| (\d+) \|$", told)
    header = header_of(name)
    assert int(row[0].replace(" ", "")) == header.images
    assert (int(row[1]), int(row[2])) == (round(header.minutes), header.threads)


def test_the_model_in_ten_lines_is_the_one_that_is_there():
    [lines] = re.findall(r"(?ms)^```python\n(@system.*?)^```", README.read_text("utf-8"))
    assert lines in (ROOT / "genstudio/models/vae.py").read_text("utf-8")


def test_the_table_of_tabs_names_every_tab():
    from genstudio.ui.studio import TABS

    table = README.read_text("utf-8").partition("## Tabs")[2].partition("\n## ")[0]
    assert [tab.title.en for tab in TABS] == re.findall(r"(?m)^\| ([A-Z][\w ]+?) \|", table)
    guide = (ROOT / "docs/tabs.md").read_text("utf-8")
    assert [tab.title.en for tab in TABS] == re.findall(r"(?m)^## (.*)$", guide)
