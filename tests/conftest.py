"""Set-up that all tests share: where data lie, a home of their own, one headless Chromium."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before the first import of torch, genstudio or gradio: they read these when they start.
WORKER = "PYTEST_XDIST_WORKER" in os.environ  # one of several processes that share the tests
if WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # else each has as many threads as there are processors
HOME = tempfile.mkdtemp(prefix="genstudio-tests-")
os.environ["GENSTUDIO_HOME"] = HOME
os.environ["GRADIO_TEMP_DIR"] = os.path.join(HOME, "gradio")  # where visits keep files: another process has its own
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
if "GENSTUDIO_DATA" not in os.environ and SHARED.is_dir():
    os.environ["GENSTUDIO_DATA"] = str(SHARED)

import pytest  # noqa: E402
import torch  # noqa: E402

from genstudio import catalog, checkpoint, paths  # noqa: E402
from genstudio.engine.engine import Engine  # noqa: E402
from genstudio.registry import find_system  # noqa: E402
from tests import chromium  # noqa: E402


def pytest_sessionfinish() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Among several processes, files of the browser first: they are the longest, and short ones fill what is left."""
    if WORKER:
        items.sort(key=lambda item: item.get_closest_marker("browser") is None)


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory):
    """untrained(name): a checkpoint file of that system with the weights that it is born with."""
    folder = tmp_path_factory.mktemp("untrained")

    def path_of(name: str) -> str:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            judge = find_system(name).companions.get("judge")  # what is asked for guidance has to know the same classes
            classes = checkpoint.describe(catalog.locate(judge)).classes if judge in catalog.available() else []
            checkpoint.save(path, find_system(name).build(), checkpoint.Header(name, classes=classes))
        return str(path)

    return path_of


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread of PyTorch: small networks are slower with more, and equal bytes need equal numbers of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def exact() -> Engine:
    """An engine in plain float32."""
    return Engine("cpu", exact=True)


@pytest.fixture(scope="session")
def fast() -> Engine:
    """An engine as visitors meet it on a processor."""
    return Engine("cpu")


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """Headless Chromium: $CHROMIUM, or the one on the path. Skips without, fails with GENSTUDIO_REQUIRE_BROWSER=1."""

    def give_up(reason: str) -> None:
        (pytest.fail if os.environ.get("GENSTUDIO_REQUIRE_BROWSER") == "1" else pytest.skip)(reason)

    if not (executable := chromium.program()):
        give_up("no Chromium on this machine: set CHROMIUM or install it")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("playwright is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=chromium.ARGUMENTS)
        yield running
        running.close()


PAGE_SYSTEMS = (
    "vae_mnist", "vae_avatars", "dcgan_avatars", "ae2d_mnist", "vae2d_mnist", "stylegan2_avatars", "ae_mnist", "ae_topk_mnist",
    "ae_kl_sparse_mnist", "beta_vae2d_mnist", "realnvp_mnist",
)  # fmt: skip
WITH_CONTROLS = ("ae_topk_mnist", "ae_kl_sparse_mnist", "beta_vae2d_mnist")  # which weights as they are born hide
ASKED_FOR = {"cgan_mnist": tuple("0123456789")}  # systems that are asked for classes
SMALL = {"stylegan2.small": {"widths": [16, 16, 16]}}  # 16 px, untrained: for what takes long and needs no good picture


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The studio over the shipped checkpoints and a small one; untrained weights stand in for what is not shipped."""
    from genstudio.training import worker
    from genstudio.ui import studio
    from tests.small import awake

    folder = paths.home() / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*PAGE_SYSTEMS, *ASKED_FOR):
        if name not in catalog.available():
            header = checkpoint.Header(system=name, data=find_system(name).data, classes=list(ASKED_FOR.get(name, ())))
            model = awake(find_system(name)) if name in WITH_CONTROLS else find_system(name).build()
            checkpoint.save(folder / f"{name}.safetensors", model, header)
    for name, arguments in SMALL.items():
        system = find_system(name.partition(".")[0])
        header = checkpoint.Header(system=system.name, data=system.data, arguments=arguments)
        checkpoint.save(folder / f"{name}.safetensors", system.build(**arguments), header)
    page = studio.build(Engine())
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **studio.settings())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "NICENESS", 0)  # on a busy machine a polite training would not come to its first snapshot
        yield page.local_url
    page.close()


@pytest.fixture
def page(browser, server, request):
    """A fresh page on its opening picture. No console error, no failed request, none that leaves the machine.

    Weights that a visitor brings are gone afterwards.
    """
    from tests.ui.page import PATIENCE, idle, watch

    shelf = paths.home() / "checkpoints"
    shipped = set(shelf.iterdir())
    options = {"locale": "en-US", "viewport": {"width": 1400, "height": 1000}} | getattr(request, "param", {})
    context = browser.new_context(accept_downloads=True, **options)
    page, wrong = context.new_page(), []
    page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("pageerror", lambda e: wrong.append(f"page: {e}"))
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url[:200]}") if r.status >= 400 else None)
    here = ("data:", "blob:", server)
    page.on("request", lambda r: None if r.url.startswith(here) else wrong.append(f"left: {r.url[:200]}"))
    page.set_default_timeout(1000 * PATIENCE)
    watch(page)
    page.goto(server)
    page.wait_for_selector("#stage img")
    page.wait_for_selector("#strip img")
    page.wait_for_selector("#models .card")
    idle(page)
    yield page
    try:
        if page.url != "about:blank":
            idle(page)  # a page that is left complains of what it drops
    finally:
        context.close()
        for brought in set(shelf.iterdir()) - shipped:
            brought.unlink()
    assert not wrong
