"""Whether a checkpoint keeps what its header promises: each score measured again, on its data, at its n."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from genstudio import catalog, checkpoint
from genstudio.scores.intervals import Score, read_score
from genstudio.scores.judges import network
from genstudio.scores.measure import SAMPLES, measure

JUDGED = re.compile(r"(?:share of|precision|recall|Frechet|inception|kernel|nearest) ?.*\((.+)\)")
MOST = 1_000_000  # samples: a header that asks for more keeps the machine, not its word


class Verdict(NamedTuple):
    claimed: Any  # as it stands in the header
    measured: Score | None
    against: str  # what speaks against the claim; empty where nothing does

    def as_dict(self) -> dict[str, Any]:
        measured = self.measured.as_dict() if self.measured else None
        return {"claimed": self.claimed, "measured": measured, "agrees": not self.against, "against": self.against}


def check(name: str, device: str | None = None, features: str | None = None) -> Iterator[tuple[str, Verdict]]:
    """A verdict on every score of a header, by its name and as soon as it is known.

    The networks are those that the scores name; `features` may say where one lies, a file say. Nothing is measured
    beyond the last claim.
    """
    header = checkpoint.describe(catalog.locate(name))
    judges, missing = judges_of(header.scores, features)
    waiting = dict(header.scores)
    for judge in judges or [None]:
        for what, number in measure(name, samples_of(header.scores), None, device, judge) if waiting else ():
            if what in waiting:
                claimed = waiting.pop(what)
                yield what, Verdict(claimed, number, against(read_score(claimed), number))
            if not waiting:
                break
    for what, claimed in waiting.items():
        yield what, Verdict(claimed, None, missing.get(judge_in(what), "nothing of this name is measured"))


def judge_in(what: str) -> str | None:
    """The network that a score's name names."""
    found = JUDGED.fullmatch(what)
    return found[1] if found else None


def judges_of(scores: Mapping[str, Any], features: str | None) -> tuple[list[str], dict[str, str]]:
    """Where the networks lie that scores name; and of those that are not here, why."""
    given = {network(features).name: features} if features else {}
    found, missing = [], {}
    for judge in dict.fromkeys(filter(None, map(judge_in, scores))):
        try:
            word = given.get(judge, judge)
            if judge != "pixels" and network(word).name == judge:
                found.append(word)
        except ValueError as error:
            missing[judge] = str(error)
    return found, missing


def samples_of(scores: Mapping[str, Any]) -> int:
    """How many samples or pairs the scores were taken over: shares over all, distances over no more than are held out."""
    counted = [what for what in scores if judge_in(what) or what.startswith("L1 to the truth")]
    counts = [number.n for what in counted if (number := read_score(scores[what]))]
    return max([n for n in counts if 8 <= n <= MOST], default=SAMPLES)


def against(claimed: Score | None, measured: Score) -> str:
    """Why a claim does not stand, in words; empty when it does.

    Both values must lie within the wider of the two intervals. So that no claim hides behind an interval of its own
    making, n must be the same, and each end within half the measured interval of where it was measured.
    """
    if claimed is None:
        return "the claim is no number with an interval"
    measured = Score(**measured.as_dict())  # rounded as the claim is
    if claimed.n != measured.n:
        return f"claimed over {claimed.n} pictures, measured over {measured.n}"
    widest = max(claimed, measured, key=lambda score: score.high - score.low)
    if not all(widest.low <= score.value <= widest.high for score in (claimed, measured)):
        return "the values lie further apart than the wider interval"
    slack = (measured.high - measured.low) / 2 + 1e-4 * abs(measured.value)
    if max(abs(claimed.low - measured.low), abs(claimed.high - measured.high)) > slack:
        return "the intervals are not alike"
    return ""
