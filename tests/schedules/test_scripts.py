"""The Lua of schedules: its keys are those of keys.py, and what it takes is said."""

import re
from importlib.resources import files
from typing import Any

import pytest

from askfirst.interest.script import script
from askfirst.schedules.keys import ScheduleKeys

PACKAGE = "askfirst.schedules"
FOLDER = files(PACKAGE).joinpath("scripts")
SCRIPTS = sorted(entry.name.removesuffix(".lua") for entry in FOLDER.iterdir() if entry.name.endswith(".lua"))
KEYS = ScheduleKeys("space")
NAMED = {name: value for name, value in vars(ScheduleKeys).items() if name not in ("base", "namespace")}


def lua_key(redis: Any, expression: str) -> str:
    include = FOLDER.joinpath("includes", "keys.lua").read_text()
    found: str = redis.eval(f"{include}\nreturn {expression}", 1, KEYS.base)
    return found


@pytest.mark.parametrize("name", [name for name, value in NAMED.items() if isinstance(value, property)])
def test_a_key_of_all_is_spelled_alike_in_lua_and_python(redis: Any, name: str) -> None:
    assert lua_key(redis, f"{name}_key") == getattr(KEYS, name)


@pytest.mark.parametrize("name", [name for name, value in NAMED.items() if callable(value) and name[0] != "_"])
def test_a_key_of_one_is_spelled_alike_in_lua_and_python(redis: Any, name: str) -> None:
    assert lua_key(redis, f"{name}_key('X')") == getattr(KEYS, name)("X")


def test_every_key_of_the_lua_side_is_known_to_python() -> None:
    include = FOLDER.joinpath("includes", "keys.lua").read_text()
    names = {match.removesuffix("_key") for match in re.findall(r"^local (?:function )?(\w+_key)\b", include, re.M)}
    assert names <= set(dir(ScheduleKeys))


def test_no_other_lua_file_spells_a_key_of_its_own() -> None:
    texts = [entry.read_text() for entry in FOLDER.iterdir() if entry.name.endswith(".lua")]
    texts += [e.read_text() for e in FOLDER.joinpath("includes").iterdir() if e.name != "keys.lua"]
    assert not [text for text in texts if "base .." in text]


def test_all_keys_lie_in_one_slot_of_a_cluster_and_in_that_of_no_lane() -> None:
    found = [getattr(KEYS, name) for name in NAMED if not name.startswith("_")]
    keys = [key if isinstance(key, str) else key("X") for key in found]
    assert len(keys) > 10
    assert [key for key in keys if "{space:schedules}" not in key] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_takes_and_replies(name: str) -> None:
    text = FOLDER.joinpath(f"{name}.lua").read_text()
    head = text[: text.index("-- @include")]
    assert "-- KEYS " in head
    assert "-- ARGV " in head
    assert "-- Reply " in head
    assert [each for each in script(name, PACKAGE).arguments if f"`{each}`" not in head] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_compiles(redis: Any, name: str) -> None:
    assert redis.script_load(script(name, PACKAGE).text) == script(name, PACKAGE).sha
