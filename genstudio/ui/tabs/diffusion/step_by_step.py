"""A diffusion run step by step: x_t, the predictions of x_0 and of the noise; live, and afterwards with a slider.

From any step a branch continues with another seed, class, guidance or sampler.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from genstudio.controls import number
from genstudio.engine.trajectory import Step, after
from genstudio.images import enlarged, save_loop, save_png, to_pictures
from genstudio.recipes import commands, fields
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.assets import asset
from genstudio.ui.html import progress
from genstudio.ui.language import t
from genstudio.ui.open_file import amount
from genstudio.ui.panels import MEANT, Panel
from genstudio.ui.share import Share
from genstudio.ui.tabs.diffusion import words as w
from genstudio.ui.tabs.diffusion.backend import DiffusionBackend
from genstudio.ui.tabs.diffusion.session import MAX_BYTES, DiffusionSession, RecordedRun

SHOW_EVERY = 0.04  # seconds between two updates
COLUMNS = 9  # in the strip
LANES = (("x_t", w.NOISED, w.NOISED_NOTE), ("x_0", w.GUESS, w.GUESS_NOTE), ("noise", w.NOISE, w.NOISE_NOTE))
WAITING = f'<div class="stage three waiting">{"<figure></figure>" * 3}</div>'
FILM_SIDE, FILM_SECONDS, LAST_FRAME = 256, 4.0, 0.25  # pixels of a lane; seconds; the last frame's extra share
BRANCHES_BY = ("label", "guidance", "sampler")  # controls that a branch may change

# Moves the slider through the run, one step at a time; a second click stops it.
PLAY = asset("play.js")


class StepByStep:
    def __init__(self, backend: DiffusionBackend):
        self.backend = backend
        self.lanes = gr.HTML(WAITING, elem_id="lanes")
        self.stand = gr.HTML(elem_id="stand")
        with gr.Row(elem_classes="tools"):
            self.scrub = gr.Slider(0, 20, 20, step=1, label=t(w.SCRUB), info=t(w.SCRUB_HINT), elem_id="scrub")
            self.play = gr.Button(t(w.PLAY), elem_id="play", scale=0, min_width=110)
            self.start = gr.Button(t(page_words.RUN), elem_id="run", variant="primary", scale=0, min_width=110)
            self.stop = gr.Button(t(page_words.STOP), elem_id="run-stop", variant="stop", scale=0, min_width=110, visible=False)
        self.progress = gr.HTML(elem_id="run-progress")
        gr.Markdown(t(w.STRIP), elem_classes="caption")
        self.strip = gr.HTML(elem_id="run-strip", js_on_load=html.PICK)
        with gr.Accordion(t(w.BRANCH), open=True, elem_id="branch"):
            gr.Markdown(t(w.BRANCH_HINT), elem_classes="caption")
            with gr.Row(elem_classes="tools"):
                self.seed = gr.Number(1, precision=0, minimum=0, label=t(page_words.SEED), elem_id="branch-seed", min_width=100)
                self.panel = Panel(backend.systems, "denoise_from", "branch", BRANCHES_BY, hints=False)
                self.branch = gr.Button(t(w.BRANCH_GO), elem_id="branch-go", variant="primary", scale=0, min_width=140)
        gr.Markdown(t(page_words.HISTORY), elem_classes="caption")
        self.runs = gr.HTML(elem_id="runs", js_on_load=html.PICK)
        with gr.Accordion(t(page_words.SAVE_FILM), open=False, elem_id="run-save"), gr.Row(elem_classes="tools"):
            self.savers = {
                suffix: gr.Button(t(label), elem_id=f"run-{suffix[1:]}", size="sm", scale=0, min_width=140)
                for suffix, label in ((".png", w.AS_STRIP), (".webp", page_words.AS_WEBP), (".mp4", page_words.AS_MP4))
            }
            self.saved = gr.DownloadButton(visible=False, elem_id="run-file", size="sm", variant="primary", scale=0)
        with gr.Accordion(t(page_words.COMMAND), open=False, elem_id="run-recipe"):
            self.command = gr.Code(language="shell", interactive=False, show_label=False, lines=1, wrap_lines=True)
        self.share = Share("run-")

    @property
    def outputs(self) -> list[gr.components.Component]:
        moved = [self.lanes, self.stand, self.scrub, self.stop, self.progress, self.strip, self.seed, *self.panel.components.values()]
        return [*moved, self.runs, self.saved, self.command, *self.share.outputs]

    @property
    def front(self) -> list[gr.components.Component]:
        """Components that change with every step."""
        return [self.lanes, self.stand, self.progress, self.stop]

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.scrub, self.seed, *self.panel.components.values()}

    # a run ----------------------------------------------------------------------------------------------------------

    def run(self, session: DiffusionSession, scene: dict, lang: str, steps: Iterator[Step] | None = None) -> Iterator[dict]:
        """Updates while a scene is sampled, and last with the whole run. `steps`: its steps, if already begun."""
        run, kept, started, shown_at = session.begin("run"), [], time.monotonic(), 0.0
        session.made = scene | {"branches": []}
        yield {self.progress: progress(None, w.STARTING.say(lang)), self.stop: gr.update(visible=True)}
        schedule = self.backend.schedule(scene["system"])
        with closing(steps or self.backend.steps(session, scene)) as steps:
            for step in steps:
                if run.stopped:
                    break
                kept.append(step)
                now = time.monotonic()
                if now - shown_at > SHOW_EVERY and step.step < step.steps:
                    shown_at, done = now, max(1, len(kept) - 1)
                    left = max(1, round((now - started) * (step.steps - step.step) / done))
                    note = w.RUNNING.say(lang, step=step.step, steps=step.steps, left=left)
                    shown = {self.lanes: lanes(step, None, scene, lang), self.stand: stand(step, schedule, lang)}
                    yield shown | {self.progress: progress(step.step / step.steps, note)}
        if run.stopped and not run.cancelled:
            return  # replaced by a newer run, which updates the page
        if not kept:
            yield {self.progress: "", self.stop: gr.update(visible=False)}
            return
        made = self.backend.recipe(session, scene)
        yield self.show(session, session.keep(RecordedRun(scene, made, kept, len(kept), time.monotonic() - started)), lang)

    def branched(self, session: DiffusionSession, inputs: dict, lang: str) -> tuple[dict, Iterator[Step]]:
        """Branch of the run on the stage at the slider's step: its scene and its steps, the first of them kept ones."""
        if not session.runs:
            raise ValueError(w.NO_RUN.say(lang))
        run, at = session.runs[0], inputs[self.scrub]
        left = near(run, at)
        if left.time < 0:
            raise ValueError(w.NOT_NOISED.say(lang))
        scene = run.scene
        if len(scene["branches"]) >= fields.MAX_BRANCHES:
            raise ValueError(w.TOO_MANY.say(lang, most=fields.MAX_BRANCHES))
        able = self.backend.branch_controls(scene["system"])
        latest = scene["branches"][-1]["controls"] if scene["branches"] else scene["controls"]
        values = {name: latest.get(name, control.default) for name, control in able.items()}
        values |= self.panel.values(scene["system"], inputs) | {"steps": max(1, left.steps - left.step)}
        seed = fields.check_seed(inputs[self.seed])
        scene = scene | {"branches": [*scene["branches"], {"at": left.step, "seed": seed, "controls": values}]}

        def steps() -> Iterator[Step]:
            yield from (step for step in run.steps if step.step < left.step)
            picture = mask = None
            if scene["begin"] == "picture":
                picture, mask = self.backend.shown_to(session, scene["system"]), self.backend.mask(session, scene["system"])
            branch = self.backend.engine.denoise_from(scene["system"], left.x, left.time, [seed], picture, mask, **values)
            with closing(branch):
                yield from after(left, branch)

        return scene, steps()

    # rendering --------------------------------------------------------------------------------------------------------

    def show(self, session: DiffusionSession, run: RecordedRun, lang: str) -> dict:
        last, scene = run.steps[-1], run.scene
        note = w.TOOK.say(lang, steps=last.step, seconds=number(run.seconds, ".2f", lang))
        if not run.whole:
            note = w.STOPPED.say(lang, step=last.step, steps=last.steps)
        if len(run.steps) < run.made:
            most = MAX_BYTES // 2 // 10**6
            note += " " + w.THINNED.say(lang, kept=len(run.steps), steps=run.made, most=most)
        latest = scene["branches"][-1]["controls"] if scene["branches"] else scene["controls"]
        return {
            **self.at(run, last.step, lang),
            self.scrub: gr.update(maximum=max(1, last.step), value=last.step),
            self.stop: gr.update(visible=False),
            self.progress: f'<p class="legend">{note}</p>',
            **self.panel.show(scene["system"], {name: latest[name] for name in BRANCHES_BY if name in latest}),
            self.runs: self.history(session, lang),
            self.saved: gr.update(value=None, visible=False),
            self.command: commands.command(run.recipe),
            **self.share.show(run.recipe, lang),
        }

    def at(self, run: RecordedRun, number: int, lang: str, strip: bool = True) -> dict:
        """Updates with one step of a run, and with its strip if wanted."""
        step = near(run, number)
        schedule = self.backend.schedule(run.scene["system"])
        shown = {self.lanes: lanes(step, run.recipe, run.scene, lang), self.stand: stand(step, schedule, lang)}
        return shown | ({self.strip: strip_of(run, step, lang)} if strip else {})

    def history(self, session: DiffusionSession, lang: str) -> str:
        """Thumbnails of all results, newest first."""
        items = []
        for uri, recipe in session.results:
            branches = recipe.get("branches") or []
            said = [w.LEFT_AT.say(lang, at=branch["at"]) for branch in branches]
            label = (branches[-1] if branches else recipe)["controls"].get("label")
            label = MEANT[label].say(lang) if label in MEANT else str(label or "")
            titles = [f"{page_words.SEED.say(lang)} {recipe['seed']}", *([label] if label else []), *said]
            items.append((uri, " · ".join(titles)))
        return html.thumbnails(items, page_words.HISTORY_EMPTY.say(lang))

    def save(self, run: RecordedRun, suffix: str, lang: str) -> Any:
        """Save a run: its strip as PNG, or all of it as a film."""
        path = Path(tempfile.mkdtemp(prefix="run-")) / f"{run.scene['system']}-run{suffix}"
        if suffix == ".png":
            rows = [np.concatenate([getattr(s, lane)[0] for s in spaced(run.steps)], 1) for lane, _, _ in LANES]
            save_png(to_pictures(np.concatenate(rows)[None])[0], path, run.recipe)
        else:
            sheets = np.stack([np.concatenate([getattr(s, lane)[0] for lane, _, _ in LANES], 1) for s in run.steps])
            frames = enlarged(sheets, 3 * FILM_SIDE)
            save_loop(frames + frames[-1:] * max(1, round(LAST_FRAME * len(frames))), path, FILM_SECONDS)
        label = page_words.DOWNLOAD_FILE.say(lang, kind=suffix[1:].upper(), size=amount(path.stat().st_size, lang))
        return gr.update(value=str(path), label=label, visible=True)


def near(run: RecordedRun, number: Any) -> Step:
    """The kept step nearest to a step number."""
    return min(run.steps, key=lambda step: abs(step.step - float(number)))


def spaced(steps: list[Step]) -> list[Step]:
    """Evenly spaced steps: nine, or all if there are fewer."""
    count = min(COLUMNS, len(steps))
    return [steps[round(i * (len(steps) - 1) / max(1, count - 1))] for i in range(count)]


def lanes(step: Step, made: dict | None, scene: dict, lang: str) -> str:
    """The three images of a step. The last prediction of x_0 is the result, which can be saved with its recipe."""
    figures = ""
    for lane, label, note in LANES:
        image, final = getattr(step, lane)[0], lane == "x_0" and step.step == step.steps and made is not None
        label, note = (text.say(lang) for text in ((w.PICTURE, w.PICTURE_NOTE) if final else (label, note)))
        if final:
            shown = html.downloadable(
                html.png_uri(image, made), label, f"{scene['system']}.png", page_words.DOWNLOAD.say(lang)
            )
        else:
            shown = f'<div class="frame">{html.picture(html.png_uri(image), label)}</div>'
        figures += f'<figure class="{lane}">{shown}<figcaption><b>{escape(label)}</b> <span>{escape(note)}</span></figcaption></figure>'
    return f'<div class="stage three" data-step="{step.step}">{figures}</div>'


def stand(step: Step, schedule: Any, lang: str) -> str:
    """Position of a step on the noise schedule: alpha_bar(t) and signal-to-noise ratio."""
    if step.time < 0:
        said, mark = w.CLEAN.say(lang, step=step.step, steps=step.steps), 1.0
    else:
        ratio = 10 * np.log10(schedule.signal_to_noise(step.time))
        numbers = {"left": number(schedule.alpha_bar(step.time), ".3f", lang), "ratio": number(ratio, ".1f", lang)}
        said = w.STAND.say(lang, step=step.step, steps=step.steps, time=step.time, **numbers)
        mark = 1 - step.time / (schedule.steps - 1)
    times = np.linspace(schedule.steps - 1, 0, 61).astype(int)  # as the slider below runs: from noise to the picture
    alpha = [schedule.alpha_bar(int(t)) for t in times]
    note = w.ALPHA.say(lang)
    return f'<p class="stand"><output>{said}</output></p>{html.curve([("spherical", alpha)], mark, 0.5, note)}<p class="legend">{note}</p>'


def strip_of(run: RecordedRun, step: Step, lang: str) -> str:
    some = spaced(run.steps)
    rows = [
        (label.say(lang), [html.png_uri(getattr(s, lane)[0]) for s in some]) for lane, label, _ in LANES[:2]
    ]
    return html.strip(rows, [s.step for s in some], step.step, lang)

