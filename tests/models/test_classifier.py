"""What classifiers learn from: classes, attributes, and pictures cut together."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from genstudio.model import Batch, Progress
from genstudio.models.classifier import AttributeClassifier, Classifier, cut_mix


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
    return Classifier((1, 8, 8), classes=3, widths=(4,), attributes=("glasses", "hat"), dropout=0.0)


def test_an_attribute_is_learned_where_the_set_knows_it_and_left_alone_where_not():
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6) % 3
    for conditions in ({}, {"hat": torch.arange(6) % 2 == 0}):
        model = small()
        [(player, terms)] = list(model.losses(Batch(images, labels, conditions), Progress()))
        assert player == "model" and set(terms) == {"cross entropy", "accuracy", *conditions}
        sum(t for t in terms.values() if t.requires_grad).backward()
        gradient = model.attribute_head.weight.grad
        moved = [False, False] if gradient is None else gradient.abs().sum(1).gt(0).tolist()
        assert moved == [False, "hat" in conditions]


def test_attributes_are_answered_by_name_with_the_sign_that_was_learned():
    model, images = small(), torch.cat([torch.full((16, 1, 8, 8), -1.0), torch.full((16, 1, 8, 8), 1.0)])
    bright = torch.arange(32) >= 16
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for step in range(60):
        noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(step))
        [(_, terms)] = list(model.losses(Batch(noisy, torch.zeros(32, dtype=torch.long), {"glasses": bright, "hat": ~bright}), Progress(step)))
        optimizer.zero_grad()
        sum(t for t in terms.values() if t.requires_grad).backward()
        optimizer.step()
    answers = model.eval().attribute_logits(images)
    assert ((answers["glasses"] > 0) == bright).all() and ((answers["hat"] > 0) == ~bright).all()


def faces() -> AttributeClassifier:
    torch.manual_seed(0)
    return AttributeClassifier((1, 8, 8), {"glasses": (), "hair_color": ("red", "blue", "green")}, widths=(4,), dropout=0.0)


def test_an_attribute_with_values_learns_from_the_pictures_of_which_it_is_known():
    images, hair = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 2, -1, -1, -1])
    for conditions, due in (
        ({"hair_color": hair}, {"hair_color"}),
        ({"hair_color": hair, "glasses": hair > 0}, {"hair_color", "glasses"}),
        ({"hair_color": torch.full((6,), -1), "glasses": hair > 0}, {"glasses"}),
    ):
        [(player, terms)] = faces().losses(Batch(images, conditions=conditions), Progress())
        assert player == "model" and set(terms) == due and all(term.isfinite() for term in terms.values())
    [(_, terms)] = faces().losses(Batch(images, conditions={"hair_color": hair}), Progress())
    assert terms["hair_color"].isclose(cross_entropy(faces().attribute_logits(images)["hair_color"][:3], hair[:3]))
    with pytest.raises(ValueError, match="none of the attributes glasses, hair_color"):
        list(faces().losses(Batch(images), Progress()))


def test_attributes_with_values_are_told_apart():
    model, truth = faces(), torch.arange(30) % 3
    images = (truth - 1.0).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    conditions = {"hair_color": truth, "glasses": truth == 2}
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(60):
        noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(step))
        [(_, terms)] = model.losses(Batch(noisy, conditions=conditions), Progress(step))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    logits = model.eval().attribute_logits(images)
    assert logits["hair_color"].shape == (30, 3) and (logits["hair_color"].argmax(1) == truth).all()
    assert ((logits["glasses"] > 0) == (truth == 2)).all()
