"""The `score` verb: evaluates a checkpoint, or verifies the scores in its header.

Results go to stdout, notes to stderr, and torch is imported inside the functions.
"""

from __future__ import annotations

import sys

from genstudio.cli.common import device_of, print_json
from genstudio.cli.flags import Commands, gives_json, on_device
from genstudio.scores.words import score_text

FULL = "5000 importance samples"


def add(commands: Commands) -> None:
    command = commands.add(score, "Measures a system on pictures held out, or checks what its header says of it.")
    command.add_argument("--n", type=int, help="samples to draw (2000)")
    command.add_argument("--data", help="a set by name, a folder or a zip, in place of what it learned from")
    on_device(command)
    about = "the network to judge with: inception, efficientnet-lite0, a classifier, or a file (the classifier of the data)"
    command.add_argument("--features", metavar="NETWORK", help=about)
    about = "likelihoods of flows in a VAE with 5 000 importance samples of every held-out picture: hours on a processor"
    command.add_argument("--full", action="store_true", help=about)
    which = command.add_mutually_exclusive_group()
    which.add_argument("--write", action="store_true", help="also write the scores into the checkpoint's header")
    which.add_argument("--check", action="store_true", help="measure what the header claims; exit code 1 if not so")
    gives_json(command)


def score(
    system: str, n: int | None, data: str | None, device: str | None, features: str | None, full: bool, write: bool,
    check: bool, json: bool,
) -> int | None:  # fmt: skip
    from genstudio import catalog, checkpoint
    from genstudio.scores.measure import SAMPLES, measure, notes

    path, found = catalog.locate(system), {}
    header, device = checkpoint.describe(path), device_of(device)
    if check and (n is not None or data is not None):
        raise ValueError("--check takes n and data from the header: leave --n and --data out")
    if sys.stderr.isatty():
        print(f"Measuring {system}, on a processor for minutes.", file=sys.stderr)
    if header.credit:
        print(f"Learned from: {header.credit}", file=sys.stderr)
    if check:
        return check_claims(system, device, features, json, full)
    for name, number in measure(system, SAMPLES if n is None else n, data, device, features, full):
        found[name] = number
        if not json:
            print(f"{name}: {score_text(number.as_dict())}", flush=True)
    for note in notes(found):
        print(f"Note: {note.en}", file=sys.stderr)
    found = {name: number.as_dict() for name, number in found.items()}
    if write:
        header = checkpoint.describe(path)  # again: it may have changed during the evaluation
        # What takes hours stays: those of 50 pictures stand beside those of all.
        header.scores = {name: value for name, value in header.scores.items() if FULL in name} | found
        checkpoint.rewrite_header(path, header)
        print(f"The scores stand in {path}", file=sys.stderr)
    if json:
        print_json(found)


def check_claims(
    system: str, device: str | None, features: str | None, json: bool, full: bool = False
) -> int | None:
    """Print every score of a header, claimed and measured. Returns 1 if any disagrees."""
    from genstudio.scores.verify import check

    found = {}
    for name, verdict in check(system, device, features, full):
        found[name] = verdict.as_dict()
        if not json:
            print(f"{name}: {'does not agree: ' + verdict.against if verdict.against else 'agrees'}")
            print(f"  claimed  {score_text(verdict.claimed)}")
            print(f"  measured {score_text(verdict.measured.as_dict()) if verdict.measured else 'nothing'}", flush=True)
    if json:
        print_json(found)
    elif not found:
        print(f"The header of {system} claims no scores")
    return 0 if all(verdict["agrees"] for verdict in found.values()) else 1
