"""The sentences of the Flow view."""

from __future__ import annotations

from genstudio.controls import Text

TITLE = Text("Flow", "Flot")
NO_FLOW = Text(
    "No flow has weights here yet. Train one with: python -m genstudio train realnvp_mnist",
    "Aucun flot n’a encore de poids ici. Entraînez-en un : python -m genstudio train realnvp_mnist",
)
HINT = Text(
    "A flow is a map with an exact inverse: noise becomes a picture layer by layer, and every picture has one code. "
    "log p(x) = log p(z) + Σ log |det|.",
    "Un flot est une application à inverse exact : le bruit devient une image couche par couche, et chaque image a un "
    "seul code. log p(x) = log p(z) + Σ log |det|.",
)
PICTURE = Text("Picture or seed", "Image ou graine")
LAYER = Text("Layers of the inverse map", "Couches de l’application inverse")
LAYER_HINT = Text(
    "0 is the latents, the last one the picture. Drag, or use the arrow keys.",
    "0 : les latents ; la dernière : l’image. Faites glisser, ou utilisez les flèches du clavier.",
)
AFTER = Text("After layer {k} of {count}", "Après la couche {k} sur {count}")
STRIP = Text("From noise to the picture: click a step", "Du bruit à l’image : cliquez sur une étape")
ROUND_TRIP = Text("To the code and back", "Jusqu’au code et retour")
GIVEN = Text("Picture x", "Image x")
REBUILT = Text("f⁻¹(f(x))", "f⁻¹(f(x))")
DIFFERENCE = Text(
    "largest difference of a pixel: {value} of a grey level",
    "plus grand écart d’un pixel : {value} niveau de gris",
)
EXACT = Text("every pixel comes back exactly", "chaque pixel revient exactement")
TERMS = Text(
    "log p(z) and log |det| of each layer, which add up to log p(x), in nats",
    "log p(z) et log |det| de chaque couche, de somme log p(x), en nats",
)
PRIOR = Text("log p(z)", "log p(z)")
TOTAL = Text("log p(x)", "log p(x)")
BITS = Text("{value} bits per dimension", "{value} bits par dimension")
CODE = Text("The numbers of the code, and the standard normal density", "Les nombres du code, et la densité normale")
CODE_BARS = Text("code", "code")
NORMAL = Text("N(0, 1)", "N(0, 1)")
MOMENTS = Text("mean {mean}, standard deviation {sigma}", "moyenne {mean}, écart type {sigma}")
FOREIGN = Text("Likelihood of foreign pictures", "Vraisemblance d’images étrangères")
FOREIGN_HINT = Text(
    "Bits per dimension of 256 levels: fewer mean likelier. A smooth picture that resembles nothing learned can be "
    "likelier than all that was: likelihood alone does not recognize foreign pictures.",
    "Bits par dimension de 256 niveaux : moins il y en a, plus l’image est probable. Une image lisse et jamais apprise "
    "peut être plus probable que celles qui l’ont été : la vraisemblance seule ne reconnaît pas l’étranger.",
)
THIS = Text("this picture", "cette image")
SAMPLE = Text("a sample", "un tirage")
BLACK = Text("black", "noir")
GREY = Text("grey", "gris")
INVERTED = Text("inverted", "inversée")
STRIPES = Text("stripes", "rayures")
NOISE = Text("noise", "bruit")
