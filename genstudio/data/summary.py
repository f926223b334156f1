"""Summary of a set in English, for the command line: counts, layout, pairs, and all that is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from genstudio.data.pictures import Pictures
from genstudio.data.reading import some

PAIRS = 3  # shown
CLASSES = 12  # named


def lines(pictures: Pictures, held_out: Pictures | None) -> Iterator[str]:
    """Lines on the pictures to learn from and those held out."""
    count = f"{len(pictures)} pictures to learn from"
    if pictures.sources is not None and not pictures.paired:
        count = f"{len(pictures.sources)} and {len(pictures)} pictures to learn from"
    elif pictures.sources is not None:
        count = f"{len(pictures)} pairs to learn from"
    yield f"{pictures.name}: {count}, {len(held_out) if held_out else 'none'} held out{classes(pictures)}"
    yield from (note.en for note in pictures.notes)
    for source, target in shown_pairs(pictures):
        yield f"  {source} -> {target}"
    if pictures.refused:
        reasons = "; ".join(f"{reason} ({n})" for reason, n in pictures.left_out.items())
        yield f"Left out: {len(pictures.refused)} pictures: {reasons}"
        yield from (f"  {line.en}" for line in pictures.refused[:PAIRS])
    if pictures.ignored:
        yield f"Skipped: {len(pictures.ignored)} files: {some(pictures.ignored).en}"
    yield from (f"Warning: {warning.en}" for warning in pictures.warnings)


def classes(pictures: Pictures) -> str:
    if pictures.labels is None:
        return ""
    counts = Counter(pictures.labels.tolist())
    named = [f"{name} ({counts[i]})" for i, name in enumerate(pictures.classes)][:CLASSES]
    more = ", ..." if len(pictures.classes) > CLASSES else ""
    return f"; {len(pictures.classes)} classes: {', '.join(named)}{more}"


def shown_pairs(pictures: Pictures) -> list[tuple[str, str]]:
    """Names of the first pairs; none of unpaired sets, and of sets by name."""
    if not pictures.paired or not pictures.source_names:
        return []
    return list(zip(pictures.source_names, pictures.names, strict=True))[:PAIRS]
