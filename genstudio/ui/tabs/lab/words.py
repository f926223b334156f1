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


# Games compared

POINTS = Text("Points", "Points")
GAMES = Text("Games compared", "Comparaison des jeux")
GAMES_HINT = Text(
    "The same small networks on the same digits, and as many real images shown to each critic: only the game differs.",
    "Les mêmes petits réseaux, les mêmes chiffres, autant d’images vues par chaque critique : seul le jeu change.",
)
NO_GAMES = Text(
    "Once a game has been trained, its scores stand here in a table, beside those of the other games, over its film.",
    "Dès qu’un jeu est entraîné, ses mesures figurent ici dans un tableau, à côté de celles des autres, avec son film.",
)
GAME = Text("Game", "Jeu")
GAMES_LEGEND = Text(
    "× training: as a multiple of what training images reach against held-out ones, by {judge}. Classes are counted "
    "among the samples of which it is over 90 % sure. The conditional GAN, of a larger network, is the reference. "
    "Click a title to sort.",
    "× entraînement : en multiple de ce qu’atteignent des images d’entraînement face à des inédites, selon {judge}. "
    "Les classes se comptent parmi les images dont il est sûr à plus de 90 %. Le GAN conditionnel, de réseau plus "
    "grand, sert de référence. Cliquez sur un titre pour trier.",
)
FILMS = Text("How each learned", "L’apprentissage de chacun")
FILMS_LEGEND = Text(
    '<i style="border-color:#2563eb"></i>D on real images '
    '<i style="border-color:#dc2626"></i>on generated ones <i style="border-color:#f59e0b"></i>after D’s step. '
    "Of a game whose output is no probability, in its own range, with a line at 0.",
    '<i style="border-color:#2563eb"></i>D sur les images réelles '
    '<i style="border-color:#dc2626"></i>sur les images produites <i style="border-color:#f59e0b"></i>après le pas de D. '
    "Quand la sortie n’est pas une probabilité, dans son propre intervalle, avec une ligne à 0.",
)
GUIDELINES = Text(
    "The guidelines of the DCGAN, one left out at a time", "Les règles du DCGAN, chacune omise à son tour"
)
GUIDELINES_LEGEND = Text(
    "Strided convolutions, batch norm, no hidden dense layers, ReLU. No critic here has batch norm.",
    "Convolutions à pas de 2, normalisation par lot, pas de couche dense cachée, ReLU. Aucun critique n’a ici de "
    "normalisation par lot.",
)
ALL_GUIDELINES = Text("All guidelines", "Toutes les règles")
NO_GUIDELINES = Text("None of them", "Aucune")
SHOWN = Text("{images} images", "{images} images")

# Normalization

NORMALIZATION = Text("Normalization", "Normalisation")
NORMS_HINT = Text(
    "Features of 4 images, 6 channels of 3 × 3 pixels each. Lit: the values whose mean and deviation normalize the "
    "chosen one. Below: the same network and images, under each norm.",
    "Caractéristiques de 4 images, 6 canaux de 3 × 3 pixels. En couleur : les valeurs dont la moyenne et l’écart-type "
    "normalisent celle choisie. Dessous : mêmes réseau et images, sous chaque norme.",
)
NORM_NAMES = {
    "batch": Text("Batch norm", "Normalisation par lot"),
    "layer": Text("Layer norm", "Normalisation par couche"),
    "instance": Text("Instance norm", "Normalisation par instance"),
    "group": Text("Group norm", "Normalisation par groupe"),
}
AVERAGED = {
    "batch": Text("one channel of all images", "un canal de toutes les images"),
    "layer": Text("all channels of one image", "tous les canaux d’une image"),
    "instance": Text("one channel of one image", "un canal d’une image"),
    "group": Text("a group of channels of one image", "un groupe de canaux d’une image"),
}
IMAGE = Text("Image", "Image")
CHANNEL = Text("Channel", "Canal")
GROUPS = Text("Groups of group norm", "Groupes de la normalisation par groupe")
COUNT = Text("values averaged", "valeurs moyennées")
MEAN = Text("mean, deviation", "moyenne, écart-type")
OF_OTHERS = Text("output in training, other images beside it", "sortie à l’entraînement, d’autres images à côté")
OF_CONTRAST = Text("output at twice the contrast", "sortie à contraste double")
CHANGED = Text("{share} % off", "{share} % d’écart")
SAME = Text("the same", "la même")
CUBE = Text("image {image}, channel {channel}", "image {image}, canal {channel}")
FEATURES = Text(
    "features after the norm: images down, channels across", "après la norme : images en lignes, canaux en colonnes"
)
