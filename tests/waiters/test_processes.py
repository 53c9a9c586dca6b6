"""Waiters across `fork`: an inherited waiter gets its answer in the child, and the child's end takes nothing away."""

import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest

from askfirst import Reason, State
from askfirst.interest.ledger import Ledger
from askfirst.tasks.definition import work_type_of
from askfirst.tasks.published import publish
from tests.support import works
from tests.support.callers import Caller
from tests.support.lanes import Lane
from tests.support.servers import RedisServer

Start = Callable[..., Caller]

#: The child does its part in `child`, and the parent waits for its end.
OS_FORK = """
import traceback

def in_child(child):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
"""
OS_FORK_AND_SYS_EXIT = """
def in_child(child):
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)  # runs what is registered at exit
    assert os.waitpid(pid, 0)[1] == 0
"""
MULTIPROCESSING = """
def in_child(child):
    import multiprocessing
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
"""


@pytest.fixture(params=[OS_FORK])
def forking(request: pytest.FixtureRequest, caller: Start) -> Callable[[str], Caller]:
    """Starts a caller that can run a part of itself `in_child`."""

    def start(script: str) -> Caller:
        return caller(request.param + textwrap.dedent(script))

    return start


every_way_to_fork = pytest.mark.parametrize(
    "forking",
    [OS_FORK, OS_FORK_AND_SYS_EXIT, MULTIPROCESSING],
    ids=["os.fork", "sys.exit", "multiprocessing"],
    indirect=True,
)


@every_way_to_fork
def test_an_inherited_waiter_gets_its_result_in_child_and_parent(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        say(waiter.id)
        in_child(lambda: say("child", waiter.result()))
        say("parent", waiter.result())
        """
    )
    id = process.line()
    lane.answer(id)
    assert process.rest() == ["child 42", "parent 42"]


def test_an_answer_that_came_before_the_fork_is_in_the_child_too(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        say(waiter.id)
        waiter.result()
        in_child(lambda: say("child", waiter.result()))
        """
    )
    lane.answer(process.line())
    assert process.rest() == ["child 42"]


@every_way_to_fork
def test_the_childs_end_withdraws_nothing_of_the_parents(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        in_child(lambda: say("a child that has nothing to do with it"))
        in_child(lambda: say("child", waiter.done()))
        say(waiter.id)
        say("parent", waiter.result())
        """
    )
    assert process.line() == "a child that has nothing to do with it"
    assert process.line() == "child False"
    id = process.line()
    assert lane.state(id) is State.PENDING
    lane.answer(id)
    assert process.rest() == ["parent 42"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_of_multiprocessing_withdraws_at_its_end_and_warns_once(caller: Start, lane: Lane, method: str) -> None:
    process = caller(
        f"""
        import multiprocessing
        start = multiprocessing.get_context("{method}").Process
        child = start(target=submit_work, args=(works.add,), kwargs={{"a": 1, "timeout": 60}})
        child.start()
        child.join()
        say(child.exitcode)
        """
    )
    assert process.rest() == ["0"]
    [id] = lane.ledger.ids("default", State.CANCELLED, 0, 10)
    assert lane.status(id).reason == Reason.WITHDRAWN
    assert process.errors().count("1 work(s)") == 1
    assert len(process.errors().splitlines()) == 1


@pytest.mark.parametrize("forking", [MULTIPROCESSING], indirect=True)
def test_a_child_of_multiprocessing_withdraws_what_an_inherited_waiter_took(
    forking: Callable[[str], Caller], lane: Lane
) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        in_child(lambda: say(waiter.done(), waiter.status().callers))
        say(waiter.status().callers)
        waiter.cancel()
        """
    )
    assert process.rest() == ["False 2", "1"]


@pytest.mark.parametrize("forking", [MULTIPROCESSING], indirect=True)
def test_a_child_of_multiprocessing_ends_after_its_threads_have_what_they_wait_for(
    forking: Callable[[str], Caller], lane: Lane
) -> None:
    process = forking(
        """
        import threading
        def wait():
            waiter = submit_work(works.add, a=1, timeout=20)
            submitted.set()
            threading.main_thread().join()
            say(waiter.id)
            say(waiter.result())
        submitted = threading.Event()
        def child():
            threading.Thread(target=wait).start()
            submitted.wait(10)
        in_child(child)
        """
    )
    lane.answer(process.line())
    assert process.rest() == ["42"]
    assert process.errors() == ""


def test_the_child_withdraws_its_own_interest_only(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        in_child(lambda: say("child", waiter.cancel()))
        say(waiter.id)
        say("parent", waiter.result())
        """
    )
    assert process.line() == "child True"
    id = process.line()
    assert lane.state(id) is State.PENDING
    lane.answer(id)
    assert process.rest() == ["parent 42"]


def test_the_child_asks_for_work_of_its_own(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        submit_work(works.add, a=0, detached=True)
        def child():
            waiter = submit_work(works.add, a=1, timeout=20)
            say(waiter.id)
            say("child", waiter.result())
        in_child(child)
        waiter = submit_work(works.add, a=2, timeout=20)
        say(waiter.id)
        say("parent", waiter.result())
        """
    )
    lane.answer(process.line())
    assert process.line() == "child 42"
    lane.answer(process.line())
    assert process.rest() == ["parent 42"]


def test_an_inherited_waiter_fails_at_its_deadline_in_the_child(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        waiter = submit_work(works.add, a=1, timeout=1)
        def child():
            error = waiter.exception()
            say(type(error).__name__)
        in_child(child)
        """
    )
    assert process.rest() == ["WorkTimeout"]


@pytest.mark.parametrize(
    "how", ["concurrent.futures.wait([waiter])", "next(concurrent.futures.as_completed([waiter]))"]
)
def test_inherited_waiters_work_as_futures_in_the_child(forking: Callable[[str], Caller], lane: Lane, how: str) -> None:
    process = forking(
        f"""
        import concurrent.futures
        waiter = submit_work(works.add, a=1, timeout=4)
        def child():
            say("child begins")
            {how}
            say("child", waiter.result(0))
        say(waiter.id)
        in_child(child)
        """
    )
    id = process.line()
    assert process.line() == "child begins"
    lane.answer(id)
    assert process.rest() == ["child 42"]


def test_an_inherited_waiter_is_not_held_up_by_a_thread_of_the_parent_that_waits_for_it(
    forking: Callable[[str], Caller], lane: Lane
) -> None:
    process = forking(
        """
        import concurrent.futures, threading
        waiter = submit_work(works.add, a=1, timeout=8)
        thread = threading.Thread(target=lambda: next(concurrent.futures.as_completed([waiter])))
        thread.start()
        while not waiter._waiters:
            time.sleep(0.01)
        def child():
            waiter.done()
            say("child waits")
            say("child", waiter.result())
        say(waiter.id)
        with waiter._waiters[0].lock:  # as for a moment while it takes an answer
            in_child(child)
        thread.join()
        """
    )
    id = process.line()
    assert process.line() == "child waits"
    lane.answer(id)
    assert process.rest() == ["child 42"]


def test_an_inherited_waiter_calls_back_in_the_child(forking: Callable[[str], Caller], lane: Lane) -> None:
    process = forking(
        """
        import threading
        waiter = submit_work(works.add, a=1, timeout=4)
        def child():
            called = threading.Event()
            waiter.add_done_callback(lambda _: called.set())
            say("child waits")
            say(called.wait(5))
        say(waiter.id)
        in_child(child)
        """
    )
    id = process.line()
    assert process.line() == "child waits"
    lane.answer(id)
    assert process.rest() == ["True"]


def test_a_child_of_a_busy_caller_can_ask(forking: Callable[[str], Caller], lane: Lane) -> None:
    """Another thread may hold any lock of ours at the moment of the fork."""
    process = forking(
        """
        import threading
        over = threading.Event()
        def submit_all_the_time():
            while not over.is_set():
                submit_work(works.add, a=1, timeout=5, detached=True)
        threads = [threading.Thread(target=submit_all_the_time) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            in_child(lambda: say(submit_work(works.add, a=1, detached=True).remaining() > 0))
        over.set()
        """
    )
    assert process.rest(within=20) == ["True"] * 10


@pytest.mark.slow  # two or three thousand forks, one at each line
def test_a_child_can_ask_wherever_a_thread_of_the_caller_is(forking: Callable[[str], Caller], ledger: Ledger) -> None:
    """The lock that it holds may be ours, redis-py's or the standard library's."""
    ledger.publish_types({"by.name": publish(work_type_of(works.add))})
    process = forking(
        """
        import contextlib, faulthandler, linecache, select, signal, threading
        from askfirst.interest import forking
        forking._PATIENCE = 0.0  # who stands still would be waited for in vain
        arrived, go_on = os.pipe(), os.pipe()
        at = {}
        passed = set()
        guard = forking.no_fork_meanwhile.__wrapped__.__code__

        def is_counted(frame):
            "It is at the very lock that a fork takes first."
            return frame and (frame.f_code is guard or is_counted(frame.f_back))

        def stop_once(frame, event, argument):
            line = frame.f_code.co_filename, frame.f_lineno
            if event == "line" and line not in passed and line[0] != "<string>" and not is_counted(frame):
                passed.add(line)
                at[threading.get_ident()] = line
                os.write(arrived[1], b"%20d" % threading.get_ident())
                os.read(go_on[0], 1)
            return stop_once

        def ask_for_much():
            for key in "ab":
                waiter = submit_work(works.add, a=1, timeout=5, key=key)
                waiter.add_done_callback(repr)
                submit_work("by.name", a=1, timeout=5).cancel()
                submit_many(works.add, [{"a": 1}] * 3, detached=True)
                attach(waiter.id).cancel()
                submit_work(works.add, a=1, timeout=5, key=key).detach()
                submit_work(works.add, a=1, timeout=0.2).exception()
                waiter.cancel()

        def ask():
            faulthandler.dump_traceback_later(9)
            signal.alarm(10)
            threading.settrace(None)
            waiter = submit_work(works.add, a=1)
            with contextlib.suppress(TimeoutError):
                waiter.result(0.02)
            waiter.cancel()
            submit_work("by.name", a=1).cancel()

        threading.settrace(stop_once)
        thread = threading.Thread(target=ask_for_much)
        thread.start()
        while thread.is_alive():
            if select.select([arrived[0]], [], [], 0.1)[0]:
                line = at[int(os.read(arrived[0], 20))]
                try:
                    in_child(ask)
                except AssertionError:
                    say("a child fails if another thread is at", *line, linecache.getline(*line).strip())
                os.write(go_on[1], b".")
        say(len(passed) > 1000)
        os._exit(0)
        """
    )
    assert process.rest(within=600) == ["True"], process.errors()


#: Look-ups that take as long as they are let to.
SLOW_LOOK_UPS = """
import socket, threading
begun, ended, may_end = [], [], threading.Event()
look_up = socket.getaddrinfo

def look_up_slowly(*arguments):
    begun.append(arguments)
    may_end.wait(10)
    ended.append(arguments)
    return look_up(*arguments)

socket.getaddrinfo = look_up_slowly
thread = threading.Thread(target=lambda: submit_work(works.add, a=1, timeout=20))
thread.start()
while not begun:
    time.sleep(0.01)
"""


def test_no_process_forks_while_a_thread_looks_a_host_up(forking: Callable[[str], Caller], lane: Lane) -> None:
    """The C library's locks are not made anew for a child."""
    process = forking(
        SLOW_LOOK_UPS
        + textwrap.dedent(
            """
            os.register_at_fork(before=may_end.set)  # those who came last are called first
            in_child(lambda: say("looked up", len(ended), "of", len(begun)))
            """
        )
    )
    assert process.rest() == ["looked up 1 of 1"]


def test_a_fork_waits_for_no_look_up_that_takes_long(forking: Callable[[str], Caller], lane: Lane) -> None:
    """It waits for the network then, and holds no lock."""
    process = forking(
        SLOW_LOOK_UPS
        + textwrap.dedent(
            """
            from askfirst.interest import forking
            forking._PATIENCE = 0.5
            in_child(lambda: say("looked up", len(ended), "of", len(begun)))
            may_end.set()
            """
        )
    )
    assert process.rest() == ["looked up 0 of 1"]


def test_no_process_forks_while_a_thread_imports_what_another_broker_takes(caller: Start) -> None:
    process = caller(
        OS_FORK
        + textwrap.dedent(
            """
            import threading
            importing, may_end = threading.Event(), threading.Event()

            def import_slowly(event, arguments):
                if event == "import" and arguments[0] == "kombu.connection":
                    importing.set()
                    may_end.wait(10)

            def ask():
                return submit_work(works.add, a=1, detached=True).remaining() > 0

            sys.addaudithook(import_slowly)
            thread = threading.Thread(target=ask)
            thread.start()
            importing.wait(10)
            os.register_at_fork(before=may_end.set)  # those who came last are called first
            in_child(lambda: say(ask()))
            """
        ),
        broker_url="memory://",
    )
    assert process.rest() == ["True"]


#: Again and again a process in which threads use a model for the first time while children are forked.
FIRST_USES = """
import os, random, signal, sys, threading, time
from askfirst.interest import records
from askfirst.tasks.context import WorkContext
from askfirst.tasks.payload import Carrier
from askfirst.waiters.client import default_client

carrier = Carrier("a work", {"a": int})
pending = ["add", None, "PENDING", None, "1", None, None, "2", "0", None, "1", '{"done": 1}', None, None]
use = {
    "payload": lambda: carrier.encode({"a": 1}),
    "error": lambda: records.error_text("ValueError", "no"),
    "status": lambda: records.read_status("default:1", pending, 1),
    "progress": lambda: WorkContext(timeout=1, report=id).progress(1),
    "settings": default_client,
}[sys.argv[1]]

def try_once():
    for _ in range(3):
        threading.Thread(target=lambda: [use() for _ in range(5)]).start()
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            signal.alarm(5)
            use()
            os._exit(0)
        if os.waitpid(pid, 0)[1] != 0:
            os._exit(1)
        time.sleep(random.random() * 2e-4)
    os._exit(0)

sys.setswitchinterval(1e-6)
for _ in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        try_once()
    assert os.waitpid(pid, 0)[1] == 0, "a child hung"
"""


@pytest.mark.slow  # a child hung in one of some twenty to two hundred processes
@pytest.mark.parametrize("use", ["payload", "error", "status", "progress", "settings"])
def test_no_child_waits_for_the_first_use_of_a_model_by_another_thread(use: str) -> None:
    subprocess.run([sys.executable, "-c", FIRST_USES, use, "2000"], check=True, timeout=300)


def test_a_caller_uses_no_model_while_its_process_may_fork(caller: Start, lane: Lane) -> None:
    process = caller(
        """
        from askfirst.tasks.formats import FORMATS
        from tests.support.forking import uses_of_pydantic
        with uses_of_pydantic() as uses:
            FORMATS.check("2026-11-23T06:00:00Z", "date-time")
            waiter = submit_work(works.add, a=1, timeout=20)
            say(waiter.id)
            waiter.result()
            waiter.status()
            waiter = submit_work(works.add, a=1, timeout=20)
            say(waiter.id)
            waiter.exception()
            waiter.status()
            attach(waiter.id).exception()
        say(len(uses.guarded) > 5, *uses.open)
        """
    )
    lane.answer(process.line())
    lane.answer(process.line(), state=State.FAILED)
    assert process.rest() == ["True"]


def test_asking_imports_nothing(caller: Start, redis_server: RedisServer, ledger: Ledger) -> None:
    """A child forked during an import hangs at the same import: locks of modules are not made anew for it."""
    ledger.publish_types({"by.name": publish(work_type_of(works.add))})
    process = caller(
        """
        submit_work  # its first use may import what it likes
        sys.addaudithook(lambda event, arguments: say("imports", arguments[0]) if event == "import" else None)
        waiter = submit_work(works.add, a=1, timeout=0.2)
        say(waiter.status().state, type(waiter.exception()).__name__)
        submit_many("by.name", [{"a": 1}] * 3)[0].cancel()
        attach(waiter.id)
        """,
        redis_url=f"redis://localhost:{redis_server.port}/0",
    )
    assert process.rest() == ["PENDING WorkTimeout"]
