"""Data sets: by name, folder or zip -> checked images in memory -> endless shuffled batches in [-1, 1].

Read `pictures.py` first; `archives.py` lists the files of folders and zips, `layouts.py` and `labels.py` say where they
belong, `reading.py` and `pairs.py` decode them, `sets.py` lists sets by name, `batches.py` shuffles and crops.
"""

from genstudio.data.archives import MAX_FILES, Entry, entries, hidden, listing, opened
from genstudio.data.batches import Batches, stream_seed
from genstudio.data.pictures import Original, Pictures
from genstudio.data.reading import read_pictures
from genstudio.data.sets import AVATAR_CREDIT, EMOJI_CREDIT, SETS, at_hand, held_out, load, load_whole, named
from genstudio.decoding.formats import SUFFIXES

__all__ = [
    "AVATAR_CREDIT", "EMOJI_CREDIT", "MAX_FILES", "SETS", "SUFFIXES", "Batches", "Original", "Entry", "Pictures",
    "at_hand", "entries", "held_out", "hidden", "listing", "load", "load_whole", "named", "opened", "read_pictures",
    "stream_seed",
]  # fmt: skip
