"""The stand-alone gateway: the routes, who may use them, and whether it lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..config import Settings
from ..interest.errors import WorkError
from .owners import LOCAL, Tokens
from .problems import Problem, problem_of
from .routes import Routes


def gateway_app(settings: Settings) -> FastAPI:
    """The gateway as an ASGI application; without tokens among the settings, only for clients of this machine."""
    routes = Routes(Tokens(settings.gateway_tokens) if settings.gateway_tokens else _local, settings.gateway_expose)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        routes.desk.close()

    app = FastAPI(title="askfirst", openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.state.routes = routes
    app.include_router(routes.router)

    @app.get("/livez")
    async def live() -> JSONResponse:
        """Whether the process answers."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def ready() -> Response:
        """Whether the ledger can be reached."""
        try:
            await routes.desk.run(routes.desk.ping)
        except WorkError as error:
            return problem_of(error).response()
        return JSONResponse({"status": "ok"})

    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)
    return app


async def _local(request: Request) -> str:
    """Without tokens, the browser of this machine must not be led here by a name that somebody else's DNS gives out."""
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        ours = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        ours = False
    if not ours:
        raise Problem(421, "wrong-host", "Wrong host", "expected Host to be localhost or an address of loopback")
    return LOCAL


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, "http", HTTPStatus(error.status_code).phrase, "", error.headers).response()


async def _bug(_: Request, error: Exception) -> Response:
    return Problem(500, "error", "Something went wrong in the gateway").response()
