"""The Lua: its keys are those of keys.py, its arguments are bound by name, and no call holds Redis for long."""

import re
from importlib.resources import files
from typing import Any

import pytest

from askfirst.interest.keys import LaneKeys
from askfirst.interest.script import Script, script
from tests.support.lanes import Lane

SCRIPTS = sorted(
    entry.name.removesuffix(".lua")
    for entry in files("askfirst.interest").joinpath("scripts").iterdir()
    if entry.name.endswith(".lua")
)


def lua_keys(redis: Any, base: str, expression: str) -> str:
    """What the Lua side makes of a name."""
    include = files("askfirst.interest").joinpath("scripts", "includes", "keys.lua").read_text()
    found: str = redis.eval(f"{include}\nreturn {expression}", 2, base, "the queue's list")
    return found


@pytest.mark.parametrize(
    "name",
    [name for name, value in vars(LaneKeys).items() if callable(value) and not name.startswith("_")],
)
def test_a_key_of_one_thing_is_spelled_alike_in_lua_and_python(redis: Any, name: str) -> None:
    keys = LaneKeys("space", "fast")
    assert lua_keys(redis, keys.base, f"{name}_key('X')") == getattr(keys, name)("X")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(LaneKeys).items()
        if isinstance(value, property) and name not in ("queue", "queues", "base")
    ],
)
def test_a_key_of_the_lane_is_spelled_alike_in_lua_and_python(redis: Any, name: str) -> None:
    keys = LaneKeys("space", "fast")
    assert lua_keys(redis, keys.base, f"{name}_key") == getattr(keys, name)


def test_lua_knows_the_queue_by_the_lanes_hash_tag(redis: Any) -> None:
    keys = LaneKeys("space", "fast")
    assert lua_keys(redis, keys.base, "queue") == keys.queue


def test_every_key_of_the_lua_side_is_known_to_python() -> None:
    include = files("askfirst.interest").joinpath("scripts", "includes", "keys.lua").read_text()
    names = {match.removesuffix("_key") for match in re.findall(r"^local (?:function )?(\w+_key)\b", include, re.M)}
    assert names <= set(dir(LaneKeys))


def test_no_other_lua_file_spells_a_key_of_its_own() -> None:
    folder = files("askfirst.interest").joinpath("scripts")
    texts = [entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".lua")]
    texts += [e.read_text() for e in folder.joinpath("includes").iterdir() if e.name != "keys.lua"]
    assert not [text for text in texts if "lane .." in text]


def test_all_keys_of_a_lane_lie_in_one_slot_of_a_cluster() -> None:
    keys = LaneKeys("space", "fast")
    named = [keys.work("X"), keys.mail("X"), keys.index("PENDING"), keys.pulse, keys.evidence, keys.totals]
    assert all("{" + keys.queue + "}" in key for key in named)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_takes_and_replies(name: str) -> None:
    text = files("askfirst.interest").joinpath("scripts", f"{name}.lua").read_text()
    head = text[: text.index("-- @include")]
    assert head.startswith("-- ")
    assert "-- KEYS " in head
    assert "-- Reply " in head


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_compiles(redis: Any, name: str) -> None:
    assert redis.script_load(script(name).text) == script(name).sha


def test_an_include_comes_once_and_before_its_users() -> None:
    text = Script("finish").text
    assert text.count("local function server_ms()") == 1
    assert text.index("local function work_key") < text.index("local function end_work") < text.index("'stale'")


def test_a_script_refuses_an_argument_it_does_not_know() -> None:
    with pytest.raises(TypeError, match=r"progress\.lua has no argument colour"):
        script("progress").bind(("k",), id="x", fence="1:a", progress="{}", colour="red")


def test_a_script_refuses_to_go_without_an_argument() -> None:
    with pytest.raises(TypeError, match=r"progress\.lua expects 'fence'"):
        script("progress").bind(("k",), id="x", progress="{}")


def test_a_script_sends_its_arguments_in_the_order_of_the_lua() -> None:
    call = script("progress").bind(("k",), progress="{}", fence="7:a", id="x")
    assert call.command == ("EVALSHA", script("progress").sha, 1, "k", "x", "7:a", "{}")


def test_a_server_that_forgot_its_scripts_is_taught_again(lane: Lane, redis: Any) -> None:
    lane.submit()
    redis.script_flush()
    lane.submit()
    assert len(lane.rung()) == 2
