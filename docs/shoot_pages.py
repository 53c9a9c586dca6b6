"""Takes the picture of docs/gateway.md: a work under way, in Debian's Chromium.

    python -m docs.shoot_pages    write docs/images/gateway.png
"""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import expect

from askfirst.config import Settings
from tests.gateway.browsing import chromium
from tests.gateway.served import Served
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.servers import RedisServer

PICTURE = Path(__file__).parent / "images" / "gateway.png"
FORM = "/v1/pages/new/reports.build"


def main() -> None:
    """Starts a fleet and a gateway, and asks for a report as a person would."""
    with ExitStack() as stack:
        redis = RedisServer()
        stack.callback(redis.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(redis_url=redis.url(), namespace="pictures")
        worker = Worker(settings, folder, imports=("examples.works",))
        stack.callback(worker.close)
        served = Served(settings, folder, "reports.*", tokens={})
        stack.callback(served.close)
        web = stack.enter_context(served.client(""))
        eventually(lambda: web.get(FORM).status_code == 200, within=30, what="the worker publishes its types")
        page = stack.enter_context(chromium()).new_page(viewport={"width": 880, "height": 490})
        page.goto(served.url + FORM)
        page.get_by_label("Payload").fill('{"pages": 80}')
        page.get_by_role("button", name="Submit").click()
        expect(page.locator("#note")).to_contain_text(re.compile("page (4|5)[0-9]"), timeout=30_000)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE)
        page.get_by_role("button", name="Cancel this work").click()


if __name__ == "__main__":
    main()
