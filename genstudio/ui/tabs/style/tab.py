"""The Style mixing tab: faces of rows and columns, mixed by layers."""

from __future__ import annotations

from genstudio.ui.tabs.style import words as w
from genstudio.ui.tabs.style.mixing import Mixing
from genstudio.ui.views.learned import Learned
from genstudio.ui.views.tab import ViewsTab


class StyleTab(ViewsTab):
    key, title = "style", w.TAB
    place = "style-"
    needs = ("styles", "synthesize")
    opens_on = ("stylegan2_faces", "stylegan2_avatars")
    view_types = (Mixing, Learned)
    empty = w.NO_MODELS
    picture_opened = w.PICTURE_OPENED
