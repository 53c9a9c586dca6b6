"""The settings: every field documented, defaulted and validated here, and nowhere else."""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from .units import LONGEST, Rate, seconds, size_in_bytes
from .units import rate as as_rate
from .urls import checked_broker_url, checked_database_url, checked_redis_url

DEFAULT_LANE = "default"
"""The lane of a work type that names none, and what the default pool serves."""

# A killed caller must lose its interest within 10 s (CONTRACT), so its pulse may not be waited for any longer.
_LONGEST_PULSE_TIMEOUT = 10.0

_SHORTEST_KEY = 16  # characters

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def _checked_name(value: str) -> str:
    # Names become parts of Redis keys and queue names: no braces, colons or spaces.
    if not _NAME.fullmatch(value):
        raise ValueError(f"expected 1 to 64 letters, digits, '_' or '-', got {value!r}")
    return value


def _checked_module(value: str) -> str:
    if not all(part.isidentifier() for part in value.split(".")):
        raise ValueError(f"expected a module's dotted name, got {value!r}")
    return value


def _listed(value: object) -> object:
    """A text as the environment carries it, a JSON list or separated by commas, as a list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"expected names separated by commas or a JSON list of them, got {value!r}") from error
    return [part.strip() for part in value.split(",") if part.strip()]


def _keys(value: object) -> object:
    """One key as a text, or several as a list; no error text shows any of them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("expected a text or a JSON list of texts, got broken JSON") from None
    keys = [value] if isinstance(value, str | SecretStr) else value
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str | SecretStr) for key in keys):
        raise ValueError(f"expected a text or a list of texts, got {type(value).__name__}")
    secrets = [key if isinstance(key, SecretStr) else SecretStr(key) for key in keys]
    if any(len(secret) < _SHORTEST_KEY for secret in secrets):
        raise ValueError(f"expected at least {_SHORTEST_KEY} characters, got fewer")
    return tuple(secrets)


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or len(set(value)) < len(value):
        raise ValueError(f"expected one or more different lanes, got {', '.join(value) or 'none'}")
    return value


def _not_empty(value: dict[str, "PoolSettings"]) -> dict[str, "PoolSettings"]:
    if not value:
        raise ValueError("expected at least one pool, got none")
    return value


def _no_flag(value: object) -> object:
    # pydantic takes True for 1.
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, got {value}")
    return value


def _absolute(value: Path) -> Path:
    try:
        return value.expanduser().absolute()
    except RuntimeError:  # which pydantic would pass on as it is
        raise ValueError(f"expected a folder in a home that is known, got {str(value)!r}") from None


def _default_data_dir() -> Path:
    # The XDG specification: unset, empty and relative paths all mean the default.
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.local/share")) / "askfirst"


def _usable_cpus() -> int:
    # In a container the affinity says what this process may use, the plain count what the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


Name = Annotated[str, AfterValidator(_checked_name)]
Seconds = Annotated[float, BeforeValidator(seconds)]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Count = Annotated[int, BeforeValidator(_no_flag), Field(ge=1)]
Bytes = Annotated[int, BeforeValidator(size_in_bytes)]
# NoDecode: pydantic-settings would insist on JSON in the environment.
Modules = Annotated[tuple[Annotated[str, AfterValidator(_checked_module)], ...], NoDecode, BeforeValidator(_listed)]
Lanes = Annotated[tuple[Name, ...], NoDecode, BeforeValidator(_listed), AfterValidator(_distinct)]


# NoDecode: as above.
SigningKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_keys)]


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value) < _SHORTEST_KEY:
        raise ValueError(f"expected at least {_SHORTEST_KEY} characters, got fewer")
    return value


Token = Annotated[SecretStr, AfterValidator(_long_enough)]


class LimitSettings(BaseModel):
    """How many runs of a work type there may be in the whole fleet, or of each of its partitions."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_concurrent: Count | None = Field(None, description="Runs at once.")
    rate: Annotated[Rate, BeforeValidator(as_rate), PlainSerializer(str)] | None = Field(
        None, description='Starts in any period: "10/s", "100/m", "5/10s".'
    )


class LaneSettings(BaseModel):
    """How much a lane takes in."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    max_pending: Count | None = Field(None, description="Works that may wait; what comes then is rejected.")


class PoolSettings(BaseModel):
    """A group of worker processes and the lanes they serve."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    lanes: Lanes = Field((DEFAULT_LANE,), description="Lanes this pool serves.")
    concurrency: Count = Field(
        default_factory=_usable_cpus, description="Works run at once; by default the CPUs this process may use."
    )
    type: Literal["prefork", "threads"] = Field(
        "prefork",
        description="prefork: a process per slot, can be killed; threads: for work that waits more than it computes.",
    )


class Settings(BaseSettings):
    """All settings, frozen; `Settings(...)` takes what it is given and defaults, `load_settings` reads the outside too.

    Durations are seconds, or texts such as "500ms", "30s", "5m"; sizes are bytes, or texts such as "256KiB".
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,  # an input may be a URL with a password
        env_prefix="ASKFIRST_",
        env_nested_delimiter="__",
        env_ignore_empty=True,  # compose files pass unset variables on as empty ones
    )

    redis_url: Annotated[str, AfterValidator(checked_redis_url)] | None = Field(
        None,
        description="Redis of the ledger: redis://, rediss://, unix:// or redis+socket://. None: the embedded one.",
    )
    broker_url: Annotated[str, AfterValidator(checked_broker_url)] | None = Field(
        None, description="Celery's broker, any URL kombu takes. None: the Redis of the ledger."
    )
    namespace: Name = Field(
        "askfirst", description="Prefix of every key and queue: fleets of one Redis are told apart by it."
    )
    imports: Modules = Field(
        (), description="Modules that declare work types, imported by askfirst worker, up and schedule."
    )
    data_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=_default_data_dir, description="Folder of the embedded Redis."
    )
    pulse_interval: PositiveSeconds = Field(2.0, description="Seconds between two signs of life of a caller.")
    pulse_timeout: PositiveSeconds = Field(
        6.0,
        le=_LONGEST_PULSE_TIMEOUT,
        description="Seconds of silence after which a killed caller has lost its interest.",
    )
    lease: Seconds = Field(
        10.0, ge=1, description="Seconds a running work stays claimed when its worker stops renewing."
    )
    retention: PositiveSeconds = Field(3600.0, le=LONGEST, description="Seconds the record of an ended work is kept.")
    max_payload: Bytes = Field(2**18, ge=1, description="Bytes a payload may have as JSON, and a result.")
    grace: Seconds = Field(
        5.0, ge=0, description="Seconds an unwanted work gets to stop by itself before it is killed."
    )
    drain: Seconds = Field(30.0, ge=0, description="Seconds running works get to end when a worker shuts down.")
    max_deliveries: Count = Field(3, description="Times a work may lose its worker: the last of them fails it.")
    connect_timeout: PositiveSeconds = Field(
        2.0, description="Seconds to wait for a connection to Redis or the broker."
    )
    pools: Annotated[dict[Name, PoolSettings], AfterValidator(_not_empty)] = Field(
        default_factory=lambda: {DEFAULT_LANE: PoolSettings()},
        description="Pools by name, each with lanes, concurrency and type; naming any replaces the default pool.",
    )
    prefetch: Annotated[int, BeforeValidator(_no_flag)] = Field(
        1,
        ge=0,
        description="Messages a prefork worker takes ahead per slot while its runs are short (a quarter of a second).",
    )
    lanes: dict[Name, LaneSettings] = Field(
        default_factory=dict, description="What lanes take in, by lane: max_pending. Workers publish it."
    )
    limits: dict[str, LimitSettings] = Field(
        default_factory=dict,
        description="Limits by work type, instead of what @work declares: max_concurrent, rate. Workers publish them.",
    )
    signing_key: SigningKeys = Field(
        (),
        description="Secret of 16 characters or more that signs works and results, the same for callers and workers"
        "; or several: the first signs, all are good. None: whoever can write to the broker is trusted.",
    )
    schedule_history: Count = Field(1000, description="Entries of its history that are kept of each schedule.")
    schedule_history_age: PositiveSeconds = Field(
        90 * 86400.0, description="Seconds for which an entry of a schedule's history is kept at most."
    )
    schedule_mirror: Annotated[str, AfterValidator(checked_database_url)] | None = Field(
        None,
        description="SQL database of the mirror of that history, as SQLAlchemy writes it: sqlite:///… or postgresql+…://",
    )
    gateway_expose: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = Field(
        (), description='Work types that HTTP callers may ask for, by name or pattern ("reports.*"). None by default.'
    )
    gateway_tokens: dict[Name, Token] = Field(
        default_factory=dict,
        description="Tokens of HTTP callers (16 characters or more), by the owner that each stands for.",
    )
    flower_port: Count = Field(5555, le=65535, description="Port of Flower on 127.0.0.1.")

    @field_validator("pulse_timeout")
    @classmethod
    def _outlasts_a_missed_pulse(cls, value: float, info: ValidationInfo) -> float:
        # One pulse may be lost or late without costing the caller its interest.
        interval = info.data.get("pulse_interval")
        if interval is not None and value <= 2 * interval:
            raise ValueError(f"expected more than twice pulse_interval ({interval:g} s), got {value:g}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: `load_settings` reads the other sources itself, to know where each value came from."""
        return (init_settings,)
