"""A worker's pool is taught everything at once."""

import os
import signal
import time

from askfirst.config import Settings
from askfirst.workers.prefork import teach_pool
from askfirst.workers.runtime import Runtime
from tests.support.eventually import eventually
from tests.support.prefork import PROCESSES, pool_on_a_loop


def test_a_taught_pool_hands_over_sees_exits_flushes_in_order_and_stumbles_over_no_process() -> None:
    with pool_on_a_loop() as pool:
        teach_pool(Runtime(Settings(), None, own=True), pool.celerys, pool.semaphore)
        pool.listen()

        running = pool.apply(time.sleep, 2.0)
        assert running._write_to is not None
        eventually(lambda: pool.turn() and running._accepted, what="it runs")

        idle = next(pid for pid in pool.pids if pid != running._worker_pid)
        os.kill(idle, signal.SIGKILL)
        eventually(lambda: pool.turn() and idle not in pool.pids, what="its end is seen")
        assert pool.semaphore.value == PROCESSES - 1

        pool.semaphore.clear()
        pool.celerys.flush()
        assert pool.semaphore.value == PROCESSES - 1

        process = pool.processes._pool[0]
        pool.processes._untrack_child_process(process, pool.hub)
        pool.processes._track_child_process(process, pool.hub)
