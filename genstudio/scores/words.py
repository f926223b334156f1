"""Names and values of scores as text."""

from __future__ import annotations

import re
from typing import Any

from genstudio.controls import Text, number

# Names as headers have them, which are English, with a place in braces for what differs. The first that fits is taken.
NAMES = (
    Text("variety within classes, of held-out pictures'", "variété dans les classes, par rapport à des images inédites"),
    Text("squared error of PCA ({count} codes)", "erreur quadratique de l’ACP ({count} nombres)"),
    Text("{name} ({judge})", "{name} ({judge})"),
    Text("active units of the code", "unités actives dans le code"),
    Text("units active for some picture", "unités actives pour au moins une image"),
    Text("squared distance of samples to the mean picture", "distance quadratique des échantillons à l’image moyenne"),
    Text("variance around the mean picture", "variance autour de l’image moyenne"),
    Text("{name} at beta {beta}", "{name}, β = {beta}"),
    Text("{name}, {count} importance samples", "{name}, {count} échantillons préférentiels"),
    Text("{name} over that of {other}", "{name}, par rapport à {other}"),
    Text("{name} over training pictures'", "{name}, par rapport aux images d’entraînement"),
    Text("{name} over held-out pictures'", "{name}, par rapport à des images inédites"),
    Text("{name} over the truth's", "{name}, par rapport à la vraie image"),
    Text("squared error over PCA's", "erreur quadratique, par rapport à l’ACP"),
    Text("{name} above that of {other}", "{name}, de plus que {other}"),
    Text("{name} at noise {sigma}", "{name}, bruit de {sigma}"),
    Text("{name} to the truth {direction}", "{name} à la vraie image, {direction}"),
    Text("{name} to the truth", "{name} à la vraie image"),
    Text("accuracy of {what}", "taux de réussite : {what}"),
    Text("share of sure samples", "part d’images sûres"),
    Text("{name} among sure samples", "{name} parmi les images sûres"),
    Text("share of {what}", "part de {what}"),
    Text("share with {what}", "part avec {what}"),
    Text("PSNR of masking {share}", "PSNR après masquage à {share}"),
    Text("PSNR of Gaussian noise {share}", "PSNR avec un bruit gaussien de {share}"),
    Text("PSNR gain on masking {share}", "gain de PSNR, masquage à {share}"),
    Text("PSNR gain on Gaussian noise {share}", "gain de PSNR, bruit gaussien de {share}"),
    Text("squared error on {what}", "erreur quadratique sur {what}"),
    Text("squared error of PCA on {what}", "erreur quadratique de l’ACP sur {what}"),
    Text("squared error of samples", "erreur quadratique des échantillons"),
    Text("squared error of {other}", "erreur quadratique de {other}"),
    Text("{name} kept", "{name} : attribut gardé"),
    Text("{name} obeyed", "{name} : demande suivie"),
    Text("{name}, at most", "{name}, au plus"),
    Text("{name} of the reconstruction", "{name} de la reconstruction"),
    Text("{name} of the top", "{name} en haut"),
    Text("{name} of the bottom", "{name} en bas"),
    Text("perplexity", "perplexité"),
    Text("used entries", "entrées utilisées"),
    Text("nats per token", "nats par jeton"),
    Text("{name} of training pictures", "{name} d’images d’entraînement"),
    Text("{name} of binary pixels", "{name} de pixels binaires"),
    Text("{name} of 256 levels", "{name} de 256 niveaux"),
    Text("{name} of real pixels", "{name} de pixels réels"),
    Text("{name} of {other}", "{name} de {other}"),
    Text("attributes kept by other fine layers", "attributs gardés par d’autres couches fines"),
    Text("attributes changed by other coarse layers", "attributs changés par d’autres couches grossières"),
    Text("Frechet distance", "distance de Fréchet"),
    Text("kernel distance", "distance à noyau"),
    Text("inception score", "score d’Inception"),
    Text("nearest training picture", "image d’entraînement la plus proche"),
    Text("precision", "précision"),
    Text("recall", "rappel"),
    Text("accuracy", "taux de réussite"),
    Text("class obeyed", "classe respectée"),
    Text("squared error", "erreur quadratique"),
    Text("bits per dimension", "bits par dimension"),
    Text("negative ELBO", "ELBO négative"),
    Text("negative log-likelihood", "log-vraisemblance négative"),
    Text("colourfulness", "intensité des couleurs"),
    Text("the unchanged picture", "l’image inchangée"),
    Text("bicubic enlargement", "l’agrandissement bicubique"),
    Text("mean colour per label", "la couleur moyenne de chaque classe"),
    Text("logistic regression on colour and position", "la régression logistique sur couleur et position"),
    Text("mean IoU", "IoU moyen"),
    Text("non-local means", "la moyenne non locale"),
    Text("glasses", "lunettes"),
    Text("facial_hair", "barbe"),
    Text("hair_color", "couleur des cheveux"),
    Text("mouth", "bouche"),
    Text("covered", "tête couverte"),
    Text("pixels", "pixels"),
    Text("linear probe error", "erreur de la sonde linéaire"),
    Text("mean activation", "activation moyenne"),
    Text("reconstruction", "reconstruction"),
    Text("noise", "du bruit"),
    Text("inverted pictures", "des images inversées"),
)


def score_title(name: str, lang: str) -> str:
    """Name of a score of a header, in a language. What no name of ours fits stays as it is: a header is untrusted."""
    if lang == "en":
        return name
    for text in NAMES:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(text.en))
        if found := re.fullmatch(pattern, name[:200]):
            parts = {key: score_title(part, lang) for key, part in found.groupdict().items()}
            return text.say(lang, **parts)
    return name


def score_text(score: Any, lang: str | None = None) -> str:
    """Format a score of a header: 0.512 (0.49 to 0.53, n = 2000). Without a language as programs read numbers."""
    try:
        found = (score[key] for key in ("value", "low", "high"))
        value, low, high = (number(one, ".4g", lang) if lang else f"{one:.4g}" for one in found)
        return SCORE.say(lang or "en", value=value, low=low, high=high, n=score["n"])
    except (TypeError, KeyError, ValueError):  # a header is untrusted
        return str(score)[:80]


SCORE = Text("{value} ({low} to {high}, n = {n})", "{value} (de {low} à {high}, n = {n})")
