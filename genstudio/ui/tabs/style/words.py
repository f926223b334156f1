"""The sentences of the Style mixing tab. Those of a control stand with the control."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Style mixing", "Mélange de styles")
NO_MODELS = Text(
    "No model with styles is here yet. Train one with: python -m genstudio train stylegan2_faces",
    "Aucun modèle à styles n’est encore là. Entraînez-en un : python -m genstudio train stylegan2_faces",
)
TITLE = Text("Mix", "Mélanger")
PICTURE_OPENED = Text(
    "The nearest face that the model can make was searched for, layer by layer. It is the first row.",
    "Le visage le plus proche que le modèle sache faire a été cherché, couche par couche. C’est la première ligne.",
)

TAKEN = Text("Taken from the columns", "Pris aux colonnes")
TAKEN_HINT = Text(
    "Each face is a row’s, with these layers of a column’s. Click a face to see it large.",
    "Chaque visage est celui d’une ligne, avec ces couches d’une colonne. Cliquez-en un pour le voir en grand.",
)
LAYER = Text("layer {n}, {side} × {side} pixels", "couche {n}, {side} × {side} pixels")
ROWS = Text("Rows", "Lignes")
COLUMNS = Text("Columns", "Colonnes")
SEEDS_HINT = Text("Seeds, and letters of faces that you keep: 1 to 8.", "Des graines, et les lettres des visages gardés : 1 à 8.")
MATRIX = Text("Mixtures of {rows} and {columns} faces", "Mélanges de {rows} et {columns} visages")
CELL = Text("row {row}, column {column}", "ligne {row}, colonne {column}")
UPLOAD = Text("Your pictures, as rows", "Vos images, en lignes")
UPLOAD_HINT = Text(
    "or drop one anywhere. The nearest face is searched for, with a style of its own for each layer.",
    "ou déposez-en une n’importe où. Le visage le plus proche est cherché, avec un style propre à chaque couche.",
)

SUBJECT = Text("Chosen", "Choisi")
MIXED = Text("{row} with layers {layers} of {column}", "{row} avec les couches {layers} de {column}")
KEEP = Text("Keep as a row", "Garder en ligne")
PSI = Text("Truncation ψ from 0 to 1: click one", "Troncature ψ de 0 à 1 : cliquez-en une")

DIRECTIONS = Text("Directions", "Directions")
BY_SEFA = Text("what the layers answer to most (SeFa)", "à quoi les couches répondent le plus (SeFa)")
BY_PCA = Text("principal components of w", "composantes principales de w")
KIND = Text("Directions by", "Directions selon")
KIND_HINT = Text("In standard deviations of w, along the chosen face.", "En écarts types de w, à partir du visage choisi.")
MOVED = Text("Layers that are moved", "Couches déplacées")
NAMES_HINT = Text(
    "What the sliders add up to can be kept under a name, in this browser.",
    "Ce que donnent les curseurs peut être gardé sous un nom, dans ce navigateur.",
)

NO_SEED = Text("{word} is neither a seed nor a face that you keep", "{word} n’est ni une graine ni un visage gardé")
NO_FACES = Text("name at least one face", "nommez au moins un visage")
TOO_MANY = Text("at most {most} faces stand on a side", "au plus {most} visages par côté")
TOO_MANY_PICTURES = Text("at most {most} pictures at a time", "au plus {most} images à la fois")
NO_CELL = Text("this face is not there any more", "ce visage n’est plus là")
