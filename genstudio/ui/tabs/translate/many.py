"""Many files: pictures or a zip in, a zip of the results out, with a report line for each file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from html import escape
from pathlib import Path

import gradio as gr

from genstudio.data.reading import some
from genstudio.tasks.translate_files import Outcome, skipped, translate_files
from genstudio.ui import html
from genstudio.ui import words as page_words
from genstudio.ui.language import t
from genstudio.ui.open_file import amount
from genstudio.ui.sessions import url
from genstudio.ui.tabs.translate import words as w
from genstudio.ui.tabs.translate.backend import SHOW_EVERY, TranslateBackend
from genstudio.ui.tabs.translate.session import TranslateSession

LISTED = 400  # last lines of the report on the page


class Many:
    def __init__(self, backend: TranslateBackend):
        self.backend = backend
        gr.Markdown(t(w.MANY_HINT), elem_classes="caption")
        self.waiting = gr.HTML(elem_id="files", elem_classes="drop")
        with gr.Row(elem_classes="tools"):
            self.upload = gr.UploadButton(t(w.CHOOSE_FILES), elem_id="files-upload", file_count="multiple", min_width=140)
            self.start = gr.Button(t(page_words.RUN), elem_id="files-start", variant="primary", interactive=False, min_width=140)
            self.stop = gr.Button(t(w.KEEP), elem_id="files-stop", variant="stop", visible=False, min_width=140)
        self.report = gr.HTML(elem_id="files-report")
        gr.Markdown(t(w.NOT_KEPT), elem_classes="caption")

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.waiting, self.upload, self.start, self.stop, self.report]

    def show(self, session: TranslateSession, lang: str) -> dict:
        """Updates with the files to be translated."""
        said = w.NO_FILES.say(lang)
        if session.files:
            size = amount(sum(path.stat().st_size for path in session.files), lang)
            one = len(session.files) == 1
            said = (w.WAITING_ONE if one else w.WAITING_MANY).say(lang)
            said = said.format(name=escape(session.files[0].name), count=len(session.files), size=size)
        return {
            self.waiting: f'<div class="waits">{said}</div>',
            self.start: gr.update(interactive=bool(session.files), visible=True),
            self.upload: gr.update(visible=True),
            self.stop: gr.update(visible=False),
        }

    def take(self, session: TranslateSession, paths: Sequence[Path], lang: str) -> dict:
        session.end("many")
        session.take(paths)
        return self.show(session, lang) | {self.report: ""}

    def run(self, session: TranslateSession, scene: dict, lang: str) -> Iterator[dict]:
        """Updates with the report, and last the zip: valid even if stopped early."""
        if not session.files:
            raise ValueError(w.NOTHING_LEFT.say(lang))
        run, target = session.begin("many"), session.place(f"{scene['system']}.zip")
        settings = {key: scene[key] for key in ("view", "background", "detail")} | scene["controls"]
        lines: list[Outcome] = []
        started = shown_at = time.monotonic()
        busy = {self.start: gr.update(visible=False), self.upload: gr.update(visible=False), self.stop: gr.update(visible=True)}
        yield {**busy, self.report: html.progress(0, w.WORKING.say(lang))}
        with closing(translate_files(self.backend.engine, scene["system"], session.files, target, **settings)) as outcomes:
            for outcome in outcomes:
                lines.append(outcome)
                if run.stopped:
                    break
                if (now := time.monotonic()) - shown_at > SHOW_EVERY:
                    shown_at = now
                    left = round((now - started) / outcome.done * (outcome.of - outcome.done))
                    note = w.COUNTED.say(lang, done=outcome.done, of=outcome.of, left=left)
                    yield {self.report: html.progress(outcome.done / outcome.of, note) + listed(lines, lang)}
        if run.stopped and not run.cancelled:
            return
        yield self.show(session, lang) | {self.report: self.done(lines, target, run.stopped, lang) + rubbish(session.files, lang)}

    def done(self, lines: list[Outcome], target: Path, stopped: bool, lang: str) -> str:
        refused = sum(bool(line.trouble) for line in lines)
        written, of = len(lines) - refused, lines[-1].of if lines else 0
        early = stopped and len(lines) < of
        said = (w.DONE_STOPPED if early else w.DONE).say(lang, written=written, refused=refused, of=of)
        link = ""
        if written:
            label = f"{w.ZIP.say(lang)}, {amount(target.stat().st_size, lang)}"
            link = f'<a class="save" href="{url(target)}" download="{target.name}">{label}</a>'
        return f'<div class="done"><b>{said}</b>{link}</div>{listed(lines, lang)}'


def said(line: Outcome, lang: str) -> str:
    """Outcome of a file, in words."""
    return line.trouble.say(lang) if line.trouble else "; ".join(t.say(lang) for t in line.remarks or (w.WRITTEN,))


def rubbish(sources: Sequence[Path], lang: str) -> str:
    """Line on the files that were skipped, if there are any."""
    names = skipped(sources)
    return f'<p class="legend">{w.SKIPPED.say(lang, count=len(names), names=escape(some(names).say(lang)))}</p>' if names else ""


def listed(lines: Sequence[Outcome], lang: str) -> str:
    """Report with a line per file, newest first. File names are untrusted."""
    rows = "".join(
        f'<li class="{"refused" if line.trouble else ""}"><span>{escape(line.name)}</span>'
        f"<span>{escape(said(line, lang))}</span></li>"
        for line in reversed(lines[-LISTED:])
    )
    return f'<ol class="report">{rows}</ol>'
