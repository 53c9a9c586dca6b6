"""The routes: each reads its request, asks the desk, and shows what came of it."""

import contextlib
import functools
import math
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..interest.errors import LedgerUnavailable, WorkError
from ..interest.records import lane_of
from ..waiters.waiter import WorkWaiter
from .desk import Desk
from .events import Event, Watch
from .leaving import Leaving
from .listing import read_selection
from .openapi import document
from .origins import refuse_foreign
from .owners import Tokens, anybody, owner_of
from .pages import Pages
from .problems import HUNG_UP, Problem, problem_of
from .reading import Wishes, is_json, read_body, read_payload, read_wishes
from .showing import View, accepted, answered, base, cancelled, described, location
from .waiting import Holds, Why

Authenticate = Callable[..., Any]
Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Response]])


def router(authenticate: Authenticate = anybody, *, expose: Collection[str] | None = None) -> APIRouter:
    """The gateway's routes under /v1, to be included in any FastAPI application.

    `authenticate` is a dependency that returns the owner of what the request asks for (a text), or raises; no owner can
    see or cancel another's works. `expose` are the names of the work types that may be asked for, or patterns such as
    "reports.*"; by default the setting `gateway_expose`. Needs the extra `gateway`.
    """
    return Routes(authenticate, expose).router


class _Place(APIRoute):
    """Below /work, a path is a work's or a work type's: `Allow` says what may be done with the one that it is."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in (self.methods or ()):
            _, before, last = scope["path"].rsplit("/", 2)
            allowed = "GET" if last == "events" and lane_of(before) else "GET, DELETE" if lane_of(last) else "POST"
            raise HTTPException(405, headers={"Allow": allowed})
        await super().handle(scope, receive, send)


class Routes:
    """The router and what it holds; `close` is for whoever serves it."""

    def __init__(self, authenticate: Authenticate, expose: Collection[str] | None) -> None:
        self.desk = Desk(expose)
        self.holds = Holds()
        self.leaving = Leaving(self.desk)
        self.watch = Watch(self.desk)
        self._security = authenticate.schemes if isinstance(authenticate, Tokens) else {}

        async def identify(request: Request, owner: Annotated[Any, Depends(authenticate)]) -> None:
            if not isinstance(owner, str):  # nobody, or an object that is another with each request
                raise TypeError(f"expected authenticate to return the owner as a text, got {type(owner).__name__}")
            request.state.askfirst_owner = owner

        self.router = APIRouter(prefix="/v1", tags=["work"], dependencies=[Depends(identify)])
        add = functools.partial(self.router.add_api_route, response_class=Response, response_model=None)
        place = functools.partial(add, route_class_override=_Place)
        place("/work/{name:path}", self._submit, methods=["POST"], name="askfirst-submit", status_code=202)
        add("/work", self._list, methods=["GET"], name="askfirst-list")
        add("/types", self._types, methods=["GET"], name="askfirst-types")
        add("/openapi.json", self._openapi, methods=["GET"], name="askfirst-openapi")
        place("/work/{id}/events", self._events, methods=["GET"], name="askfirst-events")
        place("/work/{id}", self._look, methods=["GET"], name="askfirst-look")
        place("/work/{id}", self._cancel, methods=["DELETE"], name="askfirst-cancel")
        Pages(self.desk).add_to(self.router)

    def close(self) -> None:
        """Lets held requests go; what they wait for goes on."""
        self.holds.close()
        self.watch.close()

    async def _submit(self, request: Request, name: str) -> Response:
        """Hands over a work; with `?wait=10` or `Prefer: wait=10`, waits for its result so many seconds."""
        return await _answering(self._submitted(request, name))

    async def _look(self, request: Request, id: str) -> Response:
        """How a work stands, with its result or what went wrong."""
        return await _answering(self._looked_at(request, id))

    async def _cancel(self, request: Request, id: str) -> Response:
        """Ends a work for all who wait for it: queued, it never starts; running, it is told to stop."""
        return await _answering(self._cancelled(request, id))

    async def _list(self, request: Request) -> Response:
        """The owner's works, newest first; `next` is what the next page is asked for with, as `after`."""
        return await _answering(self._listed(request))

    async def _types(self, request: Request) -> Response:
        """The work types that can be asked for, with the JSON schemas of their payloads and results."""
        return await _answering(self._described())

    async def _openapi(self, request: Request) -> Response:
        """The OpenAPI document, with a path for each work type that can be asked for."""
        return await _answering(self._documented(request))

    async def _events(self, request: Request, id: str) -> Response:
        """A work's state, progress and outcome as server-sent events."""
        return await _answering(self._streamed(request, id))

    async def _submitted(self, request: Request, name: str) -> Response:
        wishes, owner = read_wishes(request), owner_of(request)
        if not is_json(request):
            refuse_foreign(request)  # what is JSON, browsers don't send to other sites without asking them
        callee, limit = await self.desk.callee(name, wishes.timeout or math.inf)
        body = await read_body(request, limit)
        payload = read_payload(body)
        within = wishes.timeout or callee.timeout
        if wishes.wait > 0:
            waiter = await self.desk.run(
                lambda: self.desk.submit(callee, body, payload, wishes, owner), WorkWaiter.cancel, within
            )
            return await self._waited_for(request, waiter, wishes, owner)
        _, view = await self.desk.run(
            lambda: self.desk.accept(callee, body, payload, wishes, owner), lambda late: late[0].cancel(), within
        )
        return accepted(request, view)

    async def _waited_for(self, request: Request, waiter: WorkWaiter, wishes: Wishes, owner: str) -> Response:
        heard = {"Preference-Applied": f"wait={wishes.wait:g}"} if wishes.preferred else {}
        try:
            why = await self.holds.hold(request, waiter, wishes.wait)
            if why is Why.GONE:
                waiter.cancel()
                return Response(status_code=HUNG_UP)
            failure = waiter.exception() if why is Why.ANSWERED else None
            if isinstance(failure, WorkError):
                raise _at(request, waiter, problem_of(failure, id=waiter.id))
            status = await self.leaving.leave(waiter) if why is not Why.ANSWERED else None
            if status is not None and not status.state.ended:
                return accepted(request, View(status), heard)
            view = await self.desk.run(lambda: self.desk.look(waiter.id, owner))
        except LedgerUnavailable as error:
            # It goes on: detached already, or attached while this process lives.
            raise _at(request, waiter, problem_of(error)) from None
        except BaseException:
            waiter.cancel()
            raise
        return answered(request, view, heard)

    async def _looked_at(self, request: Request, id: str) -> Response:
        await self._refuse_name(id)
        owner = owner_of(request)
        return described(request, await self.desk.run(lambda: self.desk.look(id, owner)))

    async def _refuse_name(self, id: str) -> None:
        """Raises `Problem` if it is no work's id, but a work type's name."""
        if lane_of(id) is None:
            with contextlib.suppress(Problem):
                await self.desk.callee(id)
                raise HTTPException(405, headers={"Allow": "POST"})

    async def _listed(self, request: Request) -> Response:
        wanted, owner = read_selection(request), owner_of(request)
        return JSONResponse(await self.desk.run(lambda: self.desk.page(owner, wanted)))

    async def _described(self) -> Response:
        return JSONResponse({"types": await self.desk.run(self.desk.types)})

    async def _documented(self, request: Request) -> Response:
        types = await self.desk.run(self.desk.types)
        return JSONResponse(document(types, base(request), self._security))

    async def _streamed(self, request: Request, id: str) -> Response:
        owner, last = owner_of(request), request.headers.get("last-event-id", "")
        view = await self.desk.run(lambda: self.desk.look(id, owner))
        if view.status.state.ended and Event.of(view).id == last:
            return Response(status_code=204)  # it has seen all there will ever be: it need not come again
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self.watch.stream(view, owner, last), 200, headers, "text/event-stream")

    async def _cancelled(self, request: Request, id: str) -> Response:
        await self._refuse_name(id)
        owner = owner_of(request)
        return cancelled(await self.desk.run(lambda: self.desk.cancel(id, owner)))


def _at(request: Request, waiter: WorkWaiter, problem: Problem) -> Problem:
    problem.headers["Location"] = location(request, waiter.id)
    return problem


async def _answering(answer: Awaitable[Response]) -> Response:
    """What went wrong is an answer too, whatever handlers the application has."""
    try:
        return await answer
    except Problem as problem:
        return problem.response()
    except ClientDisconnect:
        return Response(status_code=HUNG_UP)
    except WorkError as error:
        return problem_of(error).response()
