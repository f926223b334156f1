"""The Latent space tab: interpolation of two or four pictures, directions, the map of 2D latents."""

from __future__ import annotations

from genstudio.ui import words as w
from genstudio.ui.views.atlas import Atlas
from genstudio.ui.views.directions import Directions
from genstudio.ui.views.interpolation import Interpolation
from genstudio.ui.views.learned import Learned
from genstudio.ui.views.plane import Plane
from genstudio.ui.views.tab import ViewsTab


class LatentTab(ViewsTab):
    place = ""
    needs = ("latents", "decode")
    opens_on = ("vae_avatars",)
    view_types = (Interpolation, Plane, Directions, Atlas, Learned)
    empty = w.NO_MODELS
    started = w.BECAME_START
    at_once = True

    def can_open(self, found: dict) -> bool:
        """True except for samples of models with a `sample` of their own, which other tabs show."""
        own = found.get("verb") == "sample" and hasattr(getattr(self.systems.get(found.get("system")), "model", None), "sample")
        return super().can_open(found) and not own
