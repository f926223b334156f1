"""Options of the page's events: queueing and triggers. None of them is part of the public API."""

SILENT = dict(show_progress="hidden", api_visibility="private")

# Through Gradio's queue: without it no error message reaches the page.
QUIET = SILENT | dict(concurrency_limit=None)
# While one runs, others are dropped, the last one is kept, or all are.
ONCE, LAST, EACH = (QUIET | dict(trigger_mode=mode) for mode in ("once", "always_last", "multiple"))

# In one round trip without the queue, for drags: the engine has a queue of its own.
DIRECT = SILENT | dict(queue=False)
DRAG = DIRECT | dict(trigger_mode="always_last", show_progress_on=[])

# For events that update the whole page. With progress, the browser would search the page for each of its components, at
# every later event.
ANYTHING = QUIET | dict(show_progress_on=[])
