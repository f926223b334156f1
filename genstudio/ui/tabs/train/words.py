"""The sentences of the Train tab."""

from __future__ import annotations

from genstudio.controls import Text
from genstudio.training import jobs

TAB = Text("Train", "Entraîner")
NEW = Text("New training", "Nouvel entraînement")
WATCH = Text("Watch", "Suivre")
STEP_BY_STEP = Text("The game, step by step", "Le jeu, pas à pas")
NONE_YET = Text(
    "No trainings yet: choose pictures and a system below, and the first one will stand here.",
    "Aucun entraînement : choisissez des images et un système ci-dessous, et le premier s’affichera ici.",
)
TRAININGS = Text("Trainings", "Entraînements")

# Pictures
PICTURES = Text("1 · Pictures", "1 · Les images")
SOURCE = Text("Learn from", "Apprendre de")
OWN = Text("your pictures", "vos images")
SET = Text("a known set", "un ensemble connu")
SETS = Text("Set", "Ensemble")
UPLOAD = Text("Choose a zip or pictures", "Choisir un zip ou des images")
DROP = Text(
    "A zip of pictures, or some pictures: choose them, or drop them here. Folders in the zip are classes; for a translator "
    "they are the two sides, A and B, or trainA and trainB, or its pictures are pairs side by side.",
    "Un zip d’images, ou des images : choisissez-les, ou déposez-les ici. Les dossiers du zip sont des classes ; pour un "
    "traducteur ce sont les deux côtés, A et B, ou trainA et trainB, ou ses images sont des paires côte à côte.",
)
HERE_IS = Text("{name}: {size}", "{name} : {size}")
FOLDER = Text("… or a folder of this machine", "… ou un dossier de cette machine")
FOLDER_HINT = Text(
    "Its path, under {roots}. For pairs, two with a bar between: A|B.",
    "Son chemin, sous {roots}. Pour des paires, deux séparés d’une barre : A|B.",
)
OUTSIDE = Text(
    "{path} lies outside the folders that this studio may read: {roots}",
    "{path} est en dehors des dossiers que ce studio peut lire : {roots}",
)
NO_PICTURES = Text("Choose pictures first.", "Choisissez d’abord des images.")
READING = Text("Reading the pictures…", "Lecture des images…")
READING_OF = Text("Reading the pictures: {done} of {of}", "Lecture des images : {done} sur {of}")

# Report on the pictures
USABLE = Text("Pictures", "Images")
HELD_OUT = Text("of which held out to score on", "dont tenues à l’écart pour noter")
SIZES = Text("Sizes", "Tailles")
OTHER_SIZES = Text("and {count} other sizes", "et {count} autres tailles")
CLASSES = Text("Classes", "Classes")
OTHERS = Text("and {count} more", "et {count} de plus")
DUPLICATES = Text("Equal pictures", "Images égales")
NEAR = Text("Nearly equal pictures", "Images presque égales")
REFUSED = Text("Refused", "Refusées")
IGNORED = Text("Files that are skipped", "Fichiers laissés de côté")
LAYOUT = Text("Folders and labels", "Dossiers et étiquettes")
PAIRS = Text("The first pairs", "Les premières paires")
WILL_BE_DONE = Text("What is done to them", "Ce qui leur est fait")
SHEET = Text("Some of them, as the model will see them", "Quelques-unes, telles que le modèle les verra")

PAIR_SHEET = Text("The first pairs, as the model will see them", "Les premières paires, telles que le modèle les verra")

# System and start
SYSTEM = Text("2 · System and start", "2 · Le système et son départ")
WHICH = Text("System", "Système")
BEGIN_WITH = Text("Start from", "Partir de")
SCRATCH = Text("nothing: random weights", "rien : des poids au hasard")
SHIPPED = Text("{name}, as it stands", "{name}, tel quel")
DURATION = Text(
    "About {minutes} min on one processor core, at the pace at which its shipped weights were trained.",
    "Environ {minutes} min sur un cœur de processeur, au rythme auquel ses poids livrés ont été entraînés.",
)
AT_MOST = Text("At most {minutes} min of it are run here.", "Ici, {minutes} min au plus sont faites.")

# Numbers of the recipe: title and hint
NUMBERS = Text("3 · Numbers", "3 · Les nombres")
MORE = Text("More numbers", "Plus de nombres")
PROPOSED = Text("Proposed: {value}.", "Proposé : {value}.")
YES, NO = Text("yes", "oui"), Text("no", "non")
RECIPE: dict[str, tuple[Text, Text]] = {
    "images": (
        Text("Training length (images)", "Durée d’entraînement (images)"),
        Text("The length of the training: each picture is shown many times.", "La durée : chaque image est montrée bien des fois."),
    ),
    "rate": (
        Text("Learning rate", "Taux d’apprentissage"),
        Text("Too high and it breaks, too low and nothing moves.", "Trop haut, tout casse ; trop bas, rien ne bouge."),
    ),
    "batch": (
        Text("Batch", "Lot"),
        Text("Pictures a step. Smaller needs less memory.", "Images par pas. Plus petit : moins de mémoire."),
    ),
    "warmup": (
        Text("Warm-up", "Échauffement"),
        Text("Pictures over which the rate rises from 0.", "Images au long desquelles le taux monte depuis 0."),
    ),
    "ema": (
        Text("Average", "Moyenne"),
        Text("How slowly the averaged weights follow, 0 to 1.", "À quelle lenteur les poids moyennés suivent, de 0 à 1."),
    ),
    "freeze": (
        Text("Frozen layers", "Couches gelées"),
        Text(
            "Early layers that stay as they are: of the critic, where there is one.",
            "Premières couches laissées telles quelles : celles du critique, s’il y en a un.",
        ),
    ),
    "jitter": (
        Text("Shift", "Décalage"),
        Text("Pixels by which pictures are shifted at random.", "Pixels dont les images sont décalées au hasard."),
    ),
    "mirror": (
        Text("Mirrored margins", "Marges en miroir"),
        Text(
            "What a shift uncovers mirrors the picture; else it repeats its border.",
            "Ce qu’un décalage découvre reflète l’image ; sinon le bord s’y répète.",
        ),
    ),
    "hue": (
        Text("Hues", "Teintes"),
        Text(
            "Turns of the colour circle by which all hues of a picture, or of a pair, are rotated at random.",
            "Tours du cercle des couleurs dont toutes les teintes d’une image, ou d’une paire, tournent au hasard.",
        ),
    ),
    "seed": (
        Text("Seed", "Graine"),
        Text("Of the initial weights, the order of pictures and all noise.", "Des poids initiaux, de l’ordre des images et de tout bruit."),
    ),
    "flip": (
        Text("Mirror half of the pictures", "Mettre en miroir la moitié des images"),
        Text("Not for letters and digits.", "Pas pour les lettres ni les chiffres."),
    ),
    "crop": (
        Text("Learn from crops of large pictures", "Apprendre de morceaux des grandes images"),
        Text(
            "They are cut at random, scaled by 1 to 2; else each picture is shrunk whole.",
            "Pris au hasard, réduits de 1 à 2 fois ; sinon chaque image est réduite en entier.",
        ),
    ),
    "reverse": (
        Text("Translate from B to A", "Traduire de B vers A"),
        Text("Of pairs: turns the direction round.", "Pour des paires : inverse le sens."),
    ),
    "augment": (
        Text("Augment for the critic", "Augmenter pour le critique"),
        Text(
            "It sees all pictures changed at random, so that it cannot learn a small set by heart.",
            "Il voit toutes les images changées au hasard : il ne peut apprendre par cœur un petit ensemble.",
        ),
    ),
}
START = Text("Start training", "Lancer l’entraînement")

# A training in progress
STATES = {
    jobs.WAITING: Text("Waiting for its turn", "En attente de son tour"),
    jobs.RUNNING: Text("Training", "En cours"),
    jobs.PAUSING: Text("Pausing…", "Mise en pause…"),
    jobs.STOPPING: Text("Stopping, and writing its weights…", "Arrêt, et écriture des poids…"),
    jobs.PAUSED: Text("Paused", "En pause"),
    jobs.STOPPED: Text("Stopped before its end; what it has learned is kept", "Arrêté avant la fin ; ce qu’il a appris est gardé"),
    jobs.DONE: Text("Done", "Terminé"),
    jobs.FAILED: Text("Failed", "Échec"),
}
GOES_ON = Text("“Resume” continues from the last saved state.", "« Reprendre » repart du dernier état enregistré.")
STARTING = Text("Loading pictures and weights…", "Chargement des images et des poids…")
PAUSE = Text("Pause", "Pause")
RESUME = Text("Resume", "Reprendre")
STOP = Text("Stop and keep", "Arrêter et garder")
DELETE = Text("Delete", "Supprimer")
SURE = Text("Delete this training and all that it has made?", "Supprimer cet entraînement et tout ce qu’il a fait ?")
DELETED = Text("The training is deleted.", "L’entraînement est supprimé.")
GONE = Text("This training is no longer here.", "Cet entraînement n’est plus là.")
FINISHING = Text("All pictures seen: writing the weights and the film…", "Toutes les images vues : écriture des poids et du film…")
LEFT = Text("{images} of {whole} pictures · {rate} pictures/s · {left} left", "{images} images sur {whole} · {rate} images/s · encore {left}")
SO_FAR = Text("{images} of {whole} pictures", "{images} images sur {whole}")
HOURS, MINUTES, SECONDS = Text("{n} h {m} min", "{n} h {m} min"), Text("{n} min", "{n} min"), Text("{n} s", "{n} s")
FROM_TO = Text("{data}, from {start}", "{data}, à partir de {start}")
AVERAGE = Text("EMA weights", "Poids EMA (moyennés)")
AVERAGE_NOTE = Text("what is kept", "ce qui est gardé")
RAW = Text("Raw weights", "Poids bruts")
RAW_NOTE = Text("ahead of the average, and less steady", "en avance sur la moyenne, et moins stables")
NO_WALL = Text("The first pictures come once it has begun.", "Les premières images viendront dès qu’il aura commencé.")
SNAPSHOT = Text("Snapshot", "Instantané")
SNAPSHOT_HINT = Text(
    "The same seeds over the course of the training. At the right end it follows what is new.",
    "Les mêmes graines au fil de l’entraînement. Tout à droite, il suit ce qui est nouveau.",
)
AT_STEP = Text("step {step}", "pas {step}")
CURVES = Text("Curves over the pictures seen", "Courbes au fil des images vues")
VERDICTS = Text("D’s verdicts: 1/2 is even", "Verdicts de D : 1/2 est l’équilibre")
NORMS = Text("Gradient norms", "Normes des gradients")
RATE = Text("Learning rate", "Taux d’apprentissage")
MEMORY = Text("Memory", "Mémoire")
SCORE = Text("Score: {title}", "Note : {title}")
BEST = Text("best {value}, after {images} pictures", "meilleure : {value}, après {images} images")
BETWEEN = Text("95 %: {low} to {high}", "95 % : de {low} à {high}")
# Of losses, by the names of models and players; those of mathematics, as L1 and r1, are the same in all languages.
TERMS = {
    "critic": Text("critic", "critique"),
    "critic there": Text("critic there", "critique à l’aller"),
    "critic back": Text("critic back", "critique au retour"),
    "generator": Text("generator", "générateur"),
    "model": Text("model", "modèle"),
    "there": Text("there", "aller"),
    "back": Text("back", "retour"),
    "cycle": Text("cycle", "cycle"),
    "identity": Text("identity", "identité"),
    "path": Text("path length", "longueur de chemin"),
    "reconstruction": Text("reconstruction", "reconstruction"),
    "cross entropy": Text("cross entropy", "entropie croisée"),
    "squared error": Text("squared error", "erreur quadratique"),
    "sparsity": Text("sparsity", "parcimonie"),
    "kl": Text("KL", "KL"),
    "beta kl": Text("β KL", "β KL"),
    "accuracy": Text("accuracy", "taux de réussite"),
    "denoising": Text("denoising", "débruitage"),
    "bound": Text("bound", "borne"),
    "mouth": Text("mouth", "bouche"),
    "glasses": Text("glasses", "lunettes"),
    "D(real)": Text("D(real)", "D(vraies)"),
    "D(fake)": Text("D(made)", "D(faites)"),
    "D(fake_after)": Text("D(made) after the step", "D(faites) après le pas"),
    "critic(real)": Text("critic on real ones", "critique, vraies"),
    "critic(fake)": Text("critic on made ones", "critique, faites"),
    "critic(fake_after)": Text("critic on made ones after the step", "critique, faites, après le pas"),
    "gradient penalty": Text("gradient penalty", "pénalité de gradient"),
    "pull-away": Text("pull-away", "éloignement"),
    "diversity": Text("diversity", "diversité"),
}
VARIETY = Text("Variety, 1 is as real pictures", "Variété, 1 comme les vraies images")

# Results
RESULT = Text("What it has made", "Ce qu’il a fait")
OPEN = Text("Open in its tab", "Ouvrir dans son onglet")
WHICH_WEIGHTS = Text("Weights", "Poids")
LAST = Text("the last", "les derniers")
BEST_WEIGHTS = Text("the best by their score", "les meilleurs selon leur note")
NO_WEIGHTS = Text("This training has not left any weights yet.", "Cet entraînement n’a pas encore laissé de poids.")
DOWNLOAD = Text("Weights, {size}", "Poids, {size}")
HUB = Text("Share on the Hugging Face Hub", "Partager sur le Hub de Hugging Face")
HUB_HINT = Text(
    "With the token of this machine's login or of HF_TOKEN; it is neither asked for nor kept here.",
    "Avec le jeton de connexion de cette machine, ou de HF_TOKEN ; il n’est ni demandé ni gardé ici.",
)
REPO = Text("Repository", "Dépôt")
REPO_FORM = Text("owner/name", "propriétaire/nom")
PRIVATE = Text("for your eyes only", "pour vos yeux seulement")
PUSH = Text("Push", "Envoyer")
PUSHED = Text("It is there: {url}", "C’est en ligne : {url}")

# Step by step
GAME_HINT = Text(
    "A paused game, on a copy: one step of the critic D, or of the generator G, and what D then says of each picture.",
    "Un jeu en pause, sur une copie : un pas du critique D ou du générateur G, et ce que D dit alors de chaque image.",
)
NO_GAME = Text(
    "Choose one of the GANs here, or above a paused or finished training of a GAN.",
    "Choisissez ici l’un des GAN, ou ci-dessus un entraînement de GAN en pause ou terminé.",
)
NO_GAN = Text(
    "This training is no game: only a GAN that draws from noise has two players.",
    "Cet entraînement n’est pas un jeu : seul un GAN qui tire ses images du bruit a deux joueurs.",
)
STEPS_A_CLICK = Text("Steps a click", "Pas par clic")
STEP_OF = Text("Step {done} of {of}…", "Pas {done} sur {of}…")
GAME_OF = Text("Whose game", "Le jeu de qui")
GAME_OF_TRAINING = Text("the training that is chosen above, once it is paused", "l’entraînement choisi ci-dessus, une fois en pause")
PLAYERS = {"critic": Text("One step of D", "Un pas de D"), "generator": Text("One step of G", "Un pas de G")}
BOTH = Text("One step of both", "Un pas des deux")
BACK = Text("Take back", "Annuler")
HEAT = Text("where D looks", "où D regarde")
SETTING_UP = Text("Setting up the game…", "Mise en place du jeu…")
MADE = Text("Made by G, and how real D finds them", "Faites par G, et à quel point D les croit réelles")
REAL = Text("Real pictures, and how real D finds them", "Vraies images, et à quel point D les croit réelles")
TAKEN = Text("Steps since the pause: {counts}", "Pas depuis la pause : {counts}")


def term(name: str, lang: str) -> str:
    """Name of a loss term or a player in a language."""
    return TERMS[name].say(lang) if name in TERMS else name
