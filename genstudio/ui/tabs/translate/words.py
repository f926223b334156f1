"""The sentences of the Translate tab. Those of a control stand with the control, those of a system with the system."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Translate", "Traduire")
NO_TRANSLATORS = Text(
    "No model that translates pictures is here yet. Train one with: python -m genstudio train denoise_photo",
    "Aucun modèle qui traduit des images n’est encore là. Entraînez-en un : python -m genstudio train denoise_photo",
)
KNOWS = Text("It knows {knows}.", "Il connaît : {knows}.")

PICTURE = Text("Your picture", "Votre image")
EXAMPLE = Text("An example of ours", "Un exemple de notre main")
CHOOSE = Text("Choose a picture", "Choisir une image")
HOW = Text(
    "Choose one, drop it anywhere, or paste it. It is forgotten when you leave this page.",
    "Choisissez-la, déposez-la n’importe où, ou collez-la. Elle est oubliée quand vous quittez cette page.",
)
CAMERA = Text("Camera", "Caméra")
TAKE = Text("Take the picture", "Prendre la photo")
NO_CAMERA = Text(
    "The browser gives no camera to this page.",
    "Le navigateur ne donne pas de caméra à cette page.",
)
BACK_TO_EXAMPLE = Text("Back to the example", "Revenir à l’exemple")

VIEW = Text("What the model sees", "Ce que voit le modèle")
VIEW_HINT = Text(
    "Trained at one resolution. Tiles keep every pixel, but objects appear larger than in training.",
    "Entraîné à une seule résolution. Les carreaux gardent chaque pixel, mais les objets y sont plus grands qu’à "
    "l’entraînement.",
)
OWN = Text("The picture at the model’s own scale", "L’image à l’échelle du modèle")
TILES = Text("Every pixel, in tiles", "Chaque pixel, par carreaux")
BACKGROUND = Text("Background", "Fond")
BACKGROUND_HINT = Text("What shows through where the picture is transparent.", "Ce qu’on voit là où l’image est transparente.")
LINES = Text("Turn a photograph into lines", "Changer une photo en traits")
LINES_HINT = Text("This model knows line drawings only.", "Ce modèle ne connaît que les dessins au trait.")
DETAIL = Text("Lines", "Traits")
DETAIL_HINT = Text("From a few to many.", "De peu à beaucoup.")

ONE = Text("One picture", "Une image")
DRAW = Text("Draw", "Dessiner")
ALL = Text("All models", "Tous les modèles")
MANY = Text("Many files", "Beaucoup de fichiers")

BEFORE = Text("before", "avant")
AFTER = Text("after", "après")
COMPARE = Text("Before and after: move with the arrow keys", "Avant et après : déplacez avec les flèches")
SECONDS = Text("{seconds} s", "{seconds} s")
CANCEL = Text("Cancel", "Annuler")
PART = Text("Part {done} of {of}, about {left} s left", "Partie {done} sur {of}, encore {left} s environ")
WORKING = Text("Translating…", "Traduction…")
STOPPED = Text("Cancelled.", "Annulé.")
FOREIGN = Text(
    "This picture is unlike what this model learned from ({knows}): the result may make no sense.",
    "Cette image ne ressemble pas à ce que ce modèle a appris ({knows}) : le résultat peut n’avoir aucun sens.",
)
TURNED = Text(
    "This is no line drawing, so its lines were drawn first. The slider says how many.",
    "Ce n’est pas un dessin au trait : ses traits ont d’abord été tracés. Le curseur règle leur nombre.",
)
CHANGED = Text("where it changed", "où elle a changé")
CHANGED_BY = Text("by {percent} % of the range on average", "de {percent} % de l’étendue en moyenne")
ROUND_TRIP = Text("There and back again", "Aller et retour")
ROUND_TRIP_HINT = Text(
    "Two networks were trained to undo each other: what the way there and back loses, neither of them could say.",
    "Deux réseaux ont appris à se défaire l’un l’autre : ce que l’aller-retour perd, aucun des deux ne savait le dire.",
)
MODELS_DONE = Text("{done} of {of} models", "{done} modèles sur {of}")
START = Text("your picture", "votre image")
THERE = Text("there: {direction}", "aller : {direction}")
BACK = Text("back: {direction}", "retour : {direction}")
LOST = Text("what the round trip lost", "ce que l’aller-retour a perdu")
MORE_HINT = Text(
    "The settings are inside the downloaded picture, the picture that went in is not: drop both here and it comes again. Or:",
    "Les réglages sont dans l’image téléchargée, l’image de départ n’y est pas : déposez les deux ici et elle revient. Ou bien :",
)

DRAW_HINT = Text("Draw here, in black: it is coloured as you draw.", "Dessinez ici, en noir : c’est colorié à mesure.")
DRAWN = Text("Coloured", "Colorié")

PAINT = Text("Paint", "Peindre")
PAINT_HINT = Text(
    "Paint the parts of a facade: they become a photograph as you paint.",
    "Peignez les parties d’une façade : elles deviennent une photo à mesure.",
)
PAINTED = Text("As a photograph", "En photo")
TOOLS = Text("Tools", "Outils")
RECTANGLE = Text("Rectangle", "Rectangle")
BRUSH = Text("Brush", "Pinceau")
FILL = Text("Fill", "Remplir")
ERASER = Text("Eraser", "Gomme")
UNDO = Text("Undo", "Annuler")
REDO = Text("Redo", "Rétablir")
SAVE_LABELS = Text("Save labels", "Enregistrer le plan")
LABELS = Text("Labels", "Étiquettes")
EXAMPLES = Text("Examples", "Exemples")
CANVAS = Text(
    "Canvas: arrow keys move the cursor, space begins and ends a stroke",
    "Toile : les flèches déplacent le curseur, la barre d’espace commence et finit un trait",
)
LOSSES = Text("Three losses, one picture", "Trois coûts, une image")
LOSSES_HINT = Text(
    "The same network, trained on the same pictures in the same order: only the loss differs.",
    "Le même réseau, entraîné sur les mêmes images dans le même ordre : seul le coût change.",
)
L1_ALONE = Text("near the mean of all facades that fit", "près de la moyenne des façades possibles")
GAN_ALONE = Text("as the critic wants it", "comme le veut le critique")
L1_AND_GAN = Text("both terms", "les deux termes")

ALL_HINT = Text(
    "The same picture through every model, each with its own settings as declared, on a copy of at most {side} pixels. Click one to choose it.",
    "La même image à travers chaque modèle, réglages d’origine, sur une copie d’au plus {side} pixels. Cliquez pour choisir.",
)
UNLIKE = Text("unlike what it learned from", "loin de ce qu’il a appris")

MANY_HINT = Text(
    "Several pictures, or a zip: they come back as a zip of PNGs under the same names, with the settings on this page.",
    "Plusieurs images, ou un zip : elles reviennent en un zip de PNG, sous les mêmes noms, avec les réglages de cette page.",
)
CHOOSE_FILES = Text("Choose files", "Choisir des fichiers")
NO_FILES = Text("Drop them here.", "Déposez-les ici.")
WAITING_ONE = Text("{name}, {size}", "{name}, {size}")
WAITING_MANY = Text("{count} files, {size}", "{count} fichiers, {size}")
KEEP = Text("Stop, keep what is done", "Arrêter, garder ce qui est fait")
COUNTED = Text("{done} of {of}, about {left} s left", "{done} sur {of}, encore {left} s environ")
SKIPPED = Text("{count} files that systems add are skipped: {names}", "{count} fichiers ajoutés par des systèmes sont ignorés : {names}")
DONE = Text("{written} translated, {refused} refused.", "{written} traduites, {refused} refusées.")
DONE_STOPPED = Text(
    "Stopped: {written} translated, {refused} refused, of {of}.",
    "Arrêté : {written} traduites, {refused} refusées, sur {of}.",
)
WRITTEN = Text("done", "fait")
ZIP = Text("Download the zip", "Télécharger le zip")
NOTHING_LEFT = Text("choose files first", "choisissez d’abord des fichiers")
NOT_KEPT = Text(
    "What you send and what is made of it is removed when you leave this page.",
    "Ce que vous envoyez et ce qui en est fait est supprimé quand vous quittez cette page.",
)
PICTURE_OPENED = Text("It carries no recipe, and is translated below.", "Elle ne porte pas de recette, et est traduite ci-dessous.")
BRING = Text(
    "The settings are back. Now drop the picture that it was made from: it was never kept.",
    "Les réglages sont de retour. Déposez l’image de départ : elle n’a pas été gardée.",
)
