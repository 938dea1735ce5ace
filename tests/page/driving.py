"""How the tests use the page: by what people see, and what a screen reader says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page, Request


_KEPT = """() => new Promise((found) => {
  const asked = indexedDB.open("pestle");
  asked.onsuccess = () => {
    const all = asked.result.transaction("messages").objectStore("messages").getAll();
    all.onsuccess = () => {
      asked.result.close();
      found(all.result);
    };
  };
})"""

_RELOAD_ONCE = """([selector, count]) => {
  const look = () => {
    if (document.querySelectorAll(selector).length !== count) return;
    watcher.disconnect();
    location.reload();
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { subtree: true, childList: true, attributes: true });
}"""


class Watched:
    """Hears what a page complains of, and which addresses it asks."""

    def __init__(self, page: Page, url: str) -> None:
        self.allowed: tuple[str, ...] = ()
        """Complaints that hold one of these are expected."""
        self._url = url
        self._complaints: list[str] = []
        self._elsewhere: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("request", self._look)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(message.text)

    def _look(self, request: Request) -> None:
        if not request.url.startswith((f"{self._url}/", f"blob:{self._url}/")):
            self._elsewhere.append(request.url)

    def check(self) -> None:
        """Nothing went wrong, and nobody else was asked for anything."""
        unexpected = [
            each for each in self._complaints if not any(part in each for part in self.allowed)
        ]
        assert not unexpected, unexpected
        assert not self._elsewhere, self._elsewhere


class Chat:
    """A page, and what is done with it."""

    def __init__(self, page: Page, watched: Watched) -> None:
        self.page = page
        self.watched = watched

    @property
    def message(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def questions(self) -> Locator:
        return self.page.locator("article.question")

    @property
    def answers(self) -> Locator:
        return self.page.locator("article.answer")

    @property
    def titles(self) -> Locator:
        """The names of the chats at the left."""
        return self.page.locator("nav .title")

    def button(self, name: str, **options: Any) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True, **options)

    def kept(self) -> list[dict[str, Any]]:
        """The messages that the browser has on its disk."""
        found: list[dict[str, Any]] = self.page.evaluate(_KEPT)
        return found

    def reload_once(self, selector: str, count: int) -> None:
        """Leave the page and come back in the moment that it shows so many of these."""
        self.page.evaluate(_RELOAD_ONCE, [selector, count])

    def ask(self, text: str) -> None:
        """Say something; its answer is not waited for."""
        self.message.fill(text)
        self.message.press("Enter")

    def wait_until_answered(self) -> None:
        """No answer is being written any more."""
        from playwright.sync_api import expect

        expect(self.button("Stop")).to_have_count(0)
        expect(self.page.locator("article.answer[aria-busy=true]")).to_have_count(0)

    def answered(self, text: str) -> Locator:
        """Say something; the answer, once it is complete."""
        self.ask(text)
        self.wait_until_answered()
        return self.answers.last
