"""The search for the code of a picture, on decoders whose answer is known."""

from __future__ import annotations

import torch

from genstudio.latent.projection import distance, project


def decoder(seed: int = 0, d: int = 8):
    """A smooth decoder of d numbers to 16x16, which no two codes share a picture of."""
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(d, 3 * 16 * 16, generator=draw) / d**0.5
    return lambda z: torch.tanh(z @ weight).view(-1, 3, 16, 16)


def codes(n: int = 256, d: int = 8) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(5))


def test_the_code_of_a_picture_that_the_decoder_made_is_found():
    decode, wanted = decoder(), torch.randn(1, 8, generator=torch.Generator().manual_seed(9))
    wanted *= codes().norm(dim=1).mean() / wanted.norm()
    *_, last = project(decode, codes(), decode(wanted))
    assert last.step == last.steps and last.error < 0.002
    assert torch.nn.functional.cosine_similarity(last.code[None], wanted).item() > 0.98


def test_the_best_code_so_far_never_gets_worse_and_is_the_one_that_is_told():
    decode, target = decoder(), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    before = float("inf")
    for guess in project(decode, codes(), target, steps=40):
        assert guess.error <= before
        before = guess.error
        assert abs((decode(guess.code[None]) - target).square().mean().item() - guess.error) < 1e-5


def test_codes_stay_as_long_as_codes_are():
    """Far out a decoder makes what no picture ever was: here the farther, the nearer to the target."""
    typical = codes().norm(dim=1).mean()
    *_, last = project(lambda z: z.mean(1).view(-1, 1, 1, 1).expand(-1, 1, 8, 8), codes(), torch.full((1, 1, 8, 8), 50.0))
    assert last.code.norm() <= 1.6 * typical  # the noise that was tried is on top


def test_a_search_leaves_the_gradient_mode_of_its_caller_alone():
    """The engine runs it between other visitors' frames: a mode held across a yield would leak to them."""
    with torch.no_grad():
        for _ in project(decoder(), codes(), torch.zeros(1, 3, 16, 16), steps=3):
            assert not torch.is_grad_enabled()


def test_distance_sees_a_shift_as_nearer_than_another_picture():
    """In single pixels a thin line moved by two is as far as a line elsewhere; in smaller pictures it is not."""
    line, moved, elsewhere = (torch.zeros(1, 1, 32, 32) for _ in range(3))
    line[..., 10], moved[..., 11], elsewhere[..., 28] = 1, 1, 1
    assert distance(moved, line) < 0.8 * distance(elsewhere, line)
