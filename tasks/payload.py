"""Arguments and results as JSON, by pydantic, from a function's annotations."""

from __future__ import annotations

import contextlib
import inspect
import json
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..config.units import size_in_bytes
from ..interest.errors import InvalidPayload, InvalidWork
from ..interest.forking import no_fork_meanwhile
from .context import WorkContext
from .resource import Declaration

#: What `submit_work` takes for itself, so that no parameter may be called like it.
SUBMIT_OPTIONS = frozenset({"timeout", "key", "on_duplicate", "detached", "delay", "importance", "wait_for_room"})

_CONFIG = ConfigDict(extra="forbid", ser_json_inf_nan="constants", ser_json_bytes="base64", val_json_bytes="base64")


class Carrier:
    """Carries values of declared types as one JSON object and back.

    The model's own field names are made up and the declared names are their aliases, so that a parameter may be called
    anything a parameter can be called, `copy`, `json` or `_x` too.
    """

    def __init__(self, title: str, types: Mapping[str, Any], optional: Collection[str] = ()) -> None:
        self.title = title
        self._names = {f"field{n}": name for n, name in enumerate(types)}
        fields: dict[str, Any] = {
            field: (types[name], Field(alias=name, default_factory=object) if name in optional else Field(alias=name))
            for field, name in self._names.items()
        }
        self._model: type[BaseModel] = create_model("Payload", __config__=_CONFIG, **fields)
        if self._model.__pydantic_complete__:  # else it has a type that is yet to be defined
            with warnings.catch_warnings(action="ignore"):
                Carrier.schema(self)  # what workers publish: better refused here than there

    def encode(self, values: Mapping[str, Any]) -> str:
        """The values as JSON. Raises `InvalidPayload`, naming each field that is wrong."""
        try:
            with no_fork_meanwhile():
                model = self._model.model_validate(dict(values))
                text = self._dump(model)
                if "null" in text and not self._reads(text):
                    # A model has a default that its own field refuses, as None of a str: the other side has it too.
                    text = self._dump(model, exclude_defaults=True)
        except ValidationError as error:
            raise invalid(self.title, error) from None
        except (ValueError, RecursionError) as error:
            raise InvalidPayload(f"{self.title}: {self._culprit(values)}cannot be carried as JSON: {error}") from None
        if "NaN" in text or "Infinity" in text:
            _refuse_constants(self.title, text)
        return text

    def decode(self, text: str) -> dict[str, Any]:
        """The values from JSON, those that it has. Raises `InvalidPayload`."""
        try:
            with no_fork_meanwhile():
                model = self._model.model_validate_json(text)
        except ValidationError as error:
            raise invalid(self.title, error) from None
        return {self._names[field]: getattr(model, field) for field in model.model_fields_set}

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the object."""
        return self._model.model_json_schema(by_alias=True)

    def _dump(self, model: BaseModel, *, exclude_defaults: bool = False) -> str:
        """Without the parameters that were not given. What a value got by default may have changed since: it stays."""
        absent = self._names.keys() - model.model_fields_set
        return model.model_dump_json(by_alias=True, exclude=absent, exclude_defaults=exclude_defaults, warnings="error")

    def _reads(self, text: str) -> bool:
        try:
            self._model.model_validate_json(text)
        except ValidationError:
            return False
        return True

    def _culprit(self, values: Mapping[str, Any]) -> str:
        """The name of the first value that JSON can't carry, for the error text."""
        for name, value in values.items():
            try:
                to_jsonable_python(value)
            except (ValueError, RecursionError):
                return f"{name}: "
        return ""


class PayloadCarrier(Carrier):
    """The arguments of one function. Raises `InvalidWork` if its signature can't be carried."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.wants_context, parameters, hints = _read_signature(name, function)
        self.resources = {p.name: p.default for p in parameters if isinstance(p.default, Declaration)}
        _check_resources(name, function, self.resources)
        parameters = [parameter for parameter in parameters if parameter.name not in self.resources]
        self.parameters = [parameter.name for parameter in parameters]
        types = {parameter.name: hints.get(parameter.name, Any) for parameter in parameters}
        self.defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
        try:
            super().__init__(name, types, self.defaults)
            self.result = Carrier(f"the result of {name}", {"value": hints.get("return", Any)})
        except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
            text = str(error).splitlines()[0]
            raise InvalidWork(f"{name}: an annotation can't be carried as JSON: {text}") from error

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, with the defaults that JSON can express."""
        schema = super().schema()
        for name, default in self.defaults.items():
            with contextlib.suppress(PydanticSerializationError):
                schema["properties"][name]["default"] = to_jsonable_python(default)
        return schema


def _read_signature(
    name: str, function: Callable[..., Any]
) -> tuple[bool, list[inspect.Parameter], dict[str, Any]]:
    """Whether the first parameter is the context, the other parameters, and the resolved annotations."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidWork(f"{name}: an annotation can't be resolved: {error}; define it at module level") from error
    parameters = list(inspect.signature(function).parameters.values())
    wants_context = bool(parameters) and hints.get(parameters[0].name) is WorkContext
    parameters = parameters[1:] if wants_context else parameters
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise InvalidWork(f"{name}: parameter {parameter.name!r} can't be passed by name; give it a plain one")
        if parameter.name in SUBMIT_OPTIONS:
            raise InvalidWork(f"{name}: parameter {parameter.name!r} is an option of submit_work; call it differently")
        if hints.get(parameter.name) is WorkContext:
            raise InvalidWork(f"{name}: the WorkContext must be the first parameter, got it as {parameter.name!r}")
    return wants_context, parameters, hints


def _check_resources(name: str, function: Callable[..., Any], resources: Mapping[str, Declaration]) -> None:
    for parameter, declaration in resources.items():
        if declaration.is_async and declaration.scope == "process":
            raise InvalidWork(f"{name}: {parameter}: an asynchronous Resource lives on a run's event loop: scope='run'")
        if declaration.is_async and not inspect.iscoroutinefunction(function):
            raise InvalidWork(f"{name}: {parameter}: an asynchronous Resource needs an async def work")


def check_size(name: str, text: str, limit: int | str) -> None:
    """Raises `InvalidPayload` if the text is larger than the limit (bytes of UTF-8)."""
    most = size_in_bytes(limit)
    if len(text) * 4 > most and (size := len(text.encode())) > most:
        raise InvalidPayload(
            f"{name}: expected at most {most} bytes of JSON, got {size}: pass a reference, or raise max_payload"
        )


def describe(title: str, error: ValidationError) -> str:
    """A validation error in one line that names each field."""
    return f"{title}: " + "; ".join(f"{where}: {what}" for where, what in _problems(error))


def invalid(title: str, error: ValidationError) -> InvalidPayload:
    """The same as the error to raise, which has the fields one by one."""
    return InvalidPayload(describe(title, error), _problems(error))


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    problems = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"]) or "payload"
        what = {"missing": "is missing", "extra_forbidden": "is no parameter"}.get(problem["type"])
        problems.append((where, what or f"{problem['msg']}, got {_short(problem['input'])}"))
    return problems


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse_constants(title: str, text: str) -> None:
    def refuse(constant: str) -> None:
        raise InvalidPayload(f"{title}: {constant} is no JSON; send None or a string instead")

    json.loads(text, parse_constant=refuse)
