"""The effective settings, and what each of them is, says and comes from."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from .errors import SettingsError
from .settings import LaneSettings, LimitSettings, PoolSettings, Settings
from .sources import ENVIRONMENT, PREFIX, KeyPath, Layer, layers, leaves, merged, origin
from .urls import Url, redacted

_TABLES: dict[str, type[BaseModel]] = {"pools": PoolSettings, "lanes": LaneSettings, "limits": LimitSettings}


@dataclass(frozen=True, slots=True)
class ExplainedSetting:
    """One effective setting: its dotted name, value (as JSON has it, without passwords), source and documentation."""

    name: str
    value: Any
    source: str
    doc: str


def load_settings(**arguments: Any) -> Settings:
    """The effective settings: defaults, then `askfirst.toml`, then the environment, then these arguments.

    The file is the one in the current directory or, if set, the one that ASKFIRST_CONFIG names. An argument that is
    None counts as not given.

    Raises SettingsError for an unknown name, an invalid value or an unreadable file.
    """
    return _validated(merged(layers(arguments)))


def explain_settings(**arguments: Any) -> list[ExplainedSetting]:
    """Every effective setting, those of pools one by one, as `load_settings` with these arguments would give it.

    Raises SettingsError as `load_settings` does.
    """
    given = merged(layers(arguments))
    return [
        ExplainedSetting(".".join(path), _shown(value), origin(path, given.origins), _doc(path))
        for path, value in leaves(_validated(given).model_dump())
    ]


def _validated(given: Layer) -> Settings:
    try:
        return Settings(**given.values)
    except ValidationError as error:
        # Not chained: pydantic's own text says the same again, in more lines.
        raise SettingsError("\n".join(_told(detail, given) for detail in error.errors())) from None


def _shown(value: Any) -> Any:
    match value:
        case Url():
            return redacted(value)
        case Path():
            return str(value)
        case SecretStr():
            return "***"
        case tuple():
            return [_shown(part) for part in value]
    return value


def _doc(path: KeyPath) -> str:
    model: type[BaseModel] = _TABLES.get(path[0], Settings) if len(path) > 1 else Settings
    return (model.model_fields.get(path[-1]) or Settings.model_fields[path[0]]).description or ""


def _told(detail: ErrorDetails, given: Layer) -> str:
    """One line for one of pydantic's validation errors: what was expected, what came, and from where."""
    path = tuple(str(part) for part in detail["loc"])
    source = origin(path, given.origins)
    if detail["type"] == "extra_forbidden":
        return _unknown(path, source)
    name = ".".join(path)
    if detail["type"] == "value_error":  # raised by our own validators: "expected …, got …"
        return f"{str(detail['ctx']['error']).replace('expected ', f'expected {name} to be ', 1)} ({source})"
    wanted = detail["msg"].partition(", unable to parse")[0].removeprefix("Input should be ")
    return f"expected {name} to be {wanted}, got {redacted(repr(detail['input']))} ({source})"


def _unknown(path: KeyPath, source: str) -> str:
    *parents, key = path
    known = (_TABLES.get(path[0], Settings) if parents else Settings).model_fields
    close = difflib.get_close_matches(key, known, n=1)
    if not close:
        return f"unknown setting {'.'.join(path)!r} ({source}): askfirst config shows all there are"
    nearest = ".".join([*parents, *close])
    if source.startswith(ENVIRONMENT):
        nearest = PREFIX + nearest.upper().replace(".", "__")
    return f"unknown setting {'.'.join(path)!r} ({source}): did you mean {nearest}?"
