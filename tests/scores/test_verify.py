"""`score --check`: a header is believed as far as it can be measured again."""

import json
import shutil

import pytest
import torch

from genstudio import checkpoint, cli
from genstudio.data import Pictures
from genstudio.registry import find_system
from genstudio.scores import measure as scores
from genstudio.scores import verify
from genstudio.scores.intervals import Score

CLASSES = tuple(str(d) for d in range(10))


def made_up(name: str, split: str, shape: tuple[int, int, int]) -> Pictures:
    draw = torch.Generator().manual_seed(int(split == "test"))
    images = torch.randint(0, 256, (30, *shape), dtype=torch.uint8, generator=draw)
    return Pictures(name, images, torch.arange(30) % 10, CLASSES)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with an untrained vae_mnist whose header claims what was measured, over 24 samples and 30 pictures."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").mkdir()
    for name in ("vae_mnist", "classifier_mnist"):
        torch.manual_seed(0)
        header = checkpoint.Header(name, data="mnist", classes=list(CLASSES), credit="Made up (JPEG copy)")
        checkpoint.save(home / "checkpoints" / f"{name}.safetensors", find_system(name).build(), header)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENSTUDIO_HOME", str(home))
        patch.setattr(scores, "pictures", made_up)
        claim(home / "checkpoints" / "vae_mnist.safetensors", scores.score("vae_mnist", n=24))
    return home


@pytest.fixture
def vae(home, tmp_path, monkeypatch):
    """The path of that checkpoint in a copy of the home."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("GENSTUDIO_HOME", str(tmp_path))
    monkeypatch.setattr(scores, "pictures", made_up)
    return tmp_path / "checkpoints" / "vae_mnist.safetensors"


def claim(path, found: dict) -> None:
    header = checkpoint.describe(path)
    header.scores = found
    checkpoint.rewrite_header(path, header)


def test_an_honest_header_agrees(vae, capsys):
    assert cli.main(["score", "vae_mnist", "--check"]) == 0
    said = capsys.readouterr()
    claimed = checkpoint.describe(vae).scores
    assert said.out.count(": agrees\n") == len(claimed) > 20 and "not agree" not in said.out
    assert "Learned from: Made up (JPEG copy)" in said.err


def test_any_one_number_changed_is_noticed(vae):
    """Value, ends and n of every claim in turn, without measuring again: what is measured is what was claimed."""
    for what, honest in checkpoint.describe(vae).scores.items():
        number = Score(**honest)
        assert verify.against(number, number) == ""
        width = number.high - number.low
        for changed in (
            number._replace(value=number.value + 1.1 * width + 0.1),
            number._replace(value=number.value - 1.1 * width - 0.1),
            number._replace(low=number.low - 0.6 * width - 0.1),
            number._replace(high=number.high + 0.6 * width + 0.1),
            number._replace(n=number.n + 1),
        ):
            assert verify.against(changed, number), (what, changed)


def test_a_header_with_one_value_changed_is_noticed_and_named(vae, capsys):
    found = checkpoint.describe(vae).scores
    what = "Frechet distance (classifier_mnist)"
    found[what] = found[what] | {"value": found[what]["value"] * 3 + 1}
    claim(vae, found)
    assert cli.main(["score", "vae_mnist", "--check", "--json"]) == 1
    verdicts = json.loads(capsys.readouterr().out)
    assert [name for name, verdict in verdicts.items() if not verdict["agrees"]] == [what]
    assert set(verdicts) == set(found) and verdicts[what]["measured"]["n"] == 24


def test_values_agree_within_the_wider_interval():
    narrow, wide = Score(1.0, 0.9, 1.1, 50), Score(1.18, 0.98, 1.38, 50)
    assert "apart" in verify.against(narrow._replace(value=0.97), wide)
    assert verify.against(wide._replace(low=0.99, high=1.37), wide._replace(value=1.01)) == ""


@pytest.mark.parametrize("said", [None, "good", 0.5, {"value": 0.5}, {"value": "x", "low": 0, "high": 1, "n": 3}, []])
def test_a_claim_that_is_no_score_does_not_agree(said, vae):
    found = checkpoint.describe(vae).scores
    claim(vae, {"squared error": said, "negative ELBO of binary pixels (nats)": found["negative ELBO of binary pixels (nats)"]})
    verdicts = dict(verify.check("vae_mnist"))
    assert "no number" in verdicts["squared error"].against and verdicts["squared error"].measured
    assert not verdicts["negative ELBO of binary pixels (nats)"].against


def test_a_claim_that_cannot_be_measured_does_not_agree(vae):
    """A name that nobody knows, and a network that is not here: silence would pass for consent."""
    found = checkpoint.describe(vae).scores
    number = found["precision (classifier_mnist)"]
    claim(vae, {"beauty": number, "precision (classifier_zebras)": number, "precision (classifier_mnist)": number})
    verdicts = dict(verify.check("vae_mnist"))
    assert "nothing of this name" in verdicts["beauty"].against
    assert "classifier_zebras" in verdicts["precision (classifier_zebras)"].against
    assert not verdicts["precision (classifier_mnist)"].against


def test_nothing_is_measured_beyond_the_last_claim(vae, monkeypatch):
    def no(*arguments):
        raise AssertionError("samples were drawn for nothing")

    monkeypatch.setattr(scores, "generate", no)
    claim(vae, {"squared error": checkpoint.describe(vae).scores["squared error"]})
    assert [verdict.against for _, verdict in verify.check("vae_mnist")] == [""]


def test_no_claims_are_no_lies(vae, capsys):
    claim(vae, {})
    assert cli.main(["score", "vae_mnist", "--check"]) == 0
    assert "claims no scores" in capsys.readouterr().out


def test_check_takes_its_n_and_data_from_the_header(vae, capsys):
    for more in (["--n", "50"], ["--data", "mnist"]):
        assert cli.main(["score", "vae_mnist", "--check", *more]) == 2
        assert "from the header" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("share of big hair (classifier_x)", "classifier_x"),
        ("Frechet distance over training pictures' (inception of torchvision)", "inception of torchvision"),
        ("nearest training picture over held-out pictures' (pixels)", "pixels"),
        ("Frechet distance over that of the unchanged picture, there (classifier_x)", "classifier_x"),
        ("share of results without glasses, back (classifier_x)", "classifier_x"),
        ("PSNR of non-local means at noise 25 (dB)", None),
        ("negative ELBO of binary pixels (nats)", None),
        ("squared error of PCA (128 codes)", None),
        ("accuracy of glasses", None),
    ],
)
def test_a_scores_name_names_its_network(name, judge):
    assert verify.judge_in(name) == judge
