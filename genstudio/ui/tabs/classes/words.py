"""The sentences of the Classes tab. Those of a control stand with the control."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Classes", "Classes")
NO_MODELS = Text(
    "No model that can be asked for a class is here yet. Train one with: python -m genstudio train cgan_mnist",
    "Aucun modèle à qui demander une classe n’est encore là. Entraînez-en un : python -m genstudio train cgan_mnist",
)

PICK = Text("Pick", "Choisir")
CLASSES = Text("Classes", "Classes")
CLASSES_HINT = Text("Type to search; as many as you like, up to {most}.", "Tapez pour chercher ; autant que voulu, jusqu’à {most}.")
EACH = Text("Of each class", "De chaque classe")
EACH_HINT = Text("A column is a seed: the same one for every class.", "Une colonne est une graine, la même pour toutes les classes.")
SEED = Text("First seed", "Première graine")
GRID = Text("{classes} classes, {each} of each", "{classes} classes, {each} de chaque")
LONG = Text(
    "Its pictures come about step by step, which takes seconds: press Run.",
    "Ses images naissent pas à pas, ce qui prend des secondes : appuyez sur Lancer.",
)
CHOSEN = Text("Chosen", "Choisie")
CLICK = Text("Click a picture to see it large.", "Cliquez une image pour la voir en grand.")
NOTE = Text("{label}, seed {seed}", "{label}, graine {seed}")

BETWEEN = Text("Between two classes", "Entre deux classes")
BETWEEN_HINT = Text(
    "One code, and a class that turns into another: what the model knows of both is blended.",
    "Un code, et une classe qui devient une autre : ce que le modèle sait des deux se mêle.",
)
NOTHING_BETWEEN = Text(
    "This model draws classes, and has nothing between them: choose a GAN.",
    "Ce modèle dessine des classes et n’a rien entre elles : choisissez un GAN.",
)
FIRST, SECOND = Text("From class", "De la classe"), Text("To class", "À la classe")
HOW_FAR = Text("How far", "Jusqu’où")
IN_NINE = Text("In nine steps: click one to go there", "En neuf pas : cliquez-en un pour y aller")

BOARD = Text("The board", "Le tableau")
BOARD_HINT = Text(
    "One wish through every model that has learned the class: the picture, the time it took, what a judge sees in it, and the "
    "training picture that it comes nearest to.",
    "Un souhait à travers chaque modèle qui a appris la classe : l’image, le temps qu’il a fallu, ce qu’un juge y voit, et "
    "l’image d’entraînement dont elle est la plus proche.",
)
WISH = Text("Class", "Classe")
BOARD_EMPTY = Text("Choose a class and press Run: each model answers in turn.", "Choisissez une classe et appuyez sur Lancer : chaque modèle répond à son tour.")
TOOK = Text("Time", "Temps")
PARAMETERS = Text("Parameters", "Paramètres")
SEEN = Text("The judge sees", "Le juge voit")
SEEN_AS = Text("{label}, {percent} %", "{label}, {percent} %")
NO_JUDGE = Text("no judge for these pictures", "pas de juge pour ces images")
NEAREST = Text("nearest training picture", "image d’entraînement la plus proche")
NOT_AT_HAND = Text("the training pictures are not on this machine", "les images d’entraînement ne sont pas sur cette machine")
APART = Text("{apart} apart", "écart {apart}")

SET = Text("Data set", "Jeu de données")
SET_HINT = Text(
    "Labelled pictures by the hundred, as a zip: a folder for each class, metadata, and how they were made. `train --data` reads it.",
    "Des images étiquetées par centaines, en zip : un dossier par classe, les métadonnées et comment elles ont été faites. "
    "`train --data` le lit.",
)
MAKE = Text("Make the zip", "Faire le zip")
MADE = Text("{done} of {of} pictures", "{done} images sur {of}")
HELPS = Text("Do they help a classifier?", "Aident-elles un classifieur ?")
HELPS_HINT = Text(
    "Three small ones learn equally long: from {n} real pictures, from as many drawn ones, and from both. They are asked about real "
    "ones that were held out.",
    "Trois petits apprennent aussi longtemps : de {n} images réelles, d’autant de dessinées, et des deux. On les interroge sur des "
    "images réelles mises de côté.",
)
LEARNING = {
    "real": Text("learning from real pictures", "apprend des images réelles"),
    "generated": Text("learning from drawn pictures", "apprend des images dessinées"),
    "both": Text("learning from both", "apprend des deux"),
}
DRAWING = Text("drawing the pictures", "dessine les images")
SOURCES = {"real": Text("real", "réelles"), "generated": Text("drawn", "dessinées"), "both": Text("both", "les deux")}
ACCURACY = Text("held-out pictures named rightly", "images mises de côté bien nommées")
NO_CLASSES = Text("name at least one class", "nommez au moins une classe")
TOO_MANY = Text("at most {most} classes at a time", "au plus {most} classes à la fois")
NO_CELL = Text("this picture is not there any more", "cette image n’est plus là")
