"""What classifiers learn from: classes, traits beside them, and pictures cut together."""

from __future__ import annotations

import torch

from genstudio.model import Batch
from genstudio.models.classifier import Classifier, cut_mix


def test_a_picture_cut_together_is_of_each_class_by_its_share_of_the_area():
    """Each picture is one grey level: how much of a picture is of which is read off it, and must be what is wanted."""
    levels = torch.tensor([0.0, 1.0, 2.0, 3.0])
    for seed in range(40):
        torch.manual_seed(seed)
        images = levels.view(4, 1, 1, 1).expand(4, 3, 12, 10)
        mixed, wanted = cut_mix(images, torch.eye(4))
        for row, (picture, share) in enumerate(zip(mixed, wanted, strict=True)):
            other = (row - 1) % 4
            assert set(picture.unique().tolist()) <= {levels[row].item(), levels[other].item()}
            assert abs((picture == levels[other]).float().mean() - share[other]) < 1e-6
            assert abs(share.sum() - 1) < 1e-6
    torch.manual_seed(0)
    kept = [cut_mix(images, torch.eye(4))[1][0, 0].item() for _ in range(400)]
    assert min(sum(k > 0.9 for k in kept), sum(k < 0.5 for k in kept)) > 20, "boxes small and large"


def small() -> Classifier:
    torch.manual_seed(0)
    return Classifier((1, 8, 8), classes=3, widths=(4,), traits=("glasses", "hat"), dropout=0.0)


def test_a_trait_is_learned_where_the_set_knows_it_and_left_alone_where_not():
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6) % 3
    for traits in ({}, {"hat": torch.arange(6) % 2 == 0}):
        model = small()
        [(player, terms)] = list(model.losses(Batch(images, labels, traits), 0))
        assert player == "model" and set(terms) == {"cross entropy", "accuracy", *traits}
        sum(t for t in terms.values() if t.requires_grad).backward()
        gradient = model.trait_head.weight.grad
        moved = [False, False] if gradient is None else gradient.abs().sum(1).gt(0).tolist()
        assert moved == [False, "hat" in traits]


def test_traits_are_answered_by_name_with_the_sign_that_was_learned():
    model, images = small(), torch.cat([torch.full((16, 1, 8, 8), -1.0), torch.full((16, 1, 8, 8), 1.0)])
    bright = torch.arange(32) >= 16
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for step in range(60):
        noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(step))
        [(_, terms)] = list(model.losses(Batch(noisy, torch.zeros(32, dtype=torch.long), {"glasses": bright, "hat": ~bright}), step))
        optimizer.zero_grad()
        sum(t for t in terms.values() if t.requires_grad).backward()
        optimizer.step()
    answers = model.eval().judge_traits(images)
    assert ((answers["glasses"] > 0) == bright).all() and ((answers["hat"] > 0) == ~bright).all()
