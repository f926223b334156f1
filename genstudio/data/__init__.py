"""Data sets: by name, folder or zip -> checked images in memory -> endless shuffled batches in [-1, 1].

Read `pictures.py` first; `archives.py` reads folders and zips, `sets.py` lists sets by name, `batches.py` shuffles.
"""

from genstudio.data.archives import MAX_FILES, SUFFIXES, Entry, entries, read_pictures
from genstudio.data.batches import Batches, stream_seed
from genstudio.data.pictures import Original, Pictures
from genstudio.data.sets import AVATAR_CREDIT, EMOJI_CREDIT, SETS, at_hand, every_tenth, load, load_whole, named

__all__ = [
    "AVATAR_CREDIT", "EMOJI_CREDIT", "MAX_FILES", "SETS", "SUFFIXES", "Batches", "Original", "Entry", "Pictures",
    "at_hand", "entries", "every_tenth", "load", "load_whole", "named", "read_pictures", "stream_seed",
]  # fmt: skip
