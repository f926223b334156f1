"""Progress and results of a training: state, sample grids with fixed seeds, curves, weights."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np
from PIL import Image

from genstudio import checkpoint
from genstudio.controls import number, thousands
from genstudio.data.pairs import BAR
from genstudio.registry import find_system, systems
from genstudio.scores import evaluation
from genstudio.sharing import hub, hub_cache
from genstudio.training import jobs
from genstudio.training.jobs import Job
from genstudio.training.monitor import read_evaluations
from genstudio.training.sample_grid import makes_pictures
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.events import Variable
from genstudio.ui.language import t
from genstudio.ui.open_file import PUBLIC, amount
from genstudio.ui.sessions import url
from genstudio.ui.tabs.train import words as w
from genstudio.ui.tabs.train.session import TrainSession

EVERY = 1.5  # seconds between two updates
POINTS = 160  # per curve
THUMBNAIL = 2  # images per side of a card's picture: the first four of a sample grid
LINES = ("linear", "spherical", "third")  # CSS classes of curves


class Shown(NamedTuple):
    """State of a job on a visitor's page: only changes are sent."""

    id: str = ""
    state: str = ""
    reports: int = 0
    grids: int = 0
    newest: str = ""  # sample grid
    evaluations: int = 0


NOTHING = Shown()


class Follow:
    def __init__(self) -> None:
        self.head = gr.HTML(elem_id="job-head")
        with gr.Row(elem_classes="tools", elem_id="job-tools"):
            self.pause = gr.Button(t(w.PAUSE), elem_id="job-pause", visible=False, min_width=110, scale=0)
            self.resume = gr.Button(t(w.RESUME), elem_id="job-resume", visible=False, variant="primary", min_width=110, scale=0)
            self.stop = gr.Button(t(w.STOP), elem_id="job-stop", visible=False, variant="stop", min_width=150, scale=0)
            self.delete = gr.Button(t(w.DELETE), elem_id="job-delete", visible=False, min_width=110, scale=0)
        with gr.Column(visible=False, elem_id="job-result") as self.result:
            gr.Markdown(f"### {t(w.RESULT)}")
            with gr.Row(elem_classes="tools"):
                which = [(t(w.LAST), "last"), (t(w.BEST_WEIGHTS), "best")]
                self.which = gr.Radio(which, value="last", label=t(w.WHICH_WEIGHTS), elem_id="job-which", min_width=200)
                self.open = gr.Button(t(w.OPEN), elem_id="job-open", variant="primary", visible=not PUBLIC, min_width=150, scale=0)
            self.saved = gr.HTML(elem_id="job-saved")
            with gr.Accordion(t(w.HUB), open=False, visible=not PUBLIC, elem_id="job-hub"):
                gr.Markdown(t(w.HUB_HINT), elem_classes="caption")
                with gr.Row(elem_classes="tools"):
                    self.repo = gr.Textbox(label=t(w.REPO), placeholder=t(w.REPO_FORM), elem_id="job-repo", max_lines=1)
                    self.private = gr.Checkbox(True, label=t(w.PRIVATE), elem_id="job-private", min_width=140)
                    self.push = gr.Button(t(w.PUSH), elem_id="job-push", min_width=110, scale=0)
                self.pushed = gr.HTML(elem_id="job-pushed")
        self.grids = gr.HTML(elem_id="job-walls")
        self.snapshot = gr.Slider(0, 1, 1, step=1, label=t(w.SNAPSHOT), info=t(w.SNAPSHOT_HINT), visible=False, elem_id="job-snapshot")
        self.curves = gr.HTML(elem_id="job-curves")
        self.shown = Variable(NOTHING)
        self.timer = gr.Timer(EVERY, active=False)

    @property
    def outputs(self) -> list[gr.components.Component]:
        buttons = [self.pause, self.resume, self.stop, self.delete]
        rest = [self.snapshot, self.curves, self.shown, self.timer]
        return [self.head, *buttons, self.result, self.which, self.saved, self.pushed, self.grids, *rest]

    def show(self, job: Job | None, session: TrainSession, lang: str, before: Shown = NOTHING, place: float | None = None) -> dict:
        """Updates for all that has changed since `before`. `place`: index of the selected snapshot, or the newest."""
        if job is None:
            return self.empty(lang)
        grids, found = snapshots(job.folder), read_evaluations(job.folder)
        now = Shown(job.id, job.state, len(job.reports), len(grids), str(grids[-1:]), len(found))
        updates: dict[gr.components.Component, Any] = {self.shown: now, self.head: head(job, lang)}
        if (now.id, now.state) != (before.id, before.state):
            updates |= {
                self.pause: gr.update(visible=job.state in (jobs.RUNNING, jobs.WAITING)),
                self.resume: gr.update(visible=job.state in (jobs.PAUSED, jobs.STOPPED, jobs.FAILED)),
                self.stop: gr.update(visible=job.state in (jobs.RUNNING, jobs.PAUSED) and job.images > 0),
                self.delete: gr.update(visible=job.state not in (jobs.PAUSING, jobs.STOPPING)),
                self.result: gr.update(visible=job.weights is not None),
                self.saved: self.save(job, "last", session, lang) if job.weights else "",
                self.which: "last",
                self.pushed: "",
                self.timer: gr.Timer(active=job.state in (*jobs.ACTIVE, jobs.WAITING)),
            }
        if (now.id, now.grids, now.newest) != (before.id, before.grids, before.newest):
            follows = place is None or before.id != now.id or place >= before.grids - 1
            at = len(grids) - 1 if follows else int(place)
            updates |= {
                self.grids: self.stage(job, grids, at, lang),
                self.snapshot: gr.update(maximum=max(1, len(grids) - 1), value=max(0, at), visible=len(grids) > 1),
            }
        if (now.id, now.reports, now.evaluations) != (before.id, before.reports, before.evaluations):
            updates[self.curves] = curves(job, found, lang)
        return updates

    def empty(self, lang: str) -> dict:
        hidden = (self.pause, self.resume, self.stop, self.delete, self.snapshot, self.result)
        return {
            self.head: f'<p class="empty">{w.NONE_YET.say(lang)}</p>',
            self.grids: "",
            self.curves: "",
            self.shown: NOTHING,
            self.timer: gr.Timer(active=False),
            **{component: gr.update(visible=False) for component in hidden},
        }

    def stage(self, job: Job, grids: Sequence[Path], place: float, lang: str) -> str:
        """Sample grids of a snapshot: EMA weights, and raw weights of the same step, which are drawn less often."""
        if not grids and job.spec.system in systems():
            awaited = makes_pictures(find_system(job.spec.system).model)
            return f'<p class="empty">{w.NO_WALL.say(lang)}</p>' if awaited else ""
        if not grids:
            return ""
        at = min(len(grids) - 1, max(0, int(place)))
        shown, raw = [(grids[at], w.AVERAGE, w.AVERAGE_NOTE)], grids[at].parent / "raw" / grids[at].name
        if raw.exists():
            shown.append((raw, w.RAW, w.RAW_NOTE))
        figures = "".join(
            f'<figure><div class="frame">{html.picture(uri(grid), title.say(lang))}</div><figcaption>'
            f"<b>{title.say(lang)}</b><span>{note.say(lang)}</span>"
            f"<output>{w.AT_STEP.say(lang, step=int(grid.stem))}</output></figcaption></figure>"
            for grid, title, note in shown
        )
        return f'<div class="stage walls">{figures}</div>'

    def save(self, job: Job, which: str, session: TrainSession, lang: str) -> str:
        """Download links of the results, copied to the session's folder, from which Gradio serves files."""
        weights = chosen(job, which, lang)
        target = session.place(result_name(job))
        shutil.copyfile(weights, target)
        size = amount(target.stat().st_size, lang)
        links = f'<a class="save" href="{url(target)}" download="{target.name}">{w.DOWNLOAD.say(lang, size=size)}</a>'
        if (film := job.weights.with_suffix(".webp")).exists():
            body = target.with_suffix(".webp")
            shutil.copyfile(film, body)
            links += f'<a class="save" href="{url(body)}" download="{body.name}">{page_words.SAVE_FILM.say(lang)}</a>'
        command = checkpoint.describe(weights).command
        made_by = f"{page_words.COMMAND.say(lang)} <code>{escape(command)}</code>"
        return f'<div class="done">{links}</div><p class="legend">{made_by}</p>'

    def share(self, job: Job, which: str, repo: str, private: bool, lang: str) -> Iterator[dict]:
        weights, name = chosen(job, which, lang), hub_cache.parse(repo.strip())
        yield {self.pushed: html.progress(None, w.PUSH.say(lang))}
        found = hub.push(hub.parcel(weights, name.repo), name.repo, private)
        yield {self.pushed: f'<p class="legend">{w.PUSHED.say(lang, url=escape(found))}</p>'}


# One training -------------------------------------------------------------------------------------------------


def snapshots(folder: Path) -> list[Path]:
    """Paths of a run's sample grids by step: those of both weights while it was watched, else those of a snapshot."""
    found = {int(path.stem): path for name in ("walls", "watch") for path in (folder / name).glob("*.png")}
    return [found[step] for step in sorted(found)]


def chosen(job: Job, which: str, lang: str) -> Path:
    best = job.folder / "best" / f"{job.spec.system}.safetensors"
    path = best if which == "best" and best.exists() else job.weights
    if path is None:
        raise ValueError(w.NO_WEIGHTS.say(lang))
    return path


def result_name(job: Job) -> str:
    """File name of the weights: <system>.<data>.safetensors"""
    words = "".join(c if c.isalnum() and c.isascii() else "-" for c in source(job)).strip("-")
    return f"{job.spec.system}.{words[:40] or 'trained'}.safetensors"


def source(job: Job) -> str:
    return " | ".join(Path(part).stem for part in job.spec.data.split(BAR))


def title(job: Job, lang: str) -> str:
    try:
        return find_system(job.spec.system).title.say(lang)
    except ValueError:  # of a file of one's own that is not here now
        return job.spec.system


def share_done(job: Job) -> float | None:
    return job.reports[-1]["step"] / job.reports[-1]["steps"] if job.reports else None


def head(job: Job, lang: str) -> str:
    """Header of a job: system, data, state, progress."""
    what = w.FROM_TO.say(lang, data=source(job), start=job.spec.init or w.SCRATCH.say(lang))
    state = w.STATES[job.state].say(lang)
    said, bar = "", ""
    if job.state in jobs.ACTIVE and not job.reports:
        bar = html.progress(None, w.STARTING.say(lang))
    elif job.reports:
        now = job.reports[-1]
        whole = now.get("whole") or now["images"] // now["step"] * now["steps"]  # older reports lack it
        numbers = {"images": thousands(now["images"]), "whole": thousands(whole), "rate": number(now['rate'], ".3g", lang), "left": time_left(now["eta"], lang)}
        said = (w.LEFT if job.state == jobs.RUNNING else w.SO_FAR).say(lang, **numbers)
        bar = html.progress(now["step"] / now["steps"], said)
        if now["step"] >= now["steps"] and job.state == jobs.RUNNING:  # what follows has no steps to count
            bar = html.progress(None, w.FINISHING.say(lang))
    why = ""
    if job.why:
        advice = w.GOES_ON.say(lang) if job.state == jobs.FAILED else ""
        why = f'<p class="warning">{escape(job.why.say(lang))} {advice}</p>'
    return f'<div class="job"><h3>{escape(title(job, lang))}</h3><p><b>{state}</b> <span>{escape(what)}</span></p>{why}{bar}</div>'


def time_left(minutes: float, lang: str) -> str:
    if minutes >= 60:
        return w.HOURS.say(lang, n=int(minutes // 60), m=int(minutes % 60))
    return w.MINUTES.say(lang, n=round(minutes)) if minutes >= 1 else w.SECONDS.say(lang, n=round(60 * minutes))


def card(job: Job, lang: str) -> tuple[str, str, str]:
    """Card of a job: id, title with state, picture."""
    done = share_done(job)
    running = done is not None and job.state in jobs.ACTIVE
    how = f"{100 * done:.0f} %" if running else w.STATES[job.state].say(lang).split(";")[0]
    return job.id, f"{title(job, lang)} · {how}", thumbnail(job)


def thumbnail(job: Job) -> str:
    grids = snapshots(job.folder)
    if not grids:
        return html.png_uri(np.full((2, 2, 3), 226, np.uint8))
    with Image.open(grids[-1]) as grid:
        side = grid.width * THUMBNAIL // 8
        return html.png_uri(np.asarray(grid.convert("RGB").crop((0, 0, side, min(side, grid.height)))))


def uri(path: Path) -> str:
    with Image.open(path) as image:
        return html.png_uri(np.asarray(image.convert("RGB")))


# Curves -------------------------------------------------------------------------------------------------------


def curves(job: Job, found: Sequence[evaluation.Evaluation], lang: str) -> str:
    """Warnings, then charts of the score and of every number of the reports, each on its own scale."""
    rows = job.reports
    terms = [row["terms"] for row in rows]
    warned = "".join(f'<p class="warning">{escape(text.say(lang))}</p>' for text in evaluation.warnings(found, terms))
    panels = [scores(found, lang)] if found else []
    if any("D(real)" in term for term in terms):
        names = ("D(fake)", "D(real)")
        verdicts = {w.term(name, lang): series(terms, name) for name in names}
        panels.append(panel(w.VERDICTS.say(lang), verdicts, lang, reference=0.5))
    names = list(dict.fromkeys(name for term in terms for name in term if not name.startswith("D(")))
    panels += [panel(w.term(name, lang), {"": series(terms, name)}, lang) for name in names]
    norms = [row.get("norms", {}) for row in rows]
    if players := list(dict.fromkeys(name for norm in norms for name in norm))[: len(LINES)]:
        named = {w.term(name, lang) if len(players) > 1 else "": series(norms, name) for name in players}
        panels.append(panel(w.NORMS.say(lang), named, lang))
    rates = [row.get("rates", {}) for row in rows]
    if names := list(dict.fromkeys(name for rate in rates for name in rate))[:1]:
        panels.append(panel(w.RATE.say(lang), {"": series(rates, names[0])}, lang))
    if rows and rows[-1].get("memory"):
        unit = " " + page_words.BYTES[3].say(lang)
        panels.append(panel(w.MEMORY.say(lang), {"": [row.get("memory", 0) / 1e9 for row in rows]}, lang, unit=unit))
    note = f'<p class="legend">{w.CURVES.say(lang)}</p>' if panels else ""
    return f'{warned}<div class="small-multiples">{"".join(panels)}</div>{note}'


def series(rows: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [row[name] for row in rows if name in row]


def panel(name: str, lines: Mapping[str, Sequence[float]], lang: str, reference: float | None = None, unit: str = "") -> str:
    """Chart of curves on one scale, with their last values."""
    lines = {label: every_nth([v for v in values if math.isfinite(v)]) for label, values in lines.items()}
    lines = {label: values for label, values in lines.items() if values}
    if not lines:
        return ""
    now = ", ".join(f"{label} {number(values[-1], '.3g', lang)}{unit}".strip() for label, values in lines.items())
    drawn = [(css, values if len(values) > 1 else values * 2) for css, values in zip(LINES, lines.values(), strict=False)]
    keys = "".join(f'<i class="{css}"></i>{escape(label)} ' for css, label in zip(LINES, lines, strict=False) if label)
    return (
        f'<figure class="multiple"><figcaption><b>{escape(name)}</b><output>{escape(now)}</output></figcaption>'
        f'{html.curve(drawn, None, reference, name)}<p class="legend">{keys}</p></figure>'
    )


def scores(found: Sequence[evaluation.Evaluation], lang: str) -> str:
    """Charts of the score, and of variety if the model generates from noise."""
    kind, best, last = evaluation.METRICS[found[-1].what], evaluation.best(found), found[-1]
    name = w.SCORE.say(lang, title=kind.title.say(lang))
    drawn = panel(name, {"": [c.distance.value for c in found if c.what == last.what]}, lang)
    low, high = (number(bound, ".3g", lang) for bound in (last.distance.low, last.distance.high))
    said = [w.BETWEEN.say(lang, low=low, high=high)]
    if best:
        value = number(best.distance.value, ".3g", lang)
        said.append(w.BEST.say(lang, value=value, images=thousands(best.images)))
    drawn = drawn.replace('<p class="legend"></p>', f'<p class="legend">{" · ".join(said)}</p>')
    if varied := [c.variety for c in found if c.variety is not None]:
        drawn += panel(w.VARIETY.say(lang), {"": varied}, lang, reference=1.0)
    return drawn


def every_nth(values: Sequence[float]) -> list[float]:
    """Downsample to at most `POINTS` values by averaging neighbours."""
    if len(values) <= POINTS:
        return list(values)
    return [float(part.mean()) for part in np.array_split(np.asarray(values), POINTS)]
