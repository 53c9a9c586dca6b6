"""As many schedules as one likes, without the time that it takes to put them one by one."""

from typing import Any

from askfirst.schedules.store import Store


def copy_schedule(redis: Any, store: Store, id: str, count: int) -> list[str]:
    """Copies of a schedule, `id.00000` and on, each as if it had been put."""
    keys = store.keys
    record, due = redis.hgetall(keys.schedule(id)), redis.zscore(keys.due, id)
    copies = [f"{id}.{n:05}" for n in range(count)]
    pipeline = redis.pipeline(transaction=False)
    for copy in copies:
        definition = record["definition"].replace(f'"id":"{id}"', f'"id":"{copy}"')
        pipeline.hset(keys.schedule(copy), mapping=record | {"definition": definition})
        pipeline.zadd(keys.ids, {copy: 0})
        if due is not None:
            pipeline.zadd(keys.due, {copy: due})
    pipeline.execute()
    return copies


def remove_copies(redis: Any, store: Store, copies: list[str]) -> None:
    """Takes them away again, with all they left."""
    keys = store.keys
    for start in range(0, len(copies), 500):
        page = copies[start : start + 500]
        kinds = (keys.schedule, keys.open, keys.buffered, keys.history, keys.entries)
        names = [key(id) for id in page for key in kinds]
        redis.unlink(*names)
        redis.zrem(keys.ids, *page)
        redis.zrem(keys.due, *page)
    redis.delete(keys.agenda)
