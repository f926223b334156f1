"""How the page's events are sent. None of them is part of the public API."""

SILENT = dict(show_progress="hidden", api_visibility="private")

# Through Gradio's queue, which alone can carry a complaint back to the page.
QUIET = SILENT | dict(concurrency_limit=None)
# Dropped while one runs, the last kept, or every one.
ONCE, LAST, EACH = (QUIET | dict(trigger_mode=mode) for mode in ("once", "always_last", "multiple"))

# Straight to the handler and back in one round trip, as a drag wants it: the engine has a queue of its own.
DIRECT = SILENT | dict(queue=False)
DRAG = DIRECT | dict(trigger_mode="always_last", show_progress_on=[])

# Of an event that may change anything on the page, the browser keeps no progress: else it would look up all of it, at every
# event from then on, in a search through the whole page for each component.
ANYTHING = QUIET | dict(show_progress_on=[])
