"""Speed of the flows: `python -m tests.bench.flows`, part of `make bench`.

Training steps a second of one thread in float32, in turns: RealNVP and planar flows against those of the package
normflows with equally many parameters, Sylvester flows against a loop over pictures and maps.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import normflows
import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

from genstudio.layers.flow import couplings, parts
from genstudio.layers.posterior_flow import PosteriorFlow, invertible_planar, planar
from genstudio.objectives.likelihood import standard_normal

SHAPE, BATCH, WIDTH, EACH = (1, 28, 28), 32, 64, 1  # four couplings
HALF_WIDTH = 46  # of the two networks of a masked coupling, which have as many weights together
DIM, FLOWS, CODES, HIDDEN = 32, 4, 100, 128
TURNS = 9

Step = Callable[[], None]


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    report = {}
    cases = {"RealNVP": realnvp(), "planar": planar_flows(), "Sylvester": sylvester_flows()}
    for name, (ours, others) in cases.items():
        seconds = in_turns([ours, *others.values()])
        report[f"{name}, milliseconds a step"] = round(1000 * seconds[0], 1)
        for other, taken in zip(others, seconds[1:], strict=True):
            report[f"{name}, {other}: times as long"] = round(taken / seconds[0], 2)
    print(json.dumps(report, indent=1, ensure_ascii=False))


def in_turns(steps: list[Step]) -> list[float]:
    """Median seconds of processor time of each step, in turns, so that other load meets all alike."""
    taken: list[list[float]] = [[] for _ in steps]
    for turn in range(TURNS + 1):
        for step, times in zip(steps, taken, strict=True):
            started = time.process_time()
            step()
            if turn:  # the first one warms up
                times.append(time.process_time() - started)
    return [statistics.median(times) for times in taken]


def weights(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def realnvp() -> tuple[Step, dict[str, Step]]:
    """Couplings of digits; those of normflows on blocks folded by us, with the same networks, and with masks."""
    x = torch.randn(BATCH, *SHAPE)
    own = nn.ModuleList(couplings(SHAPE, WIDTH, blocks=1, each=EACH))

    def ours() -> None:
        learn(own, x)

    folded = nn.ModuleList(couplings(SHAPE, WIDTH, blocks=1, each=EACH))  # their networks, for the other package
    blocks = nn.ModuleList(normflows.flows.AffineCouplingBlock(coupling.network) for coupling in list(folded)[:2])
    half = nn.ModuleList([*blocks, *blocks])  # at the first scale, where the parts are halves

    mask = checkerboard()
    masked = nn.ModuleList(
        normflows.flows.MaskedAffineFlow(mask if i % 2 else 1 - mask, convolutions(), convolutions()) for i in range(4)
    )
    assert abs(weights(masked) / weights(own) - 1) < 0.1, (weights(masked), weights(own))
    # A second time through the same two networks: as many passes, of networks of the first scale's size.
    return ours, {
        "normflows, our folding and networks": lambda: learn(half, pixel_unshuffle(x, 4)),
        "normflows, masks at full size": lambda: learn(masked, x),
    }


def checkerboard() -> Tensor:
    board = torch.zeros(1, 16, 7, 7)
    board[:, parts(1, 0, "checkerboard")[0]] = 1
    return torch.nn.functional.pixel_shuffle(board, 4)[0]


def convolutions() -> nn.Sequential:
    layers = [nn.Conv2d(1, HALF_WIDTH, 3, padding=1)]
    for _ in range(2):
        layers += [nn.SiLU(), nn.Conv2d(HALF_WIDTH, HALF_WIDTH, 3, padding=1)]
    return nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(HALF_WIDTH, 1, 3, padding=1))


def learn(flow: nn.ModuleList, x: Tensor) -> None:
    """Gradients of the negative log-likelihood."""
    total = x.new_zeros(len(x))
    for layer in flow:
        x, log_det = layer(x)
        total = total + log_det
    (-(standard_normal(x.flatten(1)) + total).mean()).backward()


def planar_flows() -> tuple[Step, dict[str, Step]]:
    z = torch.randn(10 * CODES, DIM)
    theirs = nn.ModuleList(normflows.flows.Planar((DIM,)) for _ in range(FLOWS))
    u, w = (nn.Parameter(torch.randn(FLOWS, 1, 1, DIM)) for _ in range(2))
    b = nn.Parameter(torch.zeros(FLOWS, 1, 1, 1))
    assert weights(theirs) == u.numel() + w.numel() + b.numel()

    def ours() -> None:
        x, total = z[None], 0.0
        for k in range(FLOWS):
            x, log_det = planar(x, invertible_planar(u[k], w[k]), w[k], b[k])
            total = total + log_det
        (-(standard_normal(x) + total).mean()).backward()

    return ours, {"normflows": lambda: learn(theirs, z)}


def sylvester_flows() -> tuple[Step, dict[str, Step]]:
    """Householder flows whose parameters differ for each picture, against one map of one picture after another."""
    flow = PosteriorFlow("householder", DIM, HIDDEN, FLOWS, vectors=8)
    z, h = torch.randn(CODES, 1, DIM), torch.randn(CODES, HIDDEN)

    def ours() -> None:
        moved, log_det = flow(z, h)
        (-(standard_normal(moved) + log_det).mean()).backward()

    def loop() -> None:
        total = 0.0
        for one, features in zip(z[:, 0], h, strict=True):
            x, log_det = one, 0.0
            for q, r1, r2, b in flow.parameters_of(features[None]):
                inner = torch.tanh(r2[0] @ (q[0].T @ x) + b[0, 0])
                a, c = q[0] @ r1[0], (1 - inner.square())[:, None] * (r2[0] @ q[0].T)
                x = x + a @ inner
                log_det = log_det + torch.linalg.slogdet(torch.eye(DIM) + a @ c).logabsdet
            total = total + standard_normal(x) + log_det
        (-total / CODES).backward()

    return ours, {"a loop, with the determinant of each Jacobian": loop}


if __name__ == "__main__":
    main()
