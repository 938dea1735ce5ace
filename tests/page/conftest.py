"""The page in a real browser, before a server on a real port whose model says what a script has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pestle import LLM
from pestle.progress import Progress
from pestle.server import Disk, ModelFile

from tests.server.conftest import serve  # noqa: F401  (fixture)
from tests.server.scripted import scripted
from tests.server.serving import Client
from tests.unit.llm.conftest import make_llm  # noqa: F401  (fixture)
from tests.unit.models.conftest import caches, hub  # noqa: F401  (fixtures)
from tests.unit.models.hub_stand_in import HubStandIn, Repo
from tests.unit.sessions.models import write

from .driving import Chat, Watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
REPO = "user/model-GGUF"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Its driver's event loop is the main thread's while this is open: for a package."""
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]")
    program = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium-headless-shell")
    api.expect.set_options(timeout=60_000)
    with api.sync_playwright() as playwright:
        # Containers have no namespaces for its sandbox, and nothing but our page is shown in it.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody who was never here."""
    made = browser.new_context(viewport={"width": 1100, "height": 750}, locale="en-GB")
    made.set_default_timeout(60_000)
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def visit(context: BrowserContext) -> Iterator[Callable[[Client], Chat]]:
    """Open the page of a server; whatever it complains of, or asks of others, fails the test."""
    opened: list[Watched] = []

    def open_page(client: Client) -> Chat:
        page = context.new_page()
        opened.append(Watched(page, client.url))
        page.goto(client.url)
        return Chat(page, opened[-1])

    yield open_page
    for each in opened:
        each.check()


@pytest.fixture
def chat(
    visit: Callable[[Client], Chat],
    serve: Callable[..., Client],  # noqa: F811
    make_llm: Callable[..., LLM],  # noqa: F811
) -> Callable[..., Chat]:
    """The page before a model that gives these answers; keywords are those of `scripted`."""

    def start(*answers: Any, **options: Any) -> Chat:
        scripts: list[Any] = [[each] if isinstance(each, str) else each for each in answers]
        return visit(serve(scripted(make_llm, *scripts, **options)))

    return start


@pytest.fixture
def disk(caches: Path, hub: HubStandIn, make_llm: Callable[..., LLM]) -> Disk:  # noqa: F811
    """A disk without models, beside a hub that has one."""
    content = write(caches / "tiny.gguf").read_bytes()
    hub.repos[REPO] = Repo({"model-Q4_0.gguf": content})

    def open_file(name: str, path: Path) -> ModelFile:
        def load(progress: Progress) -> LLM:
            assert path.read_bytes() == content
            return scripted(make_llm, ["Here I am."])

        return ModelFile(load, len(content), 8192)

    return Disk(open_file)
