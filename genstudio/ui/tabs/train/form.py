"""Form for a new training: pictures and a report on them, a system and its initial weights, its recipe."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from genstudio import catalog, checkpoint, data, paths
from genstudio.controls import Refusal, Text, number, thousands
from genstudio.data.archives import Count, counting
from genstudio.data.pairs import BAR
from genstudio.data.report import Survey, survey
from genstudio.registry import find_system, systems
from genstudio.system import Recipe, check_recipe
from genstudio.training import finetune, jobs
from genstudio.ui import html
from genstudio.ui.language import reason, t
from genstudio.ui.open_file import PUBLIC, amount
from genstudio.ui.sessions import Sessions
from genstudio.ui.tabs.train import words as w
from genstudio.ui.tabs.train.session import TrainSession

OPENS_ON = "vae_avatars"
MAIN = ("images", "rate")  # the others are collapsed
LISTED = 6  # names per row of the report
SHOW_EVERY = 0.3  # seconds between two updates
SETS = (".zip", ".pixels")  # suffixes of files that hold a set; any other file is a picture


def roots() -> list[Path]:
    """Folders whose pictures a visitor may train on: GENSTUDIO_FOLDERS, else the home of the studio's user."""
    said = os.environ.get("GENSTUDIO_FOLDERS")
    if said is not None:
        return [Path(root).expanduser().resolve() for root in said.split(os.pathsep) if root]
    return [] if PUBLIC else [Path.home().resolve(), paths.data().resolve()]


def allowed(word: str) -> str:
    """Check a path from a visitor, or two of them with a bar between. Raises ValueError with the reason if one may not
    be read."""
    if BAR in word:
        return BAR.join(allowed(part) for part in word.split(BAR))
    path = Path(word.strip()).expanduser().resolve()
    if not any(path.is_relative_to(root) for root in roots()):
        facts = {"path": path, "roots": ", ".join(map(str, roots()))}
        raise Refusal(*(w.OUTSIDE.say(lang, **facts) for lang in Text._fields))
    return str(path)


def starts(system: str) -> list[str]:
    """Checkpoints that a training of the system can start from."""
    return [name for name in catalog.available() if name.partition(".")[0] == system]


class TrainingForm:
    def __init__(self, sessions: Sessions[TrainSession]):
        self.sessions = sessions
        self.render()

    def render(self) -> None:
        with gr.Row(elem_classes="order"):
            with gr.Column(scale=6, min_width=300):
                gr.Markdown(f"### {t(w.PICTURES)}")
                self.source = gr.Radio([(t(w.OWN), "own"), (t(w.SET), "set")], value="own", label=t(w.SOURCE), elem_id="train-source")
                with gr.Column(elem_id="train-own") as self.own:
                    self.files = gr.HTML(elem_id="train-files", elem_classes="drop")
                    self.upload = gr.UploadButton(t(w.UPLOAD), elem_id="train-files-upload", file_count="multiple", size="sm")
                    hint = t(w.FOLDER_HINT)
                    self.folder = gr.Textbox(
                        "", label=t(w.FOLDER), info=hint, elem_id="train-folder", visible=bool(roots()), max_lines=1
                    )
                self.set = gr.Dropdown(sorted(data.SETS), value="avatars", label=t(w.SETS), visible=False, elem_id="train-set")
                self.report = gr.HTML(elem_id="train-report")
            with gr.Column(scale=5, min_width=300):
                gr.Markdown(f"### {t(w.SYSTEM)}")
                offered = sorted(((t(system.title), name) for name, system in systems().items()), key=lambda item: item[1])
                self.system = gr.Dropdown(offered, value=OPENS_ON, label=t(w.WHICH), elem_id="train-system")
                # The choices follow the system. Gradio would reject a value from before the change: `begin` checks.
                self.start = gr.Dropdown([], label=t(w.BEGIN_WITH), elem_id="train-start", allow_custom_value=True)
                gr.Markdown(f"### {t(w.NUMBERS)}")
                recipe = find_system(OPENS_ON).recipe
                self.numbers = {name: number_field(name, recipe) for name in MAIN}
                with gr.Accordion(t(w.MORE), open=False, elem_id="train-more"):
                    self.numbers |= {name: number_field(name, recipe) for name in w.RECIPE if name not in MAIN}
                self.duration = gr.HTML(elem_id="train-pace")
                self.go = gr.Button(t(w.START), variant="primary", elem_id="train-go")

    @property
    def inputs(self) -> set[gr.components.Component]:
        return {self.source, self.folder, self.set, self.system, self.start, *self.numbers.values()}

    @property
    def outputs(self) -> list[gr.components.Component]:
        chosen = [self.source, self.own, self.files, self.folder, self.set, self.report, self.system, self.start]
        return [*chosen, *self.numbers.values(), self.duration, self.go]

    # the pictures ---------------------------------------------------------------------------------------------------

    def show(self, session: TrainSession, source: str, lang: str) -> dict:
        """Updates for the selected source: the visitor's pictures, or a known set."""
        size = amount(sum(path.stat().st_size for path in session.files), lang)
        name = session.files[0].name if len(session.files) == 1 else f"{len(session.files)}"
        said = w.HERE_IS.say(lang, name=escape(name), size=size) if session.files else w.DROP.say(lang)
        hint = w.FOLDER_HINT.say(lang, roots=", ".join(map(str, roots())))
        return {
            self.source: source,
            self.own: gr.update(visible=source == "own"),
            self.files: f'<div class="waits">{said}</div>',
            self.folder: gr.update(info=hint),
            self.set: gr.update(visible=source == "set"),
        }

    def opening(self, session: TrainSession, lang: str) -> dict:
        """Updates of the form on a new page."""
        chosen = self.turned(OPENS_ON, lang)
        session.system, session.shown = OPENS_ON, {}
        return self.show(session, "own", lang) | chosen | self.propose(session, OPENS_ON, chosen[self.start]["value"], None, lang)

    def pictures(self, session: TrainSession, inputs: dict, lang: str) -> str:
        """The training data: name of a set, or a path. Raises ValueError if nothing is selected."""
        if inputs[self.source] == "set":
            return inputs[self.set]
        if (inputs[self.folder] or "").strip():
            return allowed(inputs[self.folder])
        if not session.files:
            raise ValueError(w.NO_PICTURES.say(lang))
        [first, *others] = session.files
        if not others and (first.suffix.lower() in SETS or zipfile.is_zipfile(first)):
            return str(first)
        folder = session.folder / "pictures"  # a folder of hard links to single pictures
        if not folder.exists():
            folder.mkdir()
            for i, file in enumerate(session.files):
                os.link(file, folder / f"{i:04d}-{file.name}")
        return str(folder)

    def read(self, session: TrainSession, inputs: dict, lang: str) -> Iterator[dict]:
        """Updates with the report on the pictures, and the numbers proposed for them."""
        yield {self.report: html.progress(None, w.READING.say(lang)), self.go: gr.update(interactive=False)}
        found = None
        try:
            pictures = self.pictures(session, inputs, lang)
            system, start = find_system(inputs[self.system]), self.begin(inputs)
            crop, reverse = (session.typed.get(name, getattr(system.recipe, name)) for name in ("crop", "reverse"))
            settings = finetune.image_shape(system, start), finetune.pairing(system, start), bool(crop), bool(reverse)
            places = [Path(part) for part in pictures.split(BAR)]
            key = pictures, *(path.stat().st_mtime_ns if path.exists() else 0 for path in places), settings
            if session.survey is None or session.survey[0] != key:
                for part in self.surveyed(pictures, settings, lang):
                    if isinstance(part, Survey):
                        session.survey = key, part
                    else:
                        yield {self.report: part}
            found = session.survey[1]
            yield {self.report: report(found, lang)}
        except ValueError as error:
            yield {self.report: f'<p class="warning">{escape(reason(error, lang))}</p>'}
        yield {self.go: gr.update(interactive=found is not None)} | self.propose(
            session, inputs[self.system], self.begin(inputs), found.count if found else None, lang
        )

    def surveyed(self, pictures: str, settings: tuple, lang: str) -> Iterator[str | Survey]:
        """Bars while a set is read, with the count of its pictures, and last the report on it."""
        count = Count()
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(counting, count, survey, pictures, *settings)
            while not wait([work], SHOW_EVERY).done:
                if count.of:
                    said = w.READING_OF.say(lang, done=thousands(count.done), of=thousands(count.of))
                    yield html.progress(min(1.0, count.done / count.of), said)
            yield work.result()

    # the numbers ----------------------------------------------------------------------------------------------------

    def turned(self, system: str, lang: str) -> dict:
        """Updates for another system: its initial weights."""
        names = starts(system)
        choices = [(w.SHIPPED.say(lang, name=name), name) for name in names] + [(w.SCRATCH.say(lang), "")]
        return {self.system: system, self.start: gr.update(choices=choices, value=names[0] if names else "")}

    def propose(self, session: TrainSession, system: str, start: str, count: int | None, lang: str) -> dict:
        """Updates with the recipe's numbers for `count` pictures; beside those that the visitor has set, as a hint."""
        own = find_system(system).recipe
        recipe = session.proposal = finetune.proposed(find_system(system), count) if start and count else own
        updates = {}
        for name, component in self.numbers.items():
            value, hint = getattr(recipe, name), w.RECIPE[name][1]
            if session.typed.get(name, value) != value:
                shown = w.PROPOSED.say(lang, value=number_text(value, lang))
                updates[component] = gr.update(info=f"{hint.say(lang)} {shown}")
            elif session.shown.get(name) != value:
                updates[component] = gr.update(value=value, info=t(hint))
                session.shown[name] = value
            else:  # as it stands: an update could overtake what is being typed
                updates[component] = gr.update(info=t(hint))
        return updates | {self.duration: self.duration_html(session, system, lang)}

    def type_number(self, session: TrainSession, name: str, value: Any) -> None:
        """Note that the visitor has set a number, or has cleared it."""
        session.shown.pop(name, None)
        if value in (None, ""):
            session.typed.pop(name, None)
        else:
            session.typed[name] = value

    def duration_html(self, session: TrainSession, system: str, lang: str) -> str:
        images = session.typed.get("images") or session.proposal.images
        return duration(system, images, lang)

    def begin(self, inputs: dict) -> str:
        """Checkpoint to start from, or "". One of another system, from before a change, becomes the default."""
        said, names = inputs[self.start] or "", starts(inputs[self.system])
        if said in ("", *names):
            return said
        if said not in catalog.available():
            raise Refusal(f"no checkpoint is called {said!r}", f"aucun fichier de poids ne s’appelle {said!r}")
        return names[0] if names else ""

    def recipe(self, inputs: dict) -> dict[str, Any]:
        """Numbers that differ from the system's defaults. Raises ValueError if one is not a number."""
        own, chosen = find_system(inputs[self.system]).recipe, {}
        for name, component in self.numbers.items():
            convert = type(getattr(own, name))
            try:
                chosen[name] = convert(inputs[component])
            except (TypeError, ValueError, OverflowError):
                title, value = w.RECIPE[name][0], inputs[component]
                raise Refusal(
                    f"{title.en} must be a number, not {value!r}", f"{title.fr} : un nombre, et non {value!r}"
                ) from None
        check_recipe(chosen)
        return {name: value for name, value in chosen.items() if value != getattr(own, name)}

    def place(self, session: TrainSession, inputs: dict, owner: str, lang: str) -> jobs.Job:
        """Start the job."""
        pictures = self.pictures(session, inputs, lang)
        mine = Path(pictures) if str(pictures).startswith(str(session.folder)) else None
        spec = jobs.JobSpec(inputs[self.system], pictures, self.begin(inputs) or None, self.recipe(inputs), owner)
        job = jobs.start(spec, upload=mine)
        session.typed = {}
        if mine:
            session.files = []
            session.drop("files")
        return job


def number_field(name: str, recipe: Recipe) -> gr.components.Component:
    title, hint = w.RECIPE[name]
    value, options = getattr(recipe, name), dict(label=t(title), info=t(hint), elem_id=f"train-{name}")
    if isinstance(value, bool):
        return gr.Checkbox(value, **options)
    return gr.Number(value, precision=0 if isinstance(value, int) else None, minimum=0, **options)


def number_text(value: float | bool, lang: str) -> str:
    if isinstance(value, bool):
        return (w.YES if value else w.NO).say(lang)
    return thousands(value) if isinstance(value, int) else number(value, "g", lang)


def duration(system: str, images: float, lang: str) -> str:
    """Estimate of the duration of a training on so many images, from the header of the shipped weights, and the time limit of this machine."""
    said, names = "", starts(system)
    if names and (header := checkpoint.describe(catalog.locate(names[0]))).images:
        minutes = max(1, round(images * header.minutes / header.images))
        said = w.DURATION.say(lang, minutes=thousands(minutes))
    if limit := jobs.Limits.here().minutes:
        said += " " + w.AT_MOST.say(lang, minutes=number(limit, "g", lang))
    return f'<p class="legend">{said}</p>'


# Report -------------------------------------------------------------------------------------------------------


def report(found: Survey, lang: str) -> str:
    sizes = [f"{width} × {height}" + (f" ({n})" if len(found.sizes) > 1 else "") for (width, height), n in found.sizes.items()]
    rows = {
        w.USABLE: thousands(found.count),
        w.HELD_OUT: thousands(found.held_out),
        w.SIZES: few(sizes, w.OTHER_SIZES, lang),
        w.CLASSES: few([f"{escape(name or '/')} ({n})" for name, n in found.classes.items()], w.OTHERS, lang),
        w.DUPLICATES: few([escape(" = ".join(group)) for group in found.duplicates], w.OTHERS, lang),
        w.NEAR: few([escape(" ≈ ".join(group)) for group in found.near], w.OTHERS, lang),
        w.REFUSED: few([escape(line.say(lang)) for line in found.refused], w.OTHERS, lang),
        w.IGNORED: few([escape(name) for name in found.ignored], w.OTHERS, lang),
        w.LAYOUT: "<br>".join(escape(line.say(lang)) for line in found.notes),
        w.PAIRS: "<br>".join(escape(f"{source} → {target}") for source, target in found.pairs),
        w.WILL_BE_DONE: "<br>".join(escape(line.say(lang)) for line in found.treatment),
    }
    table = "".join(f"<tr><th>{k.say(lang)}</th><td>{v}</td></tr>" for k, v in rows.items() if v)
    warned = "".join(f'<p class="warning">{escape(line.say(lang))}</p>' for line in found.warnings)
    sheet, said = (found.sheet, w.SHEET) if found.pair_sheet is None else (found.pair_sheet, w.PAIR_SHEET)
    picture = html.picture(html.png_uri(sheet), said.say(lang))
    return (
        f'{warned}<div class="survey"><figure><div class="frame">{picture}</div><figcaption>{said.say(lang)}</figcaption>'
        f"</figure><table>{table}</table></div>"
    )


def few(items: list[str], others: Any, lang: str) -> str:
    """The first `LISTED` items, and the number of the others."""
    more = [others.say(lang, count=len(items) - LISTED)] if len(items) > LISTED else []
    return "<br>".join([*items[:LISTED], *more])
