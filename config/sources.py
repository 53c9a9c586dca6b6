"""The places settings come from, each read into nested values and the origin of every one of them."""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource
from pydantic_settings import SettingsError as UnparsableError

from .errors import SettingsError
from .settings import Settings

FILE = "askfirst.toml"
FILE_VARIABLE = "ASKFIRST_CONFIG"
PREFIX = "ASKFIRST_"
ENVIRONMENT = "environment"

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says: nested values, and the origin of each of their leaves."""

    values: Mapping[str, Any]
    origins: Mapping[KeyPath, str]


def layers(arguments: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Everything but the defaults, weakest first: file, environment, arguments.

    Raises SettingsError for a file that is named but missing, unreadable or no TOML, and for broken JSON.
    """
    return _from_file(), _from_environment(), _from_arguments(arguments)


def merged(strengthening: Iterable[Layer]) -> Layer:
    """All layers as one: tables are merged key by key, everything else is replaced."""
    whole = Layer({}, {})
    for layer in strengthening:
        whole = Layer(_merged(whole.values, layer.values), {**whole.origins, **layer.origins})
    return whole


def leaves(values: Mapping[str, Any], parents: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is no table, with its path."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*parents, key))
        else:
            yield (*parents, key), value


def origin(path: KeyPath, origins: Mapping[KeyPath, str]) -> str:
    """Where the value at this path came from: what is inside a value came with it."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]]
    return "default"


#: Settings that are tables, so that parts of them can be given one by one.
_TABLES = ("pools", "lanes", "limits", "gateway_tokens")


def _from_file() -> Layer:
    named = os.environ.get(FILE_VARIABLE)
    file = Path(named or FILE)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if named:
            raise SettingsError(
                f"expected {FILE_VARIABLE} to be the path of a file, got {named!r}: no such file"
            ) from error
        return Layer({}, {})
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, no TOML, or a number of too many digits
        raise SettingsError(f"expected {file} to be a readable TOML file, got: {error}") from error
    return Layer(values, {path: str(file) for path, _ in leaves(values)})


def _from_environment() -> Layer:
    try:
        values = EnvSettingsSource(Settings)()
    except UnparsableError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = f"{PREFIX}{field[1].upper()}" if field else PREFIX
        raise SettingsError(f"expected {name} to be a JSON object, got broken JSON: {error.__cause__}") from error
    variables: dict[KeyPath, str] = {}
    for name, text in os.environ.items():
        if not text or not name.upper().startswith(PREFIX) or name.upper() == FILE_VARIABLE:
            continue
        key = name[len(PREFIX) :].lower()
        path = tuple(key.split("__"))
        if path[0] not in Settings.model_fields or (len(path) > 1 and path[0] not in _TABLES):
            # pydantic-settings passes over variables that are no setting: hand them on to be refused as unknown.
            path, values[key] = (key,), text
        variables[path] = f"{ENVIRONMENT} {name}"
    return Layer(values, {path: origin(path, variables) for path, _ in leaves(values)})


def _from_arguments(arguments: Mapping[str, Any]) -> Layer:
    values = {name: _plain(value) for name, value in arguments.items() if value is not None}
    return Layer(values, {path: "argument" for path, _ in leaves(values)})


def _plain(value: Any) -> Any:
    """Tables as tables, so that an argument's pool is merged with what weaker sources say of it."""
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value


def _merged(weaker: Mapping[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(weaker)
    for key, value in stronger.items():
        if isinstance(value, Mapping):
            below = whole.get(key)
            whole[key] = _merged(below if isinstance(below, Mapping) else {}, value)
        else:
            whole[key] = value
    return whole
