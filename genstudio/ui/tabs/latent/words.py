"""The sentences of the Latent space tab. Those of a control stand with the control."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Latent space", "Espace latent")

FROM = Text("Start", "Départ")
TO = Text("End", "Arrivée")
POSITION_HINT = Text("Drag, or use the arrow keys.", "Faites glisser, ou utilisez les flèches du clavier.")
PATH = Text("Path", "Chemin")
SPHERICAL = Text("Spherical", "Sphérique")
LINEAR_NOTE = Text("the straight line (1−t)·a + t·b", "la droite (1−t)·a + t·b")
SPHERICAL_NOTE = Text("along the sphere, where it learned", "sur la sphère, où il a appris")
NORM = Text("norm of the code", "norme du code")
TYPICAL = Text("typical √d", "typique √d")
NORTH_WEST = Text("Top left", "En haut à gauche")
NORTH_EAST = Text("Top right", "En haut à droite")
SOUTH_WEST = Text("Bottom left", "En bas à gauche")
SOUTH_EAST = Text("Bottom right", "En bas à droite")
PLANE = Text("The plane between four pictures", "Le plan entre quatre images")
PLANE_HINT = Text(
    "Drag over the sheet, or click it and use the arrow keys (with Shift: in larger steps).",
    "Faites glisser sur la planche, ou cliquez dessus et utilisez les flèches (avec Maj : à plus grands pas).",
)
HERE = Text("Here", "Ici")
BY_EFFECT = Text("largest effect on the picture", "plus grand effet sur l’image")
BY_DIMENSION = Text("single numbers of the code", "nombres isolés du code")
DIRECTIONS_KIND = Text("Directions", "Directions")
DIRECTIONS_HINT = Text(
    "A slider counts in standard deviations. A GAN's codes are alike in all directions: their principal components say nothing.",
    "Un curseur compte en écarts-types. Les codes d’un GAN se ressemblent en toutes directions : leurs composantes principales ne disent rien.",
)
TICKS_HINT = Text(
    "What each slider does, from −3 to 3: click a picture to go there", "Ce que fait chaque curseur, de −3 à 3 : cliquez sur une image pour y aller"
)
OWN_HINT = Text(
    "Found one that means something? Name it: your browser keeps it.",
    "Une direction a du sens ? Donnez-lui un nom : votre navigateur la garde.",
)
MAP = Text("The map: held-out pictures by class", "La carte : images tenues à l’écart, par classe")
MAP_HINT = Text(
    "Two numbers a picture: every held-out digit is a point, coloured by its class. Drag over the map, or click it and use the arrow keys.",
    "Deux nombres par image : chaque chiffre tenu à l’écart est un point, à la couleur de sa classe. Faites glisser sur la carte, ou cliquez dessus et utilisez les flèches.",
)
NO_MAP = Text(
    "No model with two numbers a picture is here yet. Train one with: python -m genstudio train vae2d_mnist",
    "Aucun modèle à deux nombres par image n’est encore là. Entraînez-en un : python -m genstudio train vae2d_mnist",
)
SHOW_SHEET = Text("Show the picture of every place", "Montrer l’image de chaque endroit")
RANDOM_CODES = Text("Random codes, decoded", "Des codes au hasard, décodés")
DRAWN_CODES = Text("random codes", "codes au hasard")
WHY_NOT = Text(
    "Nothing asked the codes of an auto-encoder to lie in any order: a random one falls into a gap, or once more on the same digit.",
    "Rien n’a demandé aux codes d’un auto-encodeur de s’ordonner : un code au hasard tombe dans un trou, ou encore sur le même chiffre.",
)
WHY_GENERATES = Text(
    "The KL term gathers the codes of all digits around the middle, with few gaps: a random one is nearly always some digit.",
    "Le terme KL rassemble les codes de tous les chiffres autour du milieu, presque sans trous : un code au hasard est presque toujours un chiffre.",
)
