"""Flows of a VAE's posterior: latents z0 ~ N(mean, variance) are moved on by maps whose parameters the encoder gives.

Rezende and Mohamed 2015 (planar, arXiv:1505.05770); van den Berg et al. 2018 (Sylvester, arXiv:1803.05649). Latents
are (n, s, d): s of each of n images. Every map returns the moved latents, and log |det dz'/dz| (n, s). Read first:
`sylvester`.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genstudio.layers.flow import in_float32

Kind = Literal["none", "planar", "orthogonal", "householder", "triangular"]
MAX_STEPS = 100  # of the orthogonalization
TOLERANCE = 1e-6  # of the largest entry of Q'Q - I
LEAST = 1e-3  # distance from the edge of what has an inverse, so that rounding does not reach it
CHECK_EVERY = 4  # steps between two looks at the tolerance


# Maps -----------------------------------------------------------------------------------------------------------


def planar(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """z + u tanh(w'z + b), equation 10 of Rezende and Mohamed. u, w: (n, 1, d); b: (n, 1, 1)."""
    inner = torch.tanh((z * w).sum(2, keepdim=True) + b)
    slope = (1 - inner.square()) * (u * w).sum(2, keepdim=True)  # psi(z)'u
    return z + u * inner, torch.log1p(slope).squeeze(2)


def invertible_planar(u: Tensor, w: Tensor) -> Tensor:
    """u with its part along w moved so that w'u > -1, for which the planar map has an inverse (their appendix A.1)."""
    along = (u * w).sum(2, keepdim=True)
    return u + (softplus(along) - 1 + LEAST - along) * w / w.square().sum(2, keepdim=True)


def sylvester(z: Tensor, q: Tensor, r1: Tensor, r2: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """z + Q R1 tanh(R2 Q'z + b), equation 13 of van den Berg et al.

    By Sylvester's identity, det(I + AB) = det(I + BA), the determinant is that of a triangular matrix.

    q: (n, d, m) with orthonormal columns. r1, r2: upper triangular (n, m, m). b: (n, 1, m). It has an inverse if all
    r1_ii r2_ii > -1.
    """
    inner = torch.tanh(z @ q @ r2.transpose(1, 2) + b)
    diagonal = (r1.diagonal(dim1=1, dim2=2) * r2.diagonal(dim1=1, dim2=2))[:, None]
    return z + inner @ (q @ r1).transpose(1, 2), torch.log1p((1 - inner.square()) * diagonal).sum(2)


def orthogonalize(q: Tensor, steps: int = MAX_STEPS, tolerance: float = TOLERANCE, normalize: bool = True) -> Tensor:
    """Matrices (..., d, m) with orthonormal columns, by Q <- Q (I + (I - Q'Q) / 2) (Björck and Bowie 1971).

    It converges if ||Q'Q - I||_2 < 1. Division by the Frobenius norm (`normalize`) brings all singular values to
    [0, 1], so that the condition fails for dependent columns alone. Raises ValueError where it does.
    """
    if normalize:
        q = q / torch.linalg.matrix_norm(q, keepdim=True)
    if not bool(converges(q).all()):
        error = convergence_error(q).max()
        raise ValueError(
            f"these columns cannot be made orthonormal: ||Q'Q - I|| is {error:.3g}, and the iteration converges below 1"
        )
    identity = torch.eye(q.shape[-1]).to(q)
    for step in range(steps):
        rest = identity - q.mT @ q
        if step % CHECK_EVERY == 0 and rest.detach().abs().amax() <= tolerance:
            break
        q = q + 0.5 * q @ rest
    return q


def convergence_error(q: Tensor) -> Tensor:
    """||Q'Q - I||_2 (...): the iteration of `orthogonalize` converges if it is below 1."""
    return (torch.linalg.eigvalsh(q.detach().mT @ q.detach()) - 1).abs().amax(-1)


def converges(q: Tensor) -> Tensor:
    """The condition of `orthogonalize` (...). Of dependent columns the error is 1 but for rounding."""
    return convergence_error(q) < 1 - q.shape[-1] * torch.finfo(q.dtype).eps


def householder(v: Tensor) -> Tensor:
    """Orthogonal matrices (..., d, d): the product of the reflections I - 2 vv'/|v|² of vectors v (..., count, d)."""
    v = v / v.norm(dim=-1, keepdim=True)
    q = torch.eye(v.shape[-1]).to(v).expand(*v.shape[:-2], -1, -1)
    for one in v.unbind(-2):
        q = q - 2 * (q @ one[..., :, None]) * one[..., None, :]
    return q


# With parameters from an encoder ----------------------------------------------------------------------------------


class PosteriorFlow(nn.Module):
    """Several maps of one kind in a row. forward(z, h) -> z, log_det, with h (n, hidden) of the encoder.

    In a triangular flow Q is the identity and its reversal by turns; in the others h gives it.

    vectors: columns of Q if orthogonal, reflections of it if Householder.
    """

    def __init__(self, kind: Kind, latent_dim: int, hidden: int, flows: int, vectors: int):
        super().__init__()
        self.kind, self.latent_dim, self.flows, self.vectors = kind, latent_dim, flows, vectors
        self.inner = vectors if kind == "orthogonal" else 1 if kind == "planar" else latent_dim  # m
        if kind == "orthogonal" and vectors > latent_dim:
            raise ValueError(f"{vectors} orthonormal vectors do not fit in {latent_dim} dimensions")
        if kind == "planar":
            self.along, self.across = (nn.Linear(hidden, flows * latent_dim) for _ in range(2))  # u and w
        else:
            self.full = nn.Linear(hidden, flows * self.inner**2)  # R1 above the diagonal, R2 below
            self.diagonals = nn.Linear(hidden, 2 * flows * self.inner)
        if kind in ("orthogonal", "householder"):
            self.directions = nn.Linear(hidden, flows * vectors * latent_dim)
        self.offset = nn.Linear(hidden, flows * self.inner)

    def forward(self, z: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(z.shape[:2])
        for parameters in self.parameters_of(h):
            z, log_det = (planar if self.kind == "planar" else sylvester)(z, *parameters)
            total = total + log_det
        return z, total

    def parameters_of(self, h: Tensor) -> list[tuple[Tensor, ...]]:
        """Arguments of each map, which has an inverse whatever the encoder gives."""
        with in_float32(h):
            h = h.to(self.offset.weight.dtype)
            offset = self.offset(h).unflatten(1, (self.flows, 1, self.inner))
            if self.kind == "planar":
                u, w = (layer(h).unflatten(1, (self.flows, 1, -1)) for layer in (self.along, self.across))
                pairs = zip(u.unbind(1), w.unbind(1), offset.unbind(1), strict=True)
                return [(invertible_planar(a, c), c, b) for a, c, b in pairs]
            r1, r2 = self.triangles(h)
            q = self.orthonormal(h)
            return [(q[:, k], r1[:, k], r2[:, k], offset[:, k]) for k in range(self.flows)]

    def triangles(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """R1 and R2 (n, flows, m, m), their diagonals in (-1, 1)."""
        full = self.full(h).unflatten(1, (self.flows, self.inner, self.inner))
        diagonals = (1 - LEAST) * torch.tanh(self.diagonals(h)).unflatten(1, (2, self.flows, self.inner))
        return tuple(m.triu(1) + torch.diag_embed(d) for m, d in zip((full, full.mT), diagonals.unbind(1), strict=True))

    def orthonormal(self, h: Tensor) -> Tensor:
        """Q (n, flows, d, m)."""
        if self.kind == "triangular":
            identity = torch.eye(self.latent_dim).to(h)
            return torch.stack([identity.flip(0) if k % 2 else identity for k in range(self.flows)]).expand(
                len(h), -1, -1, -1
            )
        directions = self.directions(h).unflatten(1, (self.flows, self.vectors, self.latent_dim))
        return householder(directions) if self.kind == "householder" else orthogonalize(directions.mT)
