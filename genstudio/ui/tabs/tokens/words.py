"""The sentences of the Tokens tab. Those of a control stand with the control."""

from __future__ import annotations

from genstudio.controls import Text

TAB = Text("Tokens", "Jetons")
NO_TOKENIZER = Text(
    "No tokenizer is here yet. Train one with: python -m genstudio train vqvae_faces",
    "Aucun tokeniseur n’est encore là. Entraînez-en un : python -m genstudio train vqvae_faces",
)
PICTURE_OPENED = Text("Your picture is in tokens.", "Votre image est en jetons.")

# A picture and its tokens
PICTURE = Text("A picture in tokens", "Une image en jetons")
HINT = Text(
    "Each square of the picture becomes the number of the nearest entry of a codebook. Click a token, then an entry below to put in its place.",
    "Chaque carré de l’image devient le numéro de l’entrée la plus proche d’un dictionnaire. Cliquez sur un jeton, puis sur une entrée ci-dessous pour la mettre à sa place.",
)
CHOOSE = Text("Your picture", "Votre image")
EXAMPLE = Text("Another example", "Un autre exemple")
RESET = Text("Undo all changes", "Annuler les changements")
ORIGINAL = Text("The picture", "L’image")
EXAMPLE_OF = Text("an example, by another of our models", "un exemple, par un autre de nos modèles")
OWN = Text("yours, as the network sees it", "la vôtre, telle que le réseau la voit")
GRID = Text("Its tokens", "Ses jetons")
GRID_NOTE = Text("{places} of {entries} entries, {bits} bits", "{places} parmi {entries} entrées, {bits} bits")
REBUILT = Text("Reconstruction", "Reconstruction")
ERROR = Text("PSNR {psnr} dB, RMSE {error} of 255", "PSNR {psnr} dB, RMSE {error} sur 255")
CHANGED = Text("changed: {count}", "changés : {count}")
CELL = Text("row {row}, column {column}: entry {entry}", "ligne {row}, colonne {column} : entrée {entry}")
NOTHING_SELECTED = Text("No token is selected.", "Aucun jeton n’est choisi.")
SELECTED = Text(
    "Row {row}, column {column}: entry {entry}, {share} of the training tokens, {times} here.",
    "Ligne {row}, colonne {column} : entrée {entry}, {share} des jetons d’entraînement, {times} ici.",
)
TIMES = Text("{count} times", "{count} fois")
ONCE = Text("once", "une fois")
SHEET = Text("The codebook, the most used entries first", "Le dictionnaire, les entrées les plus utilisées d’abord")
ENTRY = Text("entry {entry}, {share} of the training tokens", "entrée {entry}, {share} des jetons d’entraînement")
SELECT_FIRST = Text("Select a token of the picture first.", "Choisissez d’abord un jeton de l’image.")

# Written token by token
WRITING = Text("Written token by token", "Écrite jeton par jeton")
WRITING_HINT = Text(
    "A prior draws each token given those before it. Click a square to go back to it, and another token to let the rest be written again from there.",
    "Un a priori tire chaque jeton sachant les précédents. Cliquez sur un carré pour y revenir, et sur un autre jeton pour faire réécrire la suite à partir de là.",
)
NO_PRIOR = Text(
    "No prior of these tokens is here yet. Train one with: python -m genstudio train gpt_faces",
    "Aucun a priori de ces jetons n’est encore là. Entraînez-en un : python -m genstudio train gpt_faces",
)
PRIOR = Text("Prior", "A priori")
WRITE = Text("Write a picture", "Écrire une image")
COMPLETE = Text("Complete the lower half of the picture", "Compléter la moitié basse de l’image")
SCRUB = Text("Step", "Pas")
SO_FAR = Text("The picture so far", "L’image jusqu’ici")
STEP = Text("step {step} of {steps}, {calls} network calls", "pas {step} sur {steps}, {calls} appels du réseau")
DOUBT = Text("Entropy of each token", "Entropie de chaque jeton")
DOUBT_NOTE = Text("bits: pale is sure, dark is a free choice", "bits : pâle, sûr ; foncé, au choix")
DOUBT_CELL = Text("row {row}, column {column}: {bits} bits", "ligne {row}, colonne {column} : {bits} bits")
GIVEN_CELL = Text("row {row}, column {column}: given", "ligne {row}, colonne {column} : donné")
BLANK_CELL = Text("row {row}, column {column}: not written yet", "ligne {row}, colonne {column} : pas encore écrit")
LIKELY = Text("The five likeliest", "Les cinq plus probables")
LIKELY_NOTE = Text("row {row}, column {column}", "ligne {row}, colonne {column}")
LIKELY_CELL = Text("entry {entry}, {share}: write the rest again with it", "entrée {entry}, {share} : réécrire la suite avec elle")
TOOK = Text("{tokens} tokens in {seconds} s, {calls} network calls", "{tokens} jetons en {seconds} s, {calls} appels du réseau")
BRANCHED = Text("another token at row {row}, column {column}", "un autre jeton à la ligne {row}, colonne {column}")
NOTHING_WRITTEN = Text("Nothing is written yet.", "Rien n’est encore écrit.")

# Compression
COMPRESSION = Text("Compression", "Compression")
COMPRESSION_HINT = Text(
    "The tokens as a file: plain, or in fewer bits where the prior guesses them well. The file opens again here, bit for bit.",
    "Les jetons dans un fichier : tels quels, ou en moins de bits là où l’a priori les devine. Le fichier se rouvre ici, au bit près.",
)
SCALE = Text("Picture", "Image")
FITTED = Text("as the network sees it", "telle que le réseau la voit")
TILED = Text("in tiles, up to 512 px", "en tuiles, jusqu’à 512 px")
CODED_BY = Text("Coded under", "Codés selon")
PLAIN = Text("nothing: plain tokens", "rien : jetons tels quels")
COMPRESS = Text("Compress", "Compresser")
OPEN_FILE = Text("Open a file of tokens", "Ouvrir un fichier de jetons")
COMPRESSING = Text("Compressing…", "Compression…")
DOWNLOAD = Text("Download {bytes} bytes", "Télécharger {bytes} octets")
METHOD = Text("Method", "Méthode")
BYTES = Text("Bytes", "Octets")
BITS = Text("Bits per pixel", "Bits par pixel")
QUALITY = Text("PSNR", "PSNR")
PLAIN_TOKENS = Text("Plain tokens", "Jetons tels quels")
CODED_TOKENS = Text("Tokens under {prior}", "Jetons selon {prior}")
SMALLEST = Text("{name}, its smallest file", "{name}, son plus petit fichier")
BESIDE = Text(
    "Tokens without the file’s {head} bytes of names and checksums; the others with theirs, at no more bytes where they can.",
    "Jetons sans les {head} octets de noms et de contrôle du fichier ; les autres avec les leurs, sans plus d’octets s’ils le peuvent.",
)
OPENED = Text("From the file: {tokens} tokens, tiles: {tiles}, written by {tokenizer}.",
              "Du fichier : {tokens} jetons, tuiles : {tiles}, écrits par {tokenizer}.")
