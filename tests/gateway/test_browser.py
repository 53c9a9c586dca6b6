"""The pages in a real browser: submit, watch the progress, cancel; without script, too."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gateway.browsing import CHROMIUM, chromium
from tests.gateway.served import TOKENS, Served

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

NEW = "/v1/pages/new/tests.support.works."

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def alice(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Opens Alice's browser, which asks her for the password once; fails if a page complains."""
    complaints: list[str] = []
    contexts = []

    def open(**how: Any) -> Page:
        password = {"username": "alice", "password": TOKENS["alice"]}
        contexts.append(browser.new_context(base_url=served.url, http_credentials=password, **how))  # type: ignore[arg-type]  # a TypedDict of playwright's
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text))
        return page

    yield open
    for each in contexts:
        each.close()
    assert complaints == []


def submit(page: Page, name: str, payload: str) -> None:
    page.goto(f"{NEW}{name}")
    page.get_by_label("Payload").fill(payload)
    page.get_by_role("button", name="Submit").click()


def test_submit_watch_and_cancel(alice: Callable[..., Page], web: httpx.Client) -> None:
    page = alice()
    page.goto("/v1/pages")
    page.get_by_role("link", name="tests.support.works.count_to").click()
    page.get_by_label("Payload").fill('{"total": 200}')
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("status")).to_have_text("Running")
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    bar = page.get_by_role("progressbar", name="Progress of the work")
    expect(page.locator("#note")).to_contain_text("of 200 · at")
    seen = int(bar.get_attribute("value") or "0")
    expect(bar).not_to_have_attribute("value", str(seen))
    assert int(bar.get_attribute("value") or "0") > seen
    expect(bar).to_have_attribute("max", "200")
    assert loads == []  # it moved by itself
    page.get_by_role("button", name="Cancel this work").click()
    expect(page.get_by_role("heading", name="The work was cancelled")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Cancelled")
    assert web.get(f"/v1/work/{page.url.rpartition('/')[2]}").json()["state"] == "CANCELLED"
    assert TOKENS["alice"] not in page.content() + page.url


def test_the_result_shows_by_itself(alice: Callable[..., Page]) -> None:
    page = alice(color_scheme="dark")
    submit(page, "count_to", '{"total": 8}')
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    expect(page.locator("pre")).to_have_text("8")


def test_without_script_the_page_comes_again_by_itself(alice: Callable[..., Page]) -> None:
    page = alice(java_script_enabled=False)
    submit(page, "count_to", '{"total": 12}')
    expect(page.get_by_role("button", name="Cancel this work")).to_be_visible()
    expect(page.get_by_role("heading", name="Result")).to_be_visible()


def test_a_page_of_another_site_cannot_cancel(alice: Callable[..., Page], served: Served) -> None:
    page = alice()
    submit(page, "count_to", '{"total": 100}')
    expect(page.get_by_role("status")).to_have_text("Running")
    place = page.url
    other = page.context.new_page()
    other.set_content(f'<form method="post" action="{place}/cancel"><button>You have won</button></form>')
    with other.expect_navigation() as answer:
        other.get_by_role("button").click()
    assert answer.value.status == 403
    other.close()
    expect(page.get_by_role("status")).to_have_text("Running")
    page.get_by_role("button", name="Cancel this work").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled")
