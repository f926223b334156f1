"""How the page's events are sent. None of them is part of the public API."""

# Nor does one show Gradio's progress, for which the browser would look up, at each event, all that any event so far has
# had among its outputs: hundreds of components, in a search through the whole page for each.
SILENT = dict(show_progress="hidden", show_progress_on=[], api_visibility="private")

# Through Gradio's queue, which alone can carry a complaint back to the page.
QUIET = SILENT | dict(concurrency_limit=None)
# Dropped while one runs, the last kept, or every one.
ONCE, LAST, EACH = (QUIET | dict(trigger_mode=mode) for mode in ("once", "always_last", "multiple"))

# Straight to the handler and back in one round trip, as a drag wants it: the engine has a queue of its own.
DIRECT = SILENT | dict(queue=False)
DRAG = DIRECT | dict(trigger_mode="always_last")
