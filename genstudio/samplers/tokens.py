"""Sampling of tokens from logits: temperature, top-k (Fan et al. 2018, arXiv:1805.04833) and top-p (Holtzman et al.
2020, arXiv:1904.09751), with the controls of the priors."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from genstudio.controls import Slider, Text, Toggle


def draw(
    logits: Tensor, chance: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Tokens (...) drawn from logits (..., vocabulary) by uniform numbers (...), and the probabilities that they had.

    top_k: keep the likeliest so many; 0 for all. top_p: keep the fewest tokens whose probabilities add up to so much.
    """
    probabilities = (logits.float() if temperature == 1 else logits.float() / temperature).softmax(-1)
    size = probabilities.shape[-1]
    if 0 < top_k < size or top_p < 1:
        ordered, places = probabilities.sort(dim=-1, descending=True, stable=True)
        dropped = ordered.double().cumsum(-1) - ordered >= top_p
        dropped[..., 0] = False
        if top_k:
            dropped[..., top_k:] = True
        probabilities = torch.zeros_like(probabilities).scatter(-1, places, ordered.masked_fill(dropped, 0))
        probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    cumulative = probabilities.double().cumsum(-1)
    target = chance.double()[..., None] * cumulative[..., -1:]  # below the whole, which rounding may put below 1
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1).clamp_max(size - 1), probabilities


Temperature = Annotated[
    float,
    Slider(
        0.1,
        2.0,
        0.05,
        title=Text("Temperature", "Température"),
        hint=Text(
            "Divides the logits. Below 1 likely tokens are drawn more often still: tidier pictures, less variety.",
            "Divise les logits. Sous 1, les jetons probables le sont plus encore : images plus nettes, moins variées.",
        ),
    ),
]
TopK = Annotated[
    int,
    Slider(
        1,
        512,
        1,
        most="vocabulary",
        title=Text("Top k: likeliest tokens kept", "Top k : jetons les plus probables gardés"),
        hint=Text(
            "Each token is drawn from the likeliest so many. 1 always takes the likeliest.",
            "Chaque jeton est tiré parmi les plus probables. 1 prend toujours le plus probable.",
        ),
    ),
]
TopP = Annotated[
    float,
    Slider(
        0.05,
        1.0,
        0.05,
        title=Text("Top p: probability kept", "Top p : probabilité gardée"),
        hint=Text(
            "Each token is drawn from the fewest whose probabilities add up to this. 1 keeps all.",
            "Chaque jeton est tiré parmi les moins nombreux dont les probabilités font ce total. 1 les garde tous.",
        ),
    ),
]
MaskSteps = Annotated[
    int,
    Slider(
        1,
        32,
        1,
        title=Text("Steps", "Pas"),
        hint=Text(
            "How often the network is asked: each time it keeps the tokens that it is surest of.",
            "Combien de fois le réseau est consulté : il garde chaque fois les jetons dont il est le plus sûr.",
        ),
    ),
]
Choice = Annotated[
    float,
    Slider(
        0.0,
        10.0,
        0.5,
        title=Text("Chance in the order", "Hasard dans l’ordre"),
        hint=Text(
            "0 keeps the surest tokens of each step; more lets less sure ones through early, for variety.",
            "0 garde à chaque pas les jetons les plus sûrs ; plus haut, d’autres passent tôt, pour la variété.",
        ),
    ),
]
Glasses = Annotated[
    bool | None,
    Toggle(
        title=Text("Glasses", "Lunettes"),
        hint=Text("With or without; «any» leaves it to the model.",
                  "Avec ou sans ; « indifférent » laisse faire le modèle."),
    ),
]
Beard = Annotated[
    bool | None,
    Toggle(
        title=Text("Beard", "Barbe"),
        hint=Text("Beard or moustache, or none; «any» leaves it to the model.",
                  "Barbe ou moustache, ou rien ; « indifférent » laisse faire le modèle."),
    ),
]
