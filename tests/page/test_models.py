"""From a first visit without a model to an answer; models chosen and unloaded; no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pestle import LLM
from pestle.server import Disk, ModelFile, create_app

from tests.server.scripted import scripted
from tests.server.serving import Client, serving
from tests.unit.models.hub_stand_in import HubStandIn

from .conftest import REPO
from .driving import Chat

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright: .[dev]").expect

Visit = Callable[[Client], Chat]
Serve = Callable[..., Client]
Make = Callable[..., LLM]


def test_the_first_visit(disk: Disk, serve: Serve, visit: Visit) -> None:
    page = visit(serve({}, disk=disk))
    expect(page.page.get_by_role("heading", name="Choose a model")).to_be_visible()
    expect(page.page.get_by_text("everything you write stays on this machine")).to_be_visible()
    expect(page.button("Get smollm2-360m")).to_be_visible()  # of the catalogue
    page.page.get_by_label("Name of a model on the Hugging Face hub").fill(f"{REPO}:Q4_0")
    page.button("Look it up").click()
    page.button(f"Get {REPO}:Q4_0").click()
    plan = page.page.get_by_label(f"What {REPO}:Q4_0 takes")
    expect(plan).to_contain_text("of the disk are free")
    expect(plan).to_contain_text("it fits")
    page.button("Download").click()
    row = page.page.get_by_role("listitem").filter(has=page.page.get_by_text(f"{REPO}:Q4_0"))
    row.get_by_role("button", name="Use").click()
    expect(page.page.get_by_text("Everything stays on this machine")).to_be_visible()
    expect(page.answered("Are you there?")).to_contain_text("Here I am.")
    # The next visit goes on with this model.
    page.page.reload()
    expect(page.message).to_be_visible()


def test_what_the_hub_does_not_have(disk: Disk, serve: Serve, visit: Visit) -> None:
    page = visit(serve({}, disk=disk))
    page.button("Get smollm2-360m").click()
    expect(page.page.locator(".notice.failed")).to_contain_text("SmolLM2-360M-Instruct-GGUF")
    page.watched.allowed = ("404 (Not Found)", "500 (Internal")


def test_a_download_that_fails_and_goes_on(
    disk: Disk, hub: HubStandIn, serve: Serve, visit: Visit
) -> None:
    page = visit(serve({}, disk=disk))
    page.page.get_by_label("Name of a model on the Hugging Face hub").fill(f"{REPO}:Q4_0")
    page.button("Look it up").click()
    page.button(f"Get {REPO}:Q4_0").click()
    expect(page.button("Download")).to_be_visible()
    hub.file_statuses = [403]
    page.button("Download").click()
    expect(page.page.get_by_role("alert")).to_contain_text(f"{REPO}: {hub.url} refuses access")
    page.button("Go on").click()
    expect(page.button("Use")).to_be_visible()


def test_models_are_chosen_and_unloaded(serve: Serve, visit: Visit, make_llm: Make) -> None:
    def file(name: str) -> ModelFile:
        return ModelFile(lambda progress: scripted(make_llm, [f"I am {name}."]), 10_000_000, 8192)

    files = {name: file(name) for name in ("small", "large")}
    page = visit(serve(files))
    expect(page.answered("Who are you?")).to_contain_text("I am small.")
    page.page.keyboard.press("Alt+m")
    dialog = page.page.get_by_role("dialog", name="Models")
    row = dialog.get_by_role("listitem").filter(has_text="large")
    expect(row).to_contain_text("not in memory, 10 MB, context of 8,192 tokens")
    row.get_by_role("button", name="Use").click()
    expect(dialog).to_have_count(0)
    expect(page.answered("And you?")).to_contain_text("I am large.")
    page.page.keyboard.press("Alt+m")
    row.get_by_role("button", name="Unload").click()
    expect(row).to_contain_text("not in memory")
    expect(row.get_by_role("button", name="Load")).to_be_visible()


def test_what_the_machine_is_doing(serve: Serve, visit: Visit, make_llm: Make) -> None:
    page = visit(serve(make_llm("on and on ", end=False, n_ctx=1 << 20)))
    doing = page.page.get_by_label("What this machine is doing")
    expect(doing).to_contain_text("idle")
    expect(doing).to_contain_text("GB free")
    page.ask("Go on.")
    expect(doing).to_contain_text("1 running")
    expect(doing).to_contain_text("tokens/s")
    page.button("Stop").click()
    expect(doing).to_contain_text("idle")


def test_a_server_that_is_gone_and_back(visit: Visit, make_llm: Make) -> None:
    gone = "The server does not answer."
    with serving(create_app(make_llm("Good."))) as client:
        page = visit(client)
        page.answered("One")
    page.watched.allowed = ("ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE", "403 (Forbidden)")
    page.page.evaluate("dispatchEvent(new Event('online'))")  # look now
    expect(page.page.get_by_role("alert")).to_contain_text(gone)
    expect(page.answers).to_contain_text("Good.")
    expect(page.button("Send")).to_be_disabled()
    with serving(create_app(make_llm("Better.")), port=client.port):
        page.page.evaluate("dispatchEvent(new Event('online'))")
        expect(page.page.get_by_role("alert")).to_have_count(0)
        expect(page.answered("Two")).to_contain_text("Better.")


def test_a_server_that_goes_in_the_middle_of_an_answer(visit: Visit, make_llm: Make) -> None:
    endless = make_llm("on and on ", end=False, n_ctx=1 << 20)
    with serving(create_app(endless), grace=0) as client:
        page = visit(client)
        page.ask("Go on.")
        expect(page.answers).to_contain_text("on and on")
    page.watched.allowed = ("ERR_",)
    expect(page.answers.get_by_role("alert")).to_contain_text("The server")
    expect(page.answers).to_contain_text("on and on")  # what had come is kept
    expect(page.answers.get_by_role("button", name="Try again")).to_be_visible()


def test_a_key_is_asked_for(serve: Serve, visit: Visit, make_llm: Make) -> None:
    from pestle.server import ServerOptions

    page = visit(serve(make_llm("Good."), options=ServerOptions(keys={"me": "secret"})))
    page.watched.allowed = ("401 (Unauthorized)",)
    page.page.get_by_label("The key that this server was started with").fill("secret")
    page.button("Use it").click()
    expect(page.answered("One")).to_contain_text("Good.")


def test_a_browser_on_another_machine_chats_but_does_not_manage(
    serve: Serve, visit: Visit, context: BrowserContext, make_llm: Make
) -> None:
    error = {"message": "only a browser on the server's own machine", "code": "page_elsewhere"}
    context.route("**/page/api/**", lambda route: route.fulfill(status=403, json={"error": error}))
    page = visit(serve({"one": make_llm("First."), "two": make_llm("Second.")}))
    page.watched.allowed = ("403 (Forbidden)",)
    expect(page.page.get_by_text("goes to the computer that this page came from")).to_be_visible()
    expect(page.answered("Hello")).to_contain_text("First.")
    page.page.keyboard.press("Alt+m")
    dialog = page.page.get_by_role("dialog", name="Models")
    expect(dialog.get_by_role("button", name="Unload")).to_have_count(0)
    dialog.get_by_role("button", name="Use").click()
    expect(page.answered("Hello")).to_contain_text("Second.")
    page.button("Export, import, save").click()
    expect(page.page.get_by_text("On this machine's disk")).to_have_count(0)
