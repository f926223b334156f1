"""The `app` verb: launches the page."""

from __future__ import annotations

from genstudio.cli.flags import Commands


def add(commands: Commands) -> None:
    commands.add(app, "Opens the page.", "")


def app() -> None:
    from genstudio.ui.studio import launch

    launch()
