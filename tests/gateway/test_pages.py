"""The pages as they are served: escaped, guarded, and the owner's alone. In a browser: test_browser.py."""

import httpx
import pytest

from tests.gateway.served import Served
from tests.support.eventually import eventually

PAGES = "/v1/pages"
WORKS = "tests.support.works."
EVIL = "<script>alert(1)</script>\"'&"


def submit(web: httpx.Client, name: str, payload: str, **headers: str) -> httpx.Response:
    """As the form of the page does it."""
    return web.post(f"{PAGES}/new/{WORKS}{name}", data={"payload": payload}, headers=headers)


def ended(web: httpx.Client, answer: httpx.Response) -> str:
    """The page of what was submitted, once it has ended."""
    assert answer.status_code == 303, answer.text

    def look() -> str | None:
        text = web.get(answer.headers["Location"]).text
        return text if "Cancel this work" not in text else None

    return eventually(look, what="it ends")  # type: ignore[return-value]  # eventually never returns None


def test_a_form_hands_over_a_work_and_its_page_shows_the_result(web: httpx.Client) -> None:
    form = web.get(f"{PAGES}/new/{WORKS}add").text
    assert "&#34;b&#34;: 1" in form  # the default
    page = ended(web, submit(web, "add", '{"a": 2}'))
    assert ">Completed</span>" in page
    assert ">3</pre>" in page
    assert "http-equiv" not in page  # nothing more to wait for


@pytest.mark.parametrize(
    ("payload", "status", "told"),
    [('{"a": "two"}', 422, "<code>a</code>"), ("{", 400, "The body is no JSON"), ("[1]", 422, "expected a JSON object"),
     (f'{{"a": "{"x" * 400_000}"}}', 413, "too large")],
)  # fmt: skip
def test_a_payload_that_is_wrong_is_shown_again_with_what_is_wrong(
    web: httpx.Client, payload: str, status: int, told: str
) -> None:
    answer = submit(web, "add", payload)
    assert answer.status_code == status
    assert told in answer.text


def test_whatever_works_and_callers_say_is_text(web: httpx.Client) -> None:
    failed = ended(web, submit(web, "fail", '{"text": "<script>alert(1)</script>\\"\'&"}'))
    assert "ValueError: &lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;" in failed
    wrong = submit(web, "add", f'{{"a": "{EVIL}')
    place = web.post(f"/v1/work/{WORKS}add?wait=5", json={"a": 1}, headers={"Idempotency-Key": EVIL}).json()["id"]
    for page in (failed, wrong.text, web.get(f"{PAGES}/work/{place}").text, web.get(PAGES).text):
        assert "<script>alert" not in page
    missing = web.get(f"{PAGES}/work/<script>alert(1)")
    assert missing.status_code == 404
    assert "<script>" not in missing.text


def test_lone_surrogates_do_not_break_a_page(web: httpx.Client) -> None:
    assert "\\ud800" in ended(web, submit(web, "fail", '{"text": "\\ud800"}'))


def test_every_page_is_guarded(web: httpx.Client) -> None:
    missing = f"{PAGES}/work/none"
    for place, status in ((PAGES, 200), (f"{PAGES}/new/{WORKS}add", 200), (missing, 404), (f"{PAGES}/other.js", 404)):
        answer = web.get(place)
        assert answer.status_code == status
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert "alices-token" not in answer.text
        assert "style=" not in answer.text


def test_the_script_and_the_style_are_served_as_what_they_are(web: httpx.Client) -> None:
    for file, kind in (("live.js", "text/javascript"), ("style.css", "text/css")):
        answer = web.get(f"{PAGES}/{file}")
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        assert answer.headers["Content-Type"].startswith(kind)
    for file in ("work.html", "..%2Froutes.py", "%2e%2e", "live.js%00"):
        assert web.get(f"{PAGES}/{file}").status_code == 404


def test_an_owner_sees_and_cancels_their_own_works_only(served: Served, web: httpx.Client, bob: httpx.Client) -> None:
    place = submit(web, "count_to", '{"total": 100}').headers["Location"]
    assert place not in bob.get(PAGES).text
    assert bob.get(place).status_code == bob.post(f"{place}/cancel").status_code == 404
    assert place in web.get(f"{PAGES}?limit=5").text
    with httpx.Client(base_url=served.url, trust_env=False) as nobody:
        for path in (PAGES, place, f"{PAGES}/live.js"):
            assert nobody.get(path).status_code == 401
        assert nobody.post(f"{place}/cancel").status_code == 401
    assert web.post(f"{place}/cancel").headers["Location"] == place
    eventually(lambda: "The work was cancelled" in web.get(place).text, what="it is cancelled")


@pytest.mark.parametrize(
    "sent",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
     {"Origin": "null"}, {"Origin": "http://127.0.0.1"}],
)  # fmt: skip
def test_no_other_site_can_submit_or_cancel(served: Served, web: httpx.Client, sent: dict[str, str]) -> None:
    place = submit(web, "count_to", '{"total": 100}').headers["Location"]
    assert web.post(f"{place}/cancel", headers=sent).status_code == 403
    assert submit(web, "add", '{"a": 1}', **sent).status_code == 403
    # What a browser sends without asking first: no body, so that no type is needed.
    assert web.post(f"/v1/work/{WORKS}fail", headers=sent).status_code == 403
    for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": served.url}):
        assert submit(web, "add", '{"a": 1}', **own).status_code == 303
    assert "Cancel this work" in web.get(place).text
    web.post(f"{place}/cancel")


def test_older_works_are_on_further_pages(web: httpx.Client) -> None:
    for a in range(3):
        ended(web, submit(web, "add", f'{{"a": {a}}}'))
    page = web.get(f"{PAGES}?limit=2&state=COMPLETED").text
    assert page.count("state completed") == 2
    assert "state=COMPLETED&amp;after=" in page
    assert web.get(f"{PAGES}?limit=x").status_code == 422
