"""What the gateway is compared with: an endpoint that only does `apply_async`."""

import os

from celery import Celery
from fastapi import FastAPI
from fastapi.responses import JSONResponse

celery = Celery(broker=os.environ["ASKFIRST_REDIS_URL"])
app = FastAPI()


@app.post("/v1/work/bench.now")
def submit(payload: dict[str, float]) -> JSONResponse:
    """On a thread of FastAPI's pool, as such endpoints are written."""
    return JSONResponse({"id": celery.send_task("bench.now", kwargs=payload, queue="bare").id}, 202)
