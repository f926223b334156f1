"""Every sentence of the page, whole, in each language: the one table that `gr.I18n` and the server's own text use.

What belongs to a control stands with the control, in the verb's signature; a system's title with the system.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import gradio as gr

from genstudio.model import Text

TAGLINE = Text("Generative image models, steered by hand", "Les modèles génératifs d’images, pilotés à la main")
OPEN = Text("Open a picture", "Ouvrir une image")

LATENT_TAB = Text("Latent space", "Espace latent")
MODEL = Text("Model", "Modèle")
FROM = Text("Start", "Départ")
TO = Text("End", "Arrivée")
SEED = Text("Seed", "Graine")
SEED_HINT = Text("Same seed, same picture.", "Même graine, même image.")
DICE = Text("Another one  ␣", "Une autre  ␣")
DICE_END = Text("Roll", "Tirer")
UPLOAD = Text("Your picture", "Votre image")
DRAW = Text("Draw", "Dessiner")
DROP_HERE = Text("or drop a picture here", "ou déposez une image ici")
NO_ENCODER = Text(
    "A GAN has no encoder: this end is a seed.", "Un GAN n’a pas d’encodeur : cette extrémité est une graine."
)
RECONSTRUCTION = Text("reconstruction", "reconstruction")
ORIGINAL = Text("your picture", "votre image")
SQUARED_ERROR = Text("mean squared error", "erreur quadratique moyenne")
POSITION = Text("Position t: from start to end", "Position t : du départ à l’arrivée")
POSITION_HINT = Text("Drag, or use the arrow keys.", "Faites glisser, ou utilisez les flèches du clavier.")
LINEAR = Text("Linear", "Linéaire")
SPHERICAL = Text("Spherical", "Sphérique")
LINEAR_NOTE = Text("the straight line (1−t)·a + t·b", "la droite (1−t)·a + t·b")
SPHERICAL_NOTE = Text("along the sphere, where the model has learned", "le long de la sphère, là où le modèle a appris")
NORM = Text("norm of the code", "norme du code")
TYPICAL = Text("typical √d", "typique √d")
DOWNLOAD = Text("Download", "Télécharger")
STRIP = Text("The way in nine steps: click one to go there", "Le chemin en neuf pas : cliquez pour y aller")
HISTORY = Text("History: click a picture to return to it", "Historique : cliquez sur une image pour y revenir")
HISTORY_EMPTY = Text("What you make is kept here.", "Ce que vous faites est gardé ici.")
RECIPE = Text("Make this picture again", "Refaire cette image")
RECIPE_HINT = Text(
    "The recipe is inside the picture: drop it back on this page and everything returns. On the command line:",
    "La recette est dans l’image : déposez-la sur cette page et tout revient. En ligne de commande :",
)
NO_MODELS = Text(
    "No trained model is here yet. Train one with: python -m genstudio train vae_mnist",
    "Aucun modèle entraîné n’est encore là. Entraînez-en un : python -m genstudio train vae_mnist",
)
RESTORED = Text("Restored, bit for bit.", "Restauré au bit près.")
RESTORED_ALIKE = Text(
    "Restored. It may differ slightly: this is not the same", "Restauré. De légères différences sont possibles : ce n’est pas le même"
)
CANNOT_ENCODE = Text(
    "This picture carries no recipe, and the chosen model cannot encode pictures. Choose a VAE, then drop it again.",
    "Cette image ne porte pas de recette, et le modèle choisi ne sait pas encoder. Choisissez un VAE et déposez-la de nouveau.",
)

# Why a picture is refused, in the words of `images.open_picture`.
NOT_A_PICTURE = Text("not a picture", "ce n’est pas une image")
BROKEN_PICTURE = Text("truncated or broken", "tronquée ou abîmée")
TOO_LARGE = Text("too large", "trop grande")


# ----------------------------------------------------------------------------------------------------------------

TABLE = gr.I18n(**{language: {} for language in Text._fields})


def t(text: Text):
    """A sentence for a Gradio component: it enters the table, and the browser chooses the language."""
    key = "genstudio_" + "".join(c if c.isalnum() else "_" for c in text.en)
    for language in Text._fields:
        TABLE.translations[language][key] = getattr(text, language)
    return TABLE(key)


def language(request: gr.Request | None) -> str:
    """The language of a visitor, for text that the server writes itself."""
    wanted = (request.headers.get("accept-language", "") if request else "").lower()
    return "fr" if wanted.startswith("fr") else "en"


def reason(error: Exception, lang: str) -> str:
    """An error's sentence, in the visitor's language where it is one of the table."""
    sentence = str(error)
    for text in (NOT_A_PICTURE, BROKEN_PICTURE, TOO_LARGE):
        sentence = sentence.replace(text.en, getattr(text, lang))
    return sentence[:1].upper() + sentence[1:]


def friendly(handler: Callable) -> Callable:
    """A handler whose complaints reach the visitor as one sentence, never as a traceback."""

    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        try:
            return handler(*args, **kwargs)
        except (ValueError, ArithmeticError) as error:
            request = next((a for a in (*args, *kwargs.values()) if isinstance(a, gr.Request)), None)
            raise gr.Error(reason(error, language(request)), print_exception=False) from None

    return wrapped
