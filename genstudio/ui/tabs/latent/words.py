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

# What the code keeps
KEEPS = Text("What the code keeps", "Ce que garde le code")
KEEPS_HINT = Text(
    "One picture through auto-encoders of equal code size, with the squared error to the clean picture. Click one to take its code apart.",
    "Une image à travers des auto-encodeurs de même taille de code, avec l’erreur quadratique à l’image propre. Cliquez-en un pour démonter son code.",
)
INPUT = Text("Input", "Entrée")
CORRUPTION = Text("Corruption", "Dégradation")
CLEAN = Text("clean", "aucune")
MASKING = Text("masking", "masquage")
GAUSSIAN_NOISE = Text("Gaussian noise", "bruit gaussien")
AMOUNT = Text("Amount", "Intensité")
AMOUNT_HINT = Text(
    "Share of black pixels, or standard deviation of the noise.", "Part de pixels noircis, ou écart-type du bruit."
)
ACTIVE = Text("Active units k", "Unités actives k")
ACTIVE_HINT = Text("Of the k-sparse code; trained with 25.", "Du code k-épars ; entraîné avec 25.")
RHO = Text("Mean activation ρ", "Activation moyenne ρ")
RHO_HINT = Text("Of the KL-sparse code.", "Du code épars par KL.")
KEEPS_PCA = Text("PCA", "ACP")
KEEPS_DENSE = Text("dense", "dense")
KEEPS_CONVOLUTIONAL = Text("convolutional", "convolutif")
KEEPS_K_SPARSE = Text("k-sparse", "k-épars")
KEEPS_KL_SPARSE = Text("KL-sparse", "épars par KL")
KEEPS_DENOISING = Text("denoising", "débruiteur")
KEEPS_OVERCOMPLETE = Text("over-complete", "surcomplet")
NOT_HERE = Text(
    "Not trained yet: {names}. Train one with: python -m genstudio train {system}",
    "Pas encore entraînés : {names}. Pour en entraîner un : python -m genstudio train {system}",
)
NUMBERS = Text("{count} of {units} numbers", "{count} nombres sur {units}")
UNITS_HINT = Text(
    "The most active units: a bar for the activation, and what the unit adds to the picture. Click one to switch it off or on.",
    "Les unités les plus actives : une barre pour l’activation, et ce que l’unité ajoute à l’image. Cliquez pour l’éteindre ou l’allumer.",
)
UNIT = Text("Unit {number}: {value}", "Unité {number} : {value}")
ALL_ON = Text("All on", "Tout allumer")
SWITCHED_ON = Text("The picture of the units that are on", "L’image des unités allumées")
ON_OF = Text("{on} of {of} units on", "{on} unités allumées sur {of}")

# Combine
COMBINE = Text("Combine", "Combiner")
COMBINE_HINT = Text(
    "Two codes averaged, spliced and subtracted: what each number says shows where one code takes over from the other.",
    "Deux codes moyennés, raccordés et soustraits : là où un code prend la suite de l’autre, on voit ce que dit chaque nombre.",
)
FIRST = Text("First", "Première")
SECOND = Text("Second", "Seconde")
AVERAGED = Text("Averaged", "Moyenne")
AVERAGED_NOTE = Text("(a + b) / 2", "(a + b) / 2")
SPLICED = Text("Spliced", "Raccord")
SPLICED_NOTE = Text("{first} numbers of the first, {second} of the second", "{first} nombres de la première, {second} de la seconde")
SUBTRACTED = Text("Subtracted", "Différence")
SUBTRACTED_NOTE = Text("mean code + a − b", "code moyen + a − b")
CUT = Text("Cut: numbers from the first picture", "Coupe : nombres de la première image")

# The coefficient beta
BETA_TITLE = Text("Coefficient β", "Coefficient β")
BETA_HINT = Text(
    "Loss: reconstruction + β KL. A small β reconstructs, and leaves gaps between the codes; a large one fills them with blurred digits.",
    "Perte : reconstruction + β KL. Un petit β reconstruit, et laisse des trous entre les codes ; un grand les remplit de chiffres flous.",
)
BETA = Text("β", "β")
BETA_UNIT = Text(
    "In nats, beside a sum over pixels; 1 is the ELBO. Beside a mean over 784 pixels it is β/784.",
    "En nats, à côté d’une somme sur les pixels ; 1 : l’ELBO. À côté d’une moyenne sur 784 pixels : β/784.",
)
MAP_OF_BETA = Text("Held-out codes", "Codes d’images inédites")
EXTENT = Text("{side} wide", "large de {side}")
RECONSTRUCTION_NATS = Text("reconstruction (nats)", "reconstruction (nats)")
KL_NATS = Text("KL (nats)", "KL (nats)")
