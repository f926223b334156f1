"""The `jobs` verb: lists and controls the training jobs of the page."""

from __future__ import annotations

import json as jsons
from dataclasses import asdict

from genstudio.cli.common import clock
from genstudio.cli.flags import Commands, gives_json

WHAT = ("list", "pause", "resume", "stop", "delete")


def add(commands: Commands) -> None:
    command = commands.add(jobs, "Trainings that the page has begun: list, pause, resume, stop, delete.", "")
    about = "|".join(WHAT)
    command.add_argument("what", metavar="WHAT", choices=WHAT, nargs="?", default="list", help=about)
    command.add_argument("id", metavar="JOB", nargs="?", help="a name that `jobs list` shows")
    gives_json(command)


def jobs(what: str, id: str | None, json: bool) -> None:
    from genstudio.training import jobs

    jobs.schedule()
    if what == "list":
        found = jobs.list_jobs()
    elif id is None:
        raise ValueError(f"which one? `python -m genstudio jobs {what} JOB`, with a name that `jobs list` shows")
    elif what == "delete":
        jobs.delete(id)
        print(f"{id} is deleted")
        return
    else:
        found = [getattr(jobs, what)(id)]
    if json:
        print(jsons.dumps([_facts(job) for job in found], indent=1))
        return
    for job in found:
        print(_line(job))
    if not found:
        print("No trainings yet. The page's Train tab begins them.")


def _facts(job) -> dict:
    facts = {"id": job.id, "state": job.state, "why": job.why and job.why.en, "folder": str(job.folder)}
    return {**facts, **asdict(job.spec), "report": job.reports[-1] if job.reports else None}


def _line(job) -> str:
    words = [f"{job.id:<32} {job.state:<9}"]
    if job.reports:
        report = job.reports[-1]
        words.append(f"{report['images']} pictures, step {report['step']} of {report['steps']}")
        if job.state == "running":
            words.append(f"{report['rate']:.3g}/s, {clock(report['eta'])} left")
    return ", ".join(words) + (f": {job.why.en}" if job.why else "")
