"""The Latent space tab: interpolation of two or four pictures, directions, the map of 2D latents, what codes keep, a
flow layer by layer."""

from __future__ import annotations

from genstudio.ui.tabs.latent import words as w
from genstudio.ui.tabs.latent.atlas import Atlas
from genstudio.ui.tabs.latent.coefficient import Coefficient
from genstudio.ui.tabs.latent.combine import Combine
from genstudio.ui.tabs.latent.directions import Directions
from genstudio.ui.tabs.latent.flow import FlowView
from genstudio.ui.tabs.latent.interpolation import Interpolation
from genstudio.ui.tabs.latent.keeps import Keeps
from genstudio.ui.tabs.latent.plane import Plane
from genstudio.ui.views.learned import Learned
from genstudio.ui.views.tab import ViewsTab


class LatentTab(ViewsTab):
    key, title = "latent", w.TAB
    place = ""
    needs = ("latents", "decode")
    opens_on = ("vae_avatars",)
    view_types = (Interpolation, Plane, Directions, Atlas, Combine, Keeps, Coefficient, FlowView, Learned)
    at_once = True

    def restores(self, recipe: dict) -> bool:
        """True except for samples of models with a `sample` of their own, which other tabs show."""
        if not super().restores(recipe):
            return False
        return recipe["verb"] != "sample" or not hasattr(self.systems[recipe["system"]].model, "sample")
