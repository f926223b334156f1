"""The sentences of the Lab tab. Those of a setting stand with the setting; those of a preset with the preset."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Lab", "Labo")
HINT = Text(
    "Models that learn points in the plane while you watch. Everything can be changed while they train.",
    "Des modèles qui apprennent des points du plan sous vos yeux. Tout peut changer pendant l’entraînement.",
)
PRESETS = Text("Failures and remedies: one click each", "Échecs et remèdes : un clic chacun")

PLAY = Text("Play", "Lancer")
PAUSE = Text("Pause", "Pause")
PLAYERS = {"critic": Text("One step of D", "Un pas de D"), "generator": Text("One step of G", "Un pas de G")}
RESET = Text("Reset", "Recommencer")
SPEED = Text("Speed", "Vitesse")
SPEEDS = {
    "slow": Text("2 steps a second", "2 pas par seconde"),
    "frame": Text("1 step a frame", "1 pas par image"),
    "ten": Text("10 steps a frame", "10 pas par image"),
    "most": Text("as fast as it goes", "le plus vite possible"),
}
DATA = Text("Points", "Points")
DATA_HINT = Text("Or drop a picture on the page.", "Ou déposez une image sur la page.")
DISTRIBUTIONS = {
    "ring": Text("Ring of 8 Gaussians", "Couronne de 8 gaussiennes"),
    "grid": Text("Grid of 25 Gaussians", "Grille de 25 gaussiennes"),
    "moons": Text("Two moons", "Deux lunes"),
    "spiral": Text("Spiral", "Spirale"),
    "picture": Text("Dots of a picture", "Points d’une image"),
    "drawing": Text("Your drawing", "Votre dessin"),
}
SHEET = Text("Draw what is to be learned", "Dessinez ce qu’il faut apprendre")
CLEAR = Text("Clear", "Effacer")
MODEL = Text("Model", "Modèle")
RULES = Text("Rules and losses", "Règles et pertes")
SECOND = Text("{title}, of the second", "{title}, du second")
OPTIMIZATION = Text("Optimization", "Optimisation")
DIFFERENT = Text("A second one beside it, different in", "Un second à côté, différent par")
DIFFERENT_HINT = Text("All else is the same, the seed too.", "Tout le reste est égal, la graine aussi.")
SEED_HINT = Text("Same seed, same training.", "Même graine, même entraînement.")
PICTURE_OPENED = Text(
    "It carries no recipe; its dots are learned.", "Elle ne porte pas de recette ; ses points sont appris."
)

STAGE = Text(
    "Real points green, generated points violet, with the gradient that they feel; D's output as colour.",
    "Points réels en vert, générés en violet, avec le gradient qu’ils sentent ; la sortie de D en couleur.",
)
REAL = Text("real", "réels")
GENERATED = Text("generated", "générés")
SCALES = {
    "probability": Text("D: 0 blue, 1/2 white, 1 orange", "D : 0 bleu, 1/2 blanc, 1 orange"),
    "output": Text("critic: {low} blue to {high} orange", "critique : {low} bleu à {high} orange"),
    "density": Text("log p(x): {low} blue to {high} orange", "log p(x) : {low} bleu à {high} orange"),
    "error": Text("squared error: {low} blue to {high} orange", "erreur quadratique : {low} bleu à {high} orange"),
}
STEP = Text("steps", "pas")
TAKEN = Text("of D, of G", "de D, de G")
MODES = Text("modes covered", "modes couverts")
OF = Text("{count} of {all}", "{count} sur {all}")
FORCE = Text("gradient at generated points", "gradient aux points générés")
MEANS = Text("means of D", "moyennes de D")
OUTPUTS = Text("means of D's output", "moyennes de la sortie de D")
LOSSES = Text("losses", "pertes")
NORMS = Text("gradient norms", "normes des gradients")
TERMS = {
    "critic": Text("D", "D"),
    "generator": Text("G", "G"),
    "model": Text("model", "modèle"),
    "real": Text("real", "réels"),
    "fake": Text("generated", "générés"),
    "fake_after": Text("generated, after D's step", "générés, après le pas de D"),
    "gradient penalty": Text("gradient penalty", "pénalité de gradient"),
    "diversity": Text("diversity penalty", "pénalité de diversité"),
    "pull-away": Text("pull-away", "pull-away"),
    "reconstruction": Text("reconstruction", "reconstruction"),
    "kl": Text("KL divergence", "divergence KL"),
    "negative log-likelihood": Text("-log p(x)", "-log p(x)"),
    "squared error": Text("squared error", "erreur quadratique"),
}
PAPER = Text("paper", "article")
