"""A worker boiled down to what the ledger sees of it, in a process of its own: takes messages, asks, ends runs, beats.

`python -m tests.support.claimer URL NAMESPACE NAME LIMIT` prints a line for every claim at which more ran than allowed,
and takes part until it is killed.
"""

import json
import random
import secrets
import sys
import time

import redis

from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from tests.support.lanes import Lane

_BEAT = 0.5  # seconds
LEASE = 2.0


def main(url: str, namespace: str, name: str, limit: int) -> None:
    ledger = Ledger(Line(url, 5.0), namespace, Policy(lease=LEASE, max_deliveries=1000))
    client = redis.Redis.from_url(url, decode_responses=True)
    lane = Lane(ledger, client)
    beat_at = 0.0
    while True:
        if time.monotonic() >= beat_at:
            beat_at = time.monotonic() + _BEAT
            ledger.beat(lane.name, name, 1, [])
            ledger.tend(lane.name, idle=True)
        found = client.brpop(list(lane.keys.queues), timeout=0.1)
        if found is not None:
            run(lane, name, json.loads(found[1])["properties"]["correlation_id"], limit)


def run(lane: Lane, name: str, id: str, limit: int) -> None:
    answer = lane.ledger.ask(id, worker=name, nonce=secrets.token_hex(8), message_deadline=lane.now() + 60_000)
    if answer is None or answer.verdict != "RUN":
        return
    # All works are of the limited type; those of killed claimers count until their lease is over.
    at_once = int(lane.redis.zcard(lane.keys.index("RUNNING")))
    if at_once > limit:
        print(f"{at_once} at once", flush=True)
    if random.random() < 0.3:
        time.sleep(random.random() * 0.005)
    lane.finish(lane.submission(id=id), fence=answer.fence)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
