"""The sentences of the Diffusion tab. Those of a control stand with the control."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Diffusion", "Diffusion")
NO_DIFFUSION = Text(
    "No diffusion model is here yet. Train one with: python -m genstudio train ddpm_mnist",
    "Aucun modèle de diffusion n’est encore là. Entraînez-en un : python -m genstudio train ddpm_mnist",
)
WATCH = Text("Step by step", "Pas à pas")
COMPARE = Text("Samplers", "Échantillonneurs")
SCHEDULES = Text("Noise schedules", "Plans de bruit")

# Start of the run
BEGIN = Text("It starts from", "Point de départ")
FROM_NOISE = Text("noise", "du bruit")
FROM_PICTURE = Text("your picture", "votre image")
PHOTO = Text("Your picture", "Votre image")
PHOTO_EXAMPLE = Text("An example, by another of our models", "Un exemple, par un autre de nos modèles")
CHOOSE = Text("Choose a picture", "Choisir une image")
PHOTO_HINT = Text(
    "Choose one, drop it anywhere, or paste it. It gets noise, and the model brings it back.",
    "Choisissez-la, déposez-la n’importe où, ou collez-la. Elle reçoit du bruit, et le modèle la ramène.",
)
PAINT = Text("Draw only a part of it anew", "N’en redessiner qu’une partie")
PAINT_HINT = Text(
    "Paint over what is to change: all else stays as it is. × wipes the paint off.",
    "Peignez ce qui doit changer : tout le reste demeure. × efface la peinture.",
)
SEED_HINT = Text("Same seed, same noise.", "Même graine, même bruit.")
MORE = Text("More controls", "Plus de réglages")

# The run
STARTING = Text("Starting…", "Démarrage…")
RUNNING = Text("Step {step} of {steps}, about {left} s left", "Pas {step} sur {steps}, encore {left} s environ")
STOPPED = Text(
    "Stopped at step {step} of {steps}. What is there can be looked through, and branched from.",
    "Arrêté au pas {step} sur {steps}. Ce qui est là peut être parcouru, et prolongé.",
)
TOOK = Text("{steps} steps in {seconds} s", "{steps} pas en {seconds} s")
THINNED = Text(
    "Of this run {kept} of {steps} steps are kept: that is what its memory of {most} MB holds.",
    "De ce parcours, {kept} pas sur {steps} sont gardés : c’est ce que tient sa mémoire de {most} Mo.",
)
NOISED = Text("Noised picture", "Image bruitée")
NOISED_NOTE = Text("xₜ, input of the network", "xₜ, entrée du réseau")
GUESS = Text("Estimated picture", "Image estimée")
GUESS_NOTE = Text("x̂₀, without its noise", "x̂₀, sans son bruit")
NOISE = Text("Estimated noise", "Bruit estimé")
NOISE_NOTE = Text("ε, scaled so that grey is none", "ε, à l’échelle : le gris est nul")
PICTURE = Text("The picture", "L’image")
PICTURE_NOTE = Text("the last estimate", "la dernière estimation")
SCRUB = Text("Step", "Pas")
SCRUB_HINT = Text(
    "Drag through the run, or use the arrow keys: nothing is computed again.",
    "Parcourez le trajet, ou utilisez les flèches : rien n’est recalculé.",
)
PLAY = Text("▶  Play", "▶  Lecture")
STRIP = Text("The run in nine steps: click one to go there", "Le trajet en neuf pas : cliquez pour y aller")
STAND = Text(
    "step {step} of {steps} · t = {time} · ᾱ = {left} · signal to noise {ratio} dB",
    "pas {step} sur {steps} · t = {time} · ᾱ = {left} · rapport signal sur bruit {ratio} dB",
)
CLEAN = Text("step {step} of {steps} · no noise is left", "pas {step} sur {steps} · il ne reste aucun bruit")
ALPHA = Text(
    "ᾱ: how much of the picture is left, from noise (left) to clean (right); the line is where we are",
    "ᾱ : ce qui reste de l’image, du bruit (à gauche) au net (à droite) ; le trait marque où nous sommes",
)

# Branches
BRANCH = Text("Branch from this step", "Prolonger autrement depuis ce pas")
BRANCH_HINT = Text(
    "The run is left where the slider stands, and goes on with another seed, class, guidance or sampler.",
    "Le trajet est quitté là où est le curseur, et repart avec une autre graine, classe, guidage ou échantillonneur.",
)
BRANCH_GO = Text("Branch here", "Prolonger d’ici")
LEFT_AT = Text("left at step {at}", "quitté au pas {at}")
NOT_NOISED = Text("there is no noise at this step: choose an earlier one", "il n’y a pas de bruit à ce pas : choisissez-en un plus tôt")
NO_RUN = Text("there is no run yet", "il n’y a pas encore de trajet")
GONE = Text("this run is no longer kept", "ce trajet n’est plus gardé")
TOO_MANY = Text("a run can be left {most} times, not more", "un trajet peut être quitté {most} fois, pas plus")

# Export
AS_STRIP = Text("Strip as PNG", "Bande en PNG")

# Samplers
COMPARE_HINT = Text(
    "One seed, one row a sampler, one column a number of steps: each cell costs one run. Click one to watch it.",
    "Une graine, une ligne par échantillonneur, une colonne par nombre de pas : chaque case coûte un trajet. Cliquez pour la voir.",
)
COMPARE_PROGRESS = Text("{done} of {of} runs", "{done} trajets sur {of}")
STEPS = Text("{steps} steps", "{steps} pas")

# Schedules
SCHEDULES_HINT = Text(
    "The same picture and the same noise under both plans. Linear has drowned it long before the end; cosine takes its time.",
    "La même image et le même bruit selon les deux plans. Le linéaire l’a noyée bien avant la fin ; le cosinus prend son temps.",
)
LINEAR = Text("linear", "linéaire")
COSINE = Text("cosine", "cosinus")
LEFT = Text("ᾱ: share of the variance that is the picture’s", "ᾱ : part de la variance qui vient de l’image")
RATIO = Text("signal to noise, in dB", "rapport signal sur bruit, en dB")
TIME = Text("time t, from clean to noise", "temps t, du net au bruit")

BRING = Text(
    "The recipe does not hold the picture that it started from: choose it here, and it runs.",
    "La recette ne contient pas l’image de départ : choisissez-la ici, et elle se rejoue.",
)
PICTURE_OPENED = Text(
    "Your picture gets noise, and the model brings it back.",
    "Votre image reçoit du bruit, et le modèle la ramène.",
)
