"""Verification of the scores in a header: each is measured again, on the same data, at the same n."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from genstudio import catalog, checkpoint
from genstudio.scores.intervals import Score, read_score
from genstudio.scores.judges import network
from genstudio.scores.measure import SAMPLES, measure

JUDGED = re.compile(r"(?:share of|precision|recall|Frechet|inception|kernel|nearest) ?.*\((.+)\)")
MAX_SAMPLES = 1_000_000  # an untrusted header must not keep the machine busy


class Verdict(NamedTuple):
    """The result of measuring one score again."""

    claimed: Any  # as in the header
    measured: Score | None
    against: str  # the reason why the claim fails; empty if it holds

    def as_dict(self) -> dict[str, Any]:
        measured = self.measured.as_dict() if self.measured else None
        return {"claimed": self.claimed, "measured": measured, "agrees": not self.against, "against": self.against}


def check(
    name: str, device: str | None = None, features: str | None = None, full: bool = False
) -> Iterator[tuple[str, Verdict]]:
    """Verdicts on the scores of a header, each with its name as soon as it is measured.

    The judges are those that the scores name; `features` may give the name or file of one of them. Measuring stops
    after the last claimed score.
    """
    header = checkpoint.describe(catalog.locate(name))
    judges, missing = judges_of(header.scores, features)
    waiting = dict(header.scores)
    for judge in judges or [None]:
        for what, number in measure(name, samples_of(header.scores), None, device, judge, full) if waiting else ():
            if what in waiting:
                claimed = waiting.pop(what)
                yield what, Verdict(claimed, number, against(read_score(claimed), number))
            if not waiting:
                break
    for what, claimed in waiting.items():
        yield what, Verdict(claimed, None, missing.get(judge_in(what), "nothing of this name is measured"))


def judge_in(what: str) -> str | None:
    """Name of the judge in a score's name, or None."""
    found = JUDGED.fullmatch(what)
    return found[1] if found else None


def judges_of(scores: Mapping[str, Any], features: str | None) -> tuple[list[str], dict[str, str]]:
    """The judges that the scores name, as words for `judges.network`; and the reason for each that is missing."""
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
    """Number of samples or pairs to draw: the largest n of the scores, as held-out images limit that of distances."""
    counted = [what for what in scores if judge_in(what) or what.startswith("L1 to the truth")]
    counts = [number.n for what in counted if (number := read_score(scores[what]))]
    return max([n for n in counts if 8 <= n <= MAX_SAMPLES], default=SAMPLES)


def against(claimed: Score | None, measured: Score) -> str:
    """The reason why a claim does not hold; empty if it does.

    Both values must lie within the wider of the two intervals. So that a claim cannot pass with a wide interval of its
    own, n must be equal, and each end within half a measured interval of the measured end.
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
