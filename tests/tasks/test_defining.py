"""`@work` takes a function as it is, and refuses what could not be carried, with a text that names the place."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, InstanceOf

from askfirst import InvalidWork, Retry, WorkContext, work
from askfirst.config.units import LONGEST
from askfirst.tasks import registry, work_type_of


def test_the_function_stays_the_plain_function_it_is() -> None:
    @work(timeout=1, name="plain")
    def plain(a: int, b: int = 2) -> int:
        """Adds."""
        return a + b

    assert plain(1) == 3
    assert (plain.__name__, plain.__doc__) == ("plain", "Adds.")


def test_a_work_with_a_context_is_tested_with_one_of_the_tests_own() -> None:
    @work(timeout=1, name="with-context")
    def remaining(ctx: WorkContext) -> float:
        return ctx.remaining()

    assert 29 < remaining(WorkContext(timeout=30)) <= 30


def test_the_name_defaults_to_module_and_function() -> None:
    @work(timeout=1)
    def unnamed() -> None: ...

    assert work_type_of(unnamed).name.endswith(".unnamed")
    assert work_type_of(unnamed).name.startswith(unnamed.__module__)
    assert registry.find(work_type_of(unnamed).name) is work_type_of(unnamed)


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(30, 30.0), (0.5, 0.5), ("5m", 300.0), ("500ms", 0.5), (timedelta(hours=1), 3600.0)]
)
def test_durations_are_seconds_or_texts_or_timedeltas(timeout: Any, seconds: float) -> None:
    @work(timeout=timeout, name=f"lasting {timeout}".replace(" ", "-"))
    def lasting() -> None: ...

    assert work_type_of(lasting).timeout == seconds


def test_sizes_are_bytes_or_texts() -> None:
    @work(timeout=1, name="sized", max_payload="256KiB", retention="1h")
    def sized() -> None: ...

    assert work_type_of(sized).max_payload == 256 * 1024
    assert work_type_of(sized).retention == 3600


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 0}, "expected timeout to be more than 0 seconds, got 0"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "soon"}, "expected a duration"),
        ({"timeout": float("nan")}, "expected a duration"),
        ({"timeout": 10**400}, "timeout: expected a duration"),
        ({"timeout": True}, "expected a duration"),
        ({"timeout": None}, "expected a duration"),
        ({"name": ""}, "expected a name of 1 to 200 printable characters without spaces"),
        ({"name": "two words"}, "without spaces"),
        ({"lane": "fast lane"}, "expected lane to be 1 to 64 letters, digits, _ or -, got 'fast lane'"),
        ({"lane": "a.b"}, "expected lane"),
        ({"on_duplicate": "ignore"}, "expected on_duplicate to be one of join, reject, replace, got 'ignore'"),
        ({"retention": 0}, "retention"),
        ({"retention": 1e18}, "expected retention to be from 0 seconds to ten years, got 1e+18"),
        ({"expected": 1e300}, "expected expected to be from 0 seconds to ten years, got 1e+300"),
        ({"max_payload": 0}, "max_payload"),
        ({"max_payload": "much"}, "max_payload"),
        ({"expected": 0}, "expected expected to be more than 0 seconds"),
        ({"max_concurrent": 0}, "expected max_concurrent to be 1 or more, got 0"),
        ({"max_concurrent": True}, "expected max_concurrent to be 1 or more, got True"),
        ({"max_concurrent": "3"}, "expected max_concurrent to be 1 or more, got '3'"),
        ({"rate": "fast"}, "rate: expected a rate such as '10/s', '100/m' or '5/10s', got 'fast'"),
        ({"retry": 3}, "expected retry to be a Retry, got 3"),
        ({"retry": 0}, "expected retry to be a Retry, got 0"),
        ({"retry": Retry}, "expected retry to be a Retry, got <class"),
        ({"partition_by": "tenant"}, "expected partition_by to be a parameter (none), got 'tenant'"),
    ],
    ids=str,
)
def test_a_wrong_option_is_named(options: dict[str, Any], text: str) -> None:
    def function() -> None: ...

    given: dict[str, Any] = {"timeout": 1, "name": "wrong-option"} | options
    with pytest.raises(InvalidWork) as refused:
        work(**given)(function)
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_work_type_has_a_timeout() -> None:
    with pytest.raises(TypeError, match="timeout"):
        work()  # type: ignore[call-arg]  # that is the point


def test_a_decorator_without_parentheses_is_refused() -> None:
    with pytest.raises(TypeError):

        @work  # type: ignore[call-arg, arg-type]  # that is the point
        def function() -> None: ...


@pytest.mark.parametrize(
    "option", ["timeout", "key", "on_duplicate", "detached", "delay", "importance", "wait_for_room"]
)
def test_a_parameter_called_like_an_option_of_submit_work_is_refused(option: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def function({option}): ...", scope)
    with pytest.raises(InvalidWork, match=f"parameter '{option}' is an option of submit_work"):
        work(timeout=1, name="clash")(scope["function"])


@pytest.mark.parametrize("signature", ["*values", "**values", "value, /"])
def test_a_parameter_that_cannot_be_passed_by_name_is_refused(signature: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def function({signature}): ...", scope)
    with pytest.raises(InvalidWork, match="can't be passed by name"):
        work(timeout=1, name="unnameable")(scope["function"])


def test_a_context_that_is_not_the_first_parameter_is_refused() -> None:
    def function(a: int, ctx: WorkContext) -> None: ...

    with pytest.raises(InvalidWork, match="must be the first parameter, got it as 'ctx'"):
        work(timeout=1, name="late-context")(function)


def test_an_annotation_that_is_nowhere_defined_is_refused() -> None:
    def function(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # that is the point

    with pytest.raises(InvalidWork, match="'Nowhere'"):
        work(timeout=1, name="unresolved")(function)


class Opaque:
    """A class that pydantic knows nothing about."""


@pytest.mark.parametrize("kind", [Opaque, Callable[[], None], InstanceOf[Opaque]], ids=["class", "call", "instance"])
@pytest.mark.parametrize("where", ["argument", "result"])
def test_an_annotation_that_json_cannot_carry_is_refused(where: str, kind: Any) -> None:
    def takes(a: int) -> None: ...
    def gives() -> int: ...  # type: ignore[empty-body]  # never called

    takes.__annotations__["a"] = gives.__annotations__["return"] = kind
    with pytest.raises(InvalidWork, match="can't be carried as JSON") as refused:
        work(timeout=1, name="opaque")(takes if where == "argument" else gives)
    assert "\n" not in str(refused.value)


class Early(BaseModel):
    """Names a type that comes later in its module."""

    later: "Later"


@work(timeout=1, name="early")
def early(a: Early) -> None: ...


class Later(BaseModel):
    x: int


def test_a_model_may_name_a_type_that_is_defined_later() -> None:
    assert work_type_of(early).carrier.decode('{"a": {"later": {"x": 1}}}') == {"a": Early(later=Later(x=1))}


def test_two_functions_of_one_name_are_refused_and_the_first_is_named() -> None:
    def one() -> None: ...
    def two() -> None: ...

    work(timeout=1, name="twice")(one)
    with pytest.raises(InvalidWork, match=r"twice: the name is taken by .*one"):
        work(timeout=1, name="twice")(two)


def test_a_function_defined_again_is_the_same_work_type() -> None:
    """As when its module is imported anew."""

    def define() -> None:
        @work(timeout=1, name="again")
        def function() -> None: ...

    define()
    define()


def test_a_function_without_work_is_no_work() -> None:
    with pytest.raises(InvalidWork, match="expected a function declared with @work"):
        work_type_of(print)


# Retry


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"attempts": 0}, "expected Retry attempts to be a whole number of at least 1, got 0"),
        ({"attempts": 2.5}, "attempts"),
        ({"attempts": "3"}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"backoff": -1}, "expected Retry backoff to be from 0 seconds to ten years, got -1"),
        ({"backoff": float("nan")}, "backoff"),
        ({"backoff": float("inf")}, "backoff"),
        ({"backoff": "1s"}, "backoff"),
        ({"on": (int,)}, "expected Retry on to be a tuple of exception types, got .*int"),
        ({"on": ConnectionError}, "tuple"),
        ({"on": [ConnectionError]}, "tuple"),
    ],
    ids=str,
)
def test_a_wrong_retry_is_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidWork, match=text):
        Retry(**options)


def test_retries_pause_twice_as_long_each_time_and_end_after_the_last_attempt() -> None:
    retry = Retry(attempts=4, backoff=1, jitter=False)
    assert [retry.delay(ValueError(), failures) for failures in range(4)] == [1, 2, 4, None]


def test_jitter_takes_a_random_part_of_the_pause() -> None:
    pauses = {Retry(backoff=1).delay(ValueError(), 1) for _ in range(50)}
    assert len(pauses) > 40
    assert all(pause is not None and 0 <= pause <= 2 for pause in pauses)


@pytest.mark.parametrize(("failures", "backoff"), [(1, LONGEST), (1500, 1), (1500, 0)])
def test_no_pause_is_too_long_to_be_counted(failures: int, backoff: float) -> None:
    retry = Retry(attempts=2000, backoff=backoff, jitter=False)
    assert retry.delay(ValueError(), failures) == (LONGEST if backoff else 0)


@pytest.mark.parametrize("asked_for", [1e306, 10**400], ids=["float", "whole"])
def test_no_error_asks_for_a_pause_that_is_too_long_to_be_counted(asked_for: float) -> None:
    error = ValueError()
    error.retry_after = asked_for  # type: ignore[attr-defined]  # as many errors have it
    assert Retry().delay(error, 0) == LONGEST


def test_an_error_that_cannot_say_for_how_long_to_wait_is_tried_again() -> None:
    class Mute(Exception):
        @property
        def retry_after(self) -> float:
            raise KeyError("Retry-After")

    assert Retry(backoff=1, jitter=False).delay(Mute(), 0) == 1


@pytest.mark.parametrize(("asked_for", "pause"), [(7, 7), (0.5, 1), (-3, 1), (float("inf"), 1), ("soon", 1), (None, 1)])
def test_a_pause_is_as_long_as_the_error_asks_for_at_least(asked_for: object, pause: float) -> None:
    error = ValueError()
    error.retry_after = asked_for  # type: ignore[attr-defined]  # as many errors have it
    assert Retry(backoff=1, jitter=False).delay(error, 0) == pause


def test_only_the_errors_that_are_named_are_tried_again() -> None:
    retry = Retry(on=(ConnectionError,))
    assert retry.delay(ConnectionResetError(), 0) is not None
    assert retry.delay(ValueError(), 0) is None


def test_limits_are_declared() -> None:
    @work(timeout=1, name="limited", max_concurrent=3, rate="10/s", partition_by="exchange", expected="2s")
    def limited(exchange: str) -> None: ...

    declared = work_type_of(limited)
    assert (declared.max_concurrent, str(declared.rate), declared.partition_by) == (3, "10/s", "exchange")
    assert declared.expected == 2.0
