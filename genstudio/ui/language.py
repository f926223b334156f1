"""The visitor's language, and sentences in it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from contextlib import contextmanager
from html import escape

import gradio as gr

from genstudio.controls import Text, sentence
from genstudio.ui.words import TABLE


def t(text: Text):
    """Register a sentence for a Gradio component; the browser chooses the language."""
    key = "genstudio_" + "".join(c if c.isalnum() else "_" for c in text.en)
    for language in Text._fields:
        TABLE.translations[language][key] = text.say(language)
    TABLE.translations["fr"][key] = unbroken(text.fr)
    return TABLE(key)


def unbroken(french: str) -> str:
    """A French sentence whose lines do not break before its marks."""
    return re.sub(r" (?=[:;?!»%])|(?<=«) ", "\u00a0", french)


def language(request: gr.Request | None) -> str:
    """The language of a visitor, for text that the server writes itself."""
    wanted = (request.headers.get("accept-language", "") if request else "").lower()
    return "fr" if wanted.startswith("fr") else "en"


def capital(said: str) -> str:
    return said[:1].upper() + said[1:]


def reason(error: Exception, lang: str) -> str:
    """Sentence of an error, in the visitor's language if it is a `Refusal`."""
    return capital(sentence(error).say(lang))


def sentence_of(remark: Text, lang: str) -> str:
    """A remark as a whole sentence."""
    return f"{capital(remark.say(lang))}."


def mention(remark: Text, lang: str) -> None:
    """Message of what a visitor should know of what was sent; the work goes on."""
    gr.Info(escape(sentence_of(remark, lang)), duration=8)


def friendly(handler: Callable) -> Callable:
    """Decorator of a handler: errors reach the visitor as one sentence, never as a traceback."""

    @contextmanager
    def complaints(*given):
        try:
            yield
        except (ValueError, ArithmeticError) as error:
            request = next((a for a in given if isinstance(a, gr.Request)), None)
            raise gr.Error(reason(error, language(request)), print_exception=False) from None

    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def wrapped(*args, **kwargs):
            with complaints(*args, *kwargs.values()):
                yield from handler(*args, **kwargs)

    else:

        @functools.wraps(handler)
        def wrapped(*args, **kwargs):
            with complaints(*args, *kwargs.values()):
                return handler(*args, **kwargs)

    return wrapped
