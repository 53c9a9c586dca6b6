"""Work by HTTP in an application of your own: `uvicorn examples.fastapi_app:app`.

Needs a worker: `askfirst worker --import examples.works` in another shell. Then:

    curl -H 'X-User: me' -H 'Content-Type: application/json' -d '{"pages": 3}' \
        'http://127.0.0.1:8000/work/v1/work/reports.build?wait=10'
"""

from typing import Annotated

from fastapi import FastAPI, Header, HTTPException

from askfirst.gateway import router


def current_user(x_user: Annotated[str | None, Header()] = None) -> str:
    """Stands for your own sign-in: whoever it returns sees their own works only."""
    if not x_user:
        raise HTTPException(401, "who are you?")
    return x_user


app = FastAPI(title="reports")
app.include_router(router(current_user, expose=["reports.*"]), prefix="/work")


@app.get("/")
def index() -> dict[str, str]:
    """Your own pages go on as ever."""
    return {"hello": "world"}
