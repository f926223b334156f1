"""Sentences of the page in each language, and the table that `gr.I18n` and the server's own text share.

The sentences of a control stand with the control, in the verb's signature; a system's title with the system.
"""

from __future__ import annotations

import gradio as gr

from genstudio.controls import Text

TAGLINE = Text("Generative image models, steered by hand", "Les modèles génératifs d’images, pilotés à la main")
OPEN = Text("Open", "Ouvrir")
OPEN_HINT = Text(
    "A picture, weights or a recipe: open it, or drop it anywhere.",
    "Une image, des poids ou une recette : ouvrez le fichier, ou déposez-le n’importe où.",
)
PRESENT = Text("Present", "Présenter")
LEAVE = Text("Leave · Esc", "Quitter · Échap")
SKIP = Text("Skip to the pictures", "Aller aux images")

COLOURS = {  # of the pens
    "#000000": Text("black", "noir"),
    "#111111": Text("black", "noir"),
    "#7c4a2d": Text("brown", "brun"),
    "#e8b796": Text("skin", "chair"),
    "#d9a441": Text("ochre", "ocre"),
    "#c0392b": Text("red", "rouge"),
    "#e11d48": Text("red", "rouge"),
    "#2e6fb7": Text("blue", "bleu"),
    "#3c8c5a": Text("green", "vert"),
    "#ffffff": Text("white", "blanc"),
}

ANY_CLASS = Text("any", "au hasard")
NO_CLASS = Text("none", "aucune")
MODEL = Text("Model", "Modèle")
SEED = Text("Seed", "Graine")
SEED_HINT = Text("Same seed, same picture.", "Même graine, même image.")
# What all tabs have is called the same on all: a new seed, Run, the history, a film, the command.
NEW_SEED = Text("New seed", "Nouvelle graine")
NEW_SEED_KEY = Text(*(f"{said}  ␣" for said in NEW_SEED))  # of the button that the space bar presses
RUN = Text("Run", "Lancer")
STOP = Text("Stop", "Arrêter")
SAVE_FILM = Text("Save a film", "Enregistrer un film")
AS_WEBP = Text("Film as WebP", "Film en WebP")
AS_MP4 = Text("Film as MP4", "Film en MP4")
COMMAND = Text("Command", "Commande")
UPLOAD = Text("Your picture", "Votre image")
DRAW = Text("Draw", "Dessiner")
DROP_HERE = Text("or drop a picture here", "ou déposez une image ici")
RECONSTRUCTION = Text("reconstruction", "reconstruction")
ORIGINAL = Text("your picture", "votre image")
SQUARED_ERROR = Text("mean squared error", "erreur quadratique moyenne")
CANNOT_SAY = Text("what it cannot say", "ce qu’il ne sait pas dire")
DROP_HERE_TO_SEARCH = Text(
    "or drop a picture here: this model has no encoder, so the nearest picture that it can make is searched for",
    "ou déposez une image ici : ce modèle n’a pas d’encodeur, on cherche donc la plus proche qu’il sache faire",
)
SEARCHING = Text("Searching for the nearest picture…", "Recherche de l’image la plus proche…")
STOP_SEARCH = Text("Stop, keep the best", "Arrêter, garder la meilleure")
POSITION = Text("Position t: from start to end", "Position t : du départ à l’arrivée")
LINEAR = Text("Linear", "Linéaire")
DOWNLOAD = Text("Download", "Télécharger")
DOWNLOAD_FILE = Text("Download: {kind}, {size}", "Télécharger : {kind}, {size}")
STRIP = Text("The way in nine steps: click one to go there", "Le chemin en neuf pas : cliquez pour y aller")


BY_PCA = Text("principal components of the codes", "composantes principales des codes")
METHODS = {
    "effect": Text("effect", "effet"),
    "pca": Text("component", "composante"),
    "dimension": Text("dimension", "dimension"),
    "sefa": Text("SeFa", "SeFa"),
}
MOVED = Text("Moved", "Déplacée")
RESET = Text("All to zero", "Tout à zéro")
OWN_LABEL = Text("Name of the direction", "Nom de la direction")
OWN_NAME = Text("smile, beard, …", "sourire, barbe, …")
OWN_EMPTY = Text("None named yet.", "Aucune direction nommée.")
OWN_NOTHING = Text("move a slider and type a name first", "déplacez d’abord un curseur et donnez un nom")
HOW_FAR = Text("How far", "Jusqu’où")
SAVE = Text("Save", "Enregistrer")
REMOVE = Text("Remove", "Retirer")


LEARNED_HINT = Text(
    "The same seeds through the training, then what the file says of itself.",
    "Les mêmes graines au fil de l’entraînement, puis ce que le fichier dit de lui-même.",
)
FILM = Text("The same pictures while the model learned", "Les mêmes images pendant l’apprentissage")
NO_FILM = Text("No film lies beside this model.", "Aucun film n’accompagne ce modèle.")
LEARNED_FROM = Text("Learned from", "A appris sur")
IMAGES_SEEN = Text("Pictures seen", "Images vues")
MINUTES = Text("Minutes", "Minutes")
COMMIT = Text("Commit", "Commit")
LICENCE = Text("Licence", "Licence")
SCORE_OF = Text("{name}: {score}", "{name} : {score}")
SCORES = Text("Scores, with 95 % intervals", "Mesures, avec intervalles à 95 %")

HISTORY = Text("History: click a picture to return to it", "Historique : cliquez sur une image pour y revenir")
HISTORY_EMPTY = Text("What you make is kept here.", "Ce que vous faites est gardé ici.")
RECIPE_HINT = Text(
    "The recipe is inside the picture: drop it back on this page and everything returns. On the command line:",
    "La recette est dans l’image : déposez-la sur cette page et tout revient. En ligne de commande :",
)
NO_MODELS = Text(
    "No trained model is here yet. Train one with: python -m genstudio train vae_mnist",
    "Aucun modèle entraîné n’est encore là. Entraînez-en un : python -m genstudio train vae_mnist",
)

# Opened files: their type, by `identify.Found.kind` and `form`, facts about them, and the result of opening them.
RECIPE_FILE = Text("A recipe", "Une recette")
RECIPE_LINK = Text("A link with a recipe", "Un lien qui porte une recette")
PICTURE_FILE = Text("A picture", "Une image")
PICTURE_MADE = Text("A picture with its recipe inside", "Une image qui porte sa recette")
WEIGHTS_FILE = Text("Weights for GenStudio", "Des poids pour GenStudio")
CRITIC_FILE = Text("The critic of a GAN", "Le critique d’un GAN")
PICTURES_FILE = Text("A zip of pictures", "Un zip d’images")
SEVERAL_FILES = Text("Several pictures", "Plusieurs images")
FORMS = {
    "ours": Text("Weights that say they are GenStudio’s", "Des poids qui se disent de GenStudio"),
    "picture": Text("A picture", "Une image"),
    "zip": Text("A zip without pictures", "Un zip sans images"),
    "pickle": Text("Weights or data as a Python pickle", "Des poids ou des données en pickle Python"),
    "torch": Text("Weights as PyTorch saves them", "Des poids tels que PyTorch les enregistre"),
    "safetensors": Text("Weights of another program, as safetensors", "Des poids d’un autre logiciel, en safetensors"),
    "hdf5": Text("An HDF5 file, as Keras saves weights", "Un fichier HDF5, comme les poids de Keras"),
    "gguf": Text("Weights as GGUF, for llama.cpp and its kin", "Des poids en GGUF, pour llama.cpp et ses parents"),
    "tflite": Text("A TensorFlow Lite model", "Un modèle TensorFlow Lite"),
    "tensorflow": Text("A TensorFlow graph", "Un graphe TensorFlow"),
    "onnx": Text("An ONNX model", "Un modèle ONNX"),
    "numpy": Text("NumPy arrays", "Des tableaux NumPy"),
    "bin": Text("Weights or data of an unknown kind", "Des poids ou des données d’un type inconnu"),
    "archive": Text("An archive that is no zip", "Une archive qui n’est pas un zip"),
    "film": Text("A film or sound", "Un film ou un son"),
    "pdf": Text("A PDF", "Un PDF"),
    "svg": Text("An SVG drawing", "Un dessin SVG"),
    "program": Text("A program", "Un programme"),
    "lfs": Text("A Git LFS pointer, not the file itself", "Un pointeur Git LFS, et non le fichier lui-même"),
    "text": Text("Text", "Du texte"),
    "folder": Text("A folder", "Un dossier"),
    "empty": Text("An empty file", "Un fichier vide"),
    "unknown": Text("A file of an unknown kind", "Un fichier d’un type inconnu"),
}
FACTS = {
    "verb": Text("made by", "obtenu par"),
    "title": Text("system", "système"),
    "titled": Text("title", "titre"),
    "maker": Text("by its parts", "d’après ses parties"),
    "averaged": Text("averaged weights", "poids moyennés"),
    "pixels": Text("pixels", "pixels"),
    "parameters": Text("parameters", "paramètres"),
    "data": Text("learned from", "appris sur"),
    "images": Text("pictures seen", "images vues"),
    "scores": Text("scores", "mesures"),
    "count": Text("pictures", "images"),
    "folders": Text("folders", "dossiers"),
    "licence": Text("licence", "licence"),
    "credit": Text("credit", "crédit"),
}
BYTES = (Text("bytes", "octets"), Text("kB", "ko"), Text("MB", "Mo"), Text("GB", "Go"))
DISMISS = Text("Close", "Fermer")
RESTORED = Text("Restored, bit for bit.", "Restauré au bit près.")
RESTORED_AS_SAID = Text("Restored, as far as it says.", "Restauré, d’après ce qu’elle en dit.")
RESTORED_SAME_WEIGHTS = Text("Restored, with the same weights.", "Restauré, avec les mêmes poids.")
RESTORED_BUT = Text(
    "Restored; it may differ slightly: {what}.",
    "Restauré ; de légères différences sont possibles : {what}.",
)
DIFFERS = {
    "weights": Text("the weights were {then}, here they are {now}", "les poids étaient {then}, ici ce sont {now}"),
    "precision": Text("it was made in {then}, here in {now}", "faite en {then}, ici en {now}"),
    "torch": Text("PyTorch was {then}, here it is {now}", "PyTorch était {then}, ici c’est {now}"),
    "companions": Text("the guiding classifier was {then}, here it is {now}", "le classifieur de guidage était {then}, ici c’est {now}"),
    "genstudio": Text("GenStudio was {then}, here it is {now}", "GenStudio était {then}, ici c’est {now}"),
}
NO_PICTURE_HERE = Text(
    "This tab opens no pictures: yours is for Latent space, Translate or Diffusion.",
    "Cet onglet n’ouvre pas d’images : la vôtre est pour l’espace latent, Traduire ou Diffusion.",
)
BECAME_START = Text(
    "No recipe in this image; it is now the start.",
    "Pas de recette dans cette image : elle devient le départ.",
)
BECAME_BATCH = Text(
    "They wait under Many files.",
    "Elles attendent sous Beaucoup de fichiers.",
)
BECAME_LESSON = Text("They were read for a training.", "Elles ont été lues pour un entraînement.")
OPENING = Text("Being opened…", "Ouverture en cours…")
TAKEN_IN = Text("Being read and tried…", "Lecture et essai en cours…")
KEPT = Text("Kept as {name}.", "Gardés sous le nom {name}.")
HERE_ALREADY = Text("These weights are here already, as {name}.", "Ces poids sont déjà là, sous le nom {name}.")
CHOSEN = Text("They are chosen in the tab below.", "Ils sont choisis dans l’onglet ci-dessous.")
NO_TAB = Text(
    "No tab shows this kind of model yet; the command line uses it.",
    "Aucun onglet ne montre encore ce genre de modèle ; la ligne de commande s’en sert.",
)
DESCRIBED_ONLY = Text(
    "This public page only describes weights. They can be opened in your own copy of GenStudio.",
    "Cette page publique ne fait que décrire les poids. Ils s’ouvrent dans votre propre copie de GenStudio.",
)
CRITIC_SAYS = Text(
    "Only training needs it: put it beside its weights.",
    "Seul l’entraînement en a besoin : posez-le à côté de ses poids.",
)
NOT_PICTURES = Text("Left out, as no pictures: {names}.", "Laissés de côté, car ce ne sont pas des images : {names}.")
NO_PICTURE_AMONG = Text("none of these {count} files is a picture", "aucun de ces {count} fichiers n’est une image")
TRAIN_ON = Text("To learn from them: {command}", "Pour apprendre de ces images : {command}")
NOT_READABLE = Text(
    "GenStudio does not read this kind yet. Nothing in it was run.",
    "GenStudio ne lit pas encore ce type de fichier. Rien n’en a été exécuté.",
)
ADDRESS = Text("Dropped", "Déposé")
NO_FILE = Text(
    "That is no file, and nothing is loaded from elsewhere: save the picture, and drop its file.",
    "Ce n’est pas un fichier, et rien n’est chargé d’ailleurs : enregistrez l’image, et déposez son fichier.",
)
NOT_OPENED = Text(
    "Not a picture, weights or a recipe: nothing was done with it.",
    "Ce n’est ni une image, ni des poids, ni une recette : rien n’en a été fait.",
)
SAVE_OTHERWISE = Text(
    "Save it as PNG or JPEG, and drop it again.",
    "Enregistrez-la en PNG ou JPEG, et déposez-la de nouveau.",
)
PACK_OTHERWISE = Text("Pack it as a zip, and drop it again.", "Faites-en un zip, et déposez-le de nouveau.")
ELSEWHERE = Text(
    "the model “{system}” of this recipe is not here", "le modèle « {system} » de cette recette n’est pas ici"
)
UNUSABLE = Text("It cannot be used. {reason}.", "Inutilisable. {reason}.")
TOO_MUCH = Text("This page takes files of up to {most}.", "Cette page accepte des fichiers d’au plus {most}.")
BY_HAND = Text(
    "This page takes files of up to {most}. Put GenStudio’s own weights into {folder} instead.",
    "Cette page accepte des fichiers d’au plus {most}. Posez plutôt les poids de GenStudio dans {folder}.",
)

# Sharing a recipe
LINK = Text("Link to this picture", "Lien vers cette image")
LINK_HINT = Text(
    "Whoever opens the link with a GenStudio that has these weights sees the same picture.",
    "Qui ouvre ce lien avec un GenStudio qui a ces poids voit la même image.",
)
COPY_LINK = Text("Copy link", "Copier le lien")
COPIED = Text("Copied", "Copié")
QR_CODE = Text("QR code", "Code QR")
LINK_TOO_LONG = Text(
    "The code of your picture makes this recipe too long for a link. Pass the downloaded picture on: it carries it.",
    "Le code de votre image rend la recette trop longue pour un lien. Transmettez l’image téléchargée : elle la porte.",
)
LINK_HERE_ONLY = Text(
    "This link opens on this machine only. For others in your network, start the page with {setting}.",
    "Ce lien ne s’ouvre que sur cette machine. Pour les autres de votre réseau, lancez la page avec {setting}.",
)
LINK_IN_NETWORK = Text(
    "The link names {host}, the address of this machine in your network.",
    "Le lien donne {host}, l’adresse de cette machine dans votre réseau.",
)
NO_LINK = Text("this is no address of a page", "ce n’est pas l’adresse d’une page")

TABLE = gr.I18n(**{language: {} for language in Text._fields})
