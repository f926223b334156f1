"""Two walks through all tabs in a real browser: on a phone, and in French."""

from __future__ import annotations

import pickle

import pytest

from genstudio import catalog
from genstudio.ui.tabs.translate.tab import TranslateTab
from tests.ui.page import JOURNEY, card, choose, drop, idle, turn_to_tab, turn_to_view

pytestmark = JOURNEY
PHONE = {"locale": "fr-FR", "viewport": {"width": 400, "height": 800}, "has_touch": True}


def fits(page) -> bool:
    """No sideways scrolling."""
    return page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_walk_on_a_phone(page, subtests):
    with subtests.test("the page needs no sideways scrolling and shows the picture first"):
        assert fits(page)
        assert page.locator("#stage").bounding_box()["y"] < page.locator("#from").bounding_box()["y"]

    with subtests.test("presenting can be left without a keyboard"):
        page.locator("#present").tap()
        page.wait_for_selector(".presenting")
        idle(page)
        assert fits(page)
        page.locator("#leave").tap()
        page.wait_for_selector(".masthead")
        idle(page)
        assert not page.locator(".presenting").count()

    with subtests.test("the card of a file is in French"):
        drop(page, ".masthead", pickle.dumps({"G": 1}), "network.pkl")
        text = card(page, "network.pkl")
        assert "en pickle Python" in text and "octets" in text and "Inutilisable." in text
        said = page.locator(".toast-wrap").inner_text()
        assert "Inutilisable." in said and "Warning" not in said
        assert fits(page)

    for view in ("plane", "directions"):
        with subtests.test("the views of a latent space need no sideways scrolling", view=view):
            turn_to_view(page, "#views", view)
            page.wait_for_selector(f"#{view}-stage img")
            assert fits(page)

    with subtests.test("the Style mixing tab fits and speaks French"):
        turn_to_tab(page, "style")
        page.wait_for_selector("#mix-matrix .matrix img")
        assert fits(page)
        assert page.locator("#mix-layers b").inner_text() == "Pris aux colonnes"

    with subtests.test("the Classes tab fits"):
        turn_to_tab(page, "classes")
        page.wait_for_selector("#classes-models .card")
        assert fits(page)

    with subtests.test("the Translate tab needs no sideways scrolling in any part"):
        turn_to_tab(page, "translate")
        page.wait_for_selector("#translate-tiles img")
        assert page.locator("#translated").bounding_box()["y"] < page.locator("#picture").bounding_box()["y"]
        painted = any(system.takes == "labels" for system in catalog.offered("translate").values())
        for part, title, _ in TranslateTab.part_types:
            if part == "paint" and not painted:
                continue
            turn_to_view(page, "#translate-views", part, title)
            assert fits(page), part

    with subtests.test("the Diffusion tab fits"):
        turn_to_tab(page, "diffusion")
        page.wait_for_selector("#lanes img")
        assert fits(page)

    with subtests.test("the Lab tab fits, also with two trainings"):
        turn_to_tab(page, "lab")
        page.wait_for_selector("#lab-stage canvas.plane")
        assert fits(page)
        page.locator("#lab-presets [data-pick=unrolled]").tap()
        page.wait_for_function("document.querySelectorAll('#lab-stage canvas.plane').length == 2")
        page.locator("#lab-play").tap()
        idle(page)
        assert fits(page)

    with subtests.test("the Train tab fits and speaks French"):
        turn_to_tab(page, "train")
        page.wait_for_selector("#jobs :is(.empty, .card)")
        assert "vos images" in page.locator("#train-order").inner_text()
        assert fits(page)


@pytest.mark.parametrize("page", [{"locale": "fr-FR"}], indirect=True)
def test_a_walk_in_french(page, subtests):
    def says(*words: str) -> None:
        text = page.locator("body").inner_text()
        assert not [word for word in words if word not in text]

    def spares(*words: str) -> None:
        text = page.locator("body").inner_text()
        assert not [word for word in words if word in text]

    with subtests.test("the page"):
        says("Espace latent", "Départ", "Sphérique", "Nouvelle graine", "visages dessinés", "Historique")
        spares("Start")

    with subtests.test("the views"):
        turn_to_view(page, "#views", "directions")
        says("Entre quatre", "plus grand effet", "Tout à zéro", "Aucune direction nommée", "ce processeur")
        spares("None named")

    with subtests.test("the Style mixing tab"):
        turn_to_tab(page, "style")
        says("Pris aux colonnes")

    with subtests.test("the Translate tab"):
        turn_to_tab(page, "translate")
        page.wait_for_selector("#translate-tiles img")
        says("Traduire", "Une image", "Dessiner", "avant", "après")
        spares("before", "Your picture")

    with subtests.test("the Translate tab, there and back"):
        if "cyclegan_glasses" not in catalog.available():
            pytest.skip("no weights of cyclegan_glasses are here")
        choose(page, "cyclegan_glasses", "#translators")
        page.wait_for_selector("#translate-tiles h3")
        says("où elle a changé", "Aller et retour", "vus de face")
        assert page.locator("#translate-direction input").input_value() == "mettre des lunettes"
        spares("before", "Your picture")

    with subtests.test("the Lab tab"):
        turn_to_tab(page, "lab")
        page.wait_for_selector("#lab-stage canvas.plane")
        says("Échecs et remèdes", "modes couverts", "Jeu : Non saturant", "Un pas de D", "Règles et pertes")
        assert page.locator("#lab-data input").input_value() == "Couronne de 8 gaussiennes"
        spares("modes covered", "One step")

    with subtests.test("the Train tab"):
        turn_to_tab(page, "train")
        says("vos images")
