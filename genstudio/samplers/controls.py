"""Controls of iterative sampling: keyword arguments of a diffusion model's verbs."""

from __future__ import annotations

from typing import Annotated

from genstudio.controls import Choice, Slider, Text
from genstudio.samplers import SAMPLERS

Steps = Annotated[
    int,
    Slider(
        1,
        250,
        1,
        title=Text("Steps", "Pas"),
        hint=Text(
            "How often the network is asked. More is slower, and closer to the path that it was trained on.",
            "Combien de fois le réseau est consulté. Plus : plus lent, et plus près du chemin appris.",
        ),
    ),
]
Sampler = Annotated[
    str,
    Choice(
        tuple(SAMPLERS),
        title=Text("Sampler", "Échantillonneur"),
        hint=Text(
            "How the next picture follows from the guess. DPM-Solver++ needs fewest steps; DDPM puts fresh noise back.",
            "Comment l’image suivante découle de l’estimation. DPM-Solver++ est le plus économe ; DDPM remet du bruit.",
        ),
    ),
]
Guidance = Annotated[
    float,
    Slider(
        0.0,
        8.0,
        0.1,
        title=Text("Guidance", "Guidage"),
        hint=Text(
            "How strongly the class is obeyed. 0 ignores it, 1 is as trained, above 1 exaggerates and loses variety.",
            "À quel point la classe est suivie. 0 : ignorée ; 1 : comme appris ; au-delà : exagérée, moins variée.",
        ),
    ),
]
Rescale = Annotated[
    float,
    Slider(
        0.0,
        1.0,
        0.05,
        title=Text("Rescale", "Remise à l’échelle"),
        hint=Text(
            "Takes back the contrast that strong guidance adds: 0 none of it, 1 all.",
            "Retire le contraste qu’ajoute un guidage fort : 0, rien ; 1, tout.",
        ),
    ),
]
Eta = Annotated[
    float,
    Slider(
        0.0,
        1.0,
        0.05,
        title=Text("η: fresh noise in DDIM", "η : bruit neuf dans DDIM"),
        hint=Text(
            "0 follows a path that can be walked back, 1 throws DDPM’s dice at each step.",
            "0 suit un chemin réversible ; 1 relance les dés de DDPM à chaque pas.",
        ),
    ),
]
ByClassifier = Annotated[
    float,
    Slider(
        0.0,
        5.0,
        0.1,
        title=Text("Classifier guidance", "Guidage par classifieur"),
        hint=Text(
            "Goes uphill to where this project’s classifier sees the class. "
            "Each step then also runs the network backwards.",
            "Remonte vers ce que le classifieur du projet reconnaît. Chaque pas parcourt aussi le réseau à rebours.",
        ),
    ),
]
Strength = Annotated[
    float,
    Slider(
        0.0,
        1.0,
        0.05,
        title=Text("Strength", "Force"),
        hint=Text(
            "How much noise your picture gets before it comes back: 0 leaves it, 1 forgets it.",
            "Quantité de bruit ajoutée à votre image avant son retour : 0 la laisse, 1 l’oublie.",
        ),
    ),
]


DRAWN, FOUND = "drawn", "found"
StartNoise = Annotated[
    str,
    Choice(
        (DRAWN, FOUND),
        title=Text("Noise", "Bruit"),
        hint=Text(
            "Drawn from the seed, or found by walking DDIM back from your picture: "
            "then it comes back nearly as it was.",
            "Tiré de la graine, ou trouvé en remontant DDIM depuis votre image : "
            "elle revient alors presque telle quelle.",
        ),
        titles=(Text("drawn", "tiré"), Text("found", "trouvé")),
    ),
]
