"""Pages for people: submit a work, watch it live, cancel it. Rendered here, with no build step."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from ..interest.errors import WorkError
from ..interest.states import State
from .desk import Desk
from .listing import read_selection
from .origins import refuse_foreign
from .owners import owner_of
from .problems import HUNG_UP, Problem, no_such_type, problem_of, problem_of_ended
from .reading import FORM, Wishes, read_body, read_payload, too_large
from .showing import View, base

_NOSNIFF: Final = {"X-Content-Type-Options": "nosniff"}
_GUARD: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # not less: browsers would send no Origin with the forms then
    **_NOSNIFF,
    "X-Frame-Options": "DENY",
}
_SERVED: Final = {"style.css": "text/css", "live.js": "text/javascript"}
_PLAIN: Final = Wishes(key=None, timeout=None, importance="normal", wait=0.0, preferred=False)


class Pages:
    """The pages of one router, under /pages; what they do goes over the same desk as all else."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates = Environment(
            loader=PackageLoader("askfirst.gateway", "pages"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(time=_time, number="{:.6g}".format)

    def add_to(self, router: APIRouter) -> None:
        """Puts the pages among the routes."""
        add = functools.partial(
            router.add_api_route, response_class=Response, response_model=None, include_in_schema=False
        )
        add("/pages", self._index, methods=["GET"], name="askfirst-pages")
        add("/pages/{file}", self._file, methods=["GET"], name="askfirst-page-file")
        add("/pages/work/{id}", self._work, methods=["GET"], name="askfirst-page-work")
        add("/pages/work/{id}/cancel", self._cancel, methods=["POST"], name="askfirst-page-cancel")
        add("/pages/new/{name:path}", self._form, methods=["GET"], name="askfirst-page-new")
        add("/pages/new/{name:path}", self._submit, methods=["POST"], name="askfirst-page-submit")

    async def _index(self, request: Request) -> Response:
        """The work types that can be asked for, and the owner's works."""
        return await self._answering(request, self._listed(request))

    async def _work(self, request: Request, id: str) -> Response:
        """How a work stands, live."""
        return await self._answering(request, self._looked_at(request, id))

    async def _cancel(self, request: Request, id: str) -> Response:
        """Ends a work, and shows it again."""
        return await self._answering(request, self._cancelled(request, id))

    async def _form(self, request: Request, name: str) -> Response:
        """The payload of a new work, to be filled in."""
        return await self._answering(request, self._filled_in(request, name))

    async def _submit(self, request: Request, name: str) -> Response:
        """Hands over a work, and shows it."""
        return await self._answering(request, self._submitted(request, name))

    async def _file(self, request: Request, file: str) -> Response:
        """The style and the script."""
        return await self._answering(request, _served(file))

    async def _listed(self, request: Request) -> Response:
        wanted, owner = read_selection(request), owner_of(request)
        types = await self._desk.run(self._desk.types)
        page = await self._desk.run(lambda: self._desk.page(owner, wanted))
        names = [each["name"] for each in types]
        return self._page(request, "index.html", names=names, **page, states=list(State), chosen=wanted.state)

    async def _looked_at(self, request: Request, id: str) -> Response:
        owner = owner_of(request)
        view = await self._desk.run(lambda: self._desk.look(id, owner))
        problem = None
        if view.status.state.ended and view.status.state is not State.COMPLETED:
            problem = problem_of_ended(view.status).body
        return self._page(request, "work.html", work=view.body(), result=_result(view), problem=problem)

    async def _cancelled(self, request: Request, id: str) -> Response:
        refuse_foreign(request)
        owner = owner_of(request)
        await self._desk.run(lambda: self._desk.cancel(id, owner))
        return RedirectResponse(_paths(request)["work"](id), 303)

    async def _filled_in(self, request: Request, name: str) -> Response:
        schema = await self._schema(name)
        return self._page(request, "new.html", name=name, schema=schema, text=_skeleton(schema), problem=None)

    async def _submitted(self, request: Request, name: str) -> Response:
        refuse_foreign(request)
        owner = owner_of(request)
        callee, limit = await self._desk.callee(name)
        sent = await read_body(request, 3 * limit + 100, FORM)  # each byte may come as %XX
        text = parse_qs(sent.decode("ascii", "replace")).get("payload", [""])[0].strip()
        try:
            if len(text.encode()) > limit:
                raise too_large(limit)
            payload = read_payload(text.encode())
            waiter, _ = await self._desk.run(
                lambda: self._desk.accept(callee, text.encode(), payload, _PLAIN, owner),
                undo=lambda late: late[0].cancel(),
            )
        except (Problem, WorkError) as error:
            problem = error if isinstance(error, Problem) else problem_of(error)
            shown = {"name": name, "schema": await self._schema(name), "text": text, "problem": problem.body}
            return self._page(request, "new.html", problem.status, problem.headers, **shown)
        return RedirectResponse(_paths(request)["work"](waiter.id), 303)

    async def _schema(self, name: str) -> dict[str, Any]:
        for each in await self._desk.run(self._desk.types):
            if each["name"] == name:
                return dict(each["payload"])
        raise no_such_type(name)

    def _page(
        self, request: Request, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **shown: Any
    ) -> Response:
        text = self._templates.get_template(template).render(**shown, to=_paths(request))
        # What works and their callers say can hold lone surrogates, which UTF-8 can't carry.
        content = text.encode("utf-8", "backslashreplace")
        return Response(content, status, {**(headers or {}), **_GUARD}, "text/html; charset=utf-8")

    async def _answering(self, request: Request, answer: Awaitable[Response]) -> Response:
        try:
            return await answer
        except ClientDisconnect:
            return Response(status_code=HUNG_UP)
        except (Problem, WorkError) as error:
            problem = error if isinstance(error, Problem) else problem_of(error)
            return self._page(request, "problem.html", problem.status, problem.headers, problem=problem.body)


async def _served(file: str) -> Response:
    if file not in _SERVED:
        raise Problem(404, "unknown-page", "No such page")
    content = (files("askfirst.gateway") / "pages" / file).read_bytes()
    return Response(content, 200, {"Cache-Control": "private, max-age=60", **_NOSNIFF}, _SERVED[file])


def _paths(request: Request) -> dict[str, Callable[..., str]]:
    """The ways to other pages."""
    api = base(request)
    pages = f"{api}/pages"
    return {
        "index": lambda **query: f"{pages}?{urlencode(query)}" if query else pages,
        "file": lambda name: f"{pages}/{name}",
        "new": lambda name: f"{pages}/new/{quote(name)}",
        "work": lambda id: f"{pages}/work/{quote(id)}",
        "cancel": lambda id: f"{pages}/work/{quote(id)}/cancel",
        "events": lambda id: f"{api}/work/{quote(id)}/events",
    }


def _result(view: View) -> str | None:
    if view.status.state is not State.COMPLETED:
        return None
    return json.dumps(json.loads(view.result or "null"), indent=2, ensure_ascii=False)


def _time(at: str | None) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "–"


#: What a field begins with that has no default, by its type in JSON schema.
_BEGINNINGS: Final[dict[str, Any]] = {
    "string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {},
}  # fmt: skip


def _skeleton(schema: Mapping[str, Any]) -> str:
    """A payload to begin with: all that is required, and all defaults."""
    wanted = schema.get("required", ())
    fields = {
        name: about.get("default", _BEGINNINGS.get(str(about.get("type"))))
        for name, about in schema.get("properties", {}).items()
        if name in wanted or "default" in about
    }
    return json.dumps(fields, indent=2, ensure_ascii=False)
