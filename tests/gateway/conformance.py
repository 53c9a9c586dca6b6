"""What schemathesis is told about the gateway, beside schemathesis.toml."""

import base64
import itertools
import re
from typing import Any

import schemathesis
from hypothesis import strategies

from askfirst.gateway.reading import KEY

_numbers = itertools.count(1)

schemathesis.openapi.format("base64url", strategies.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """A key stands for one payload: where it comes with many by chance, all but the first would rightly be refused."""
    if re.fullmatch(KEY, (case.headers or {}).get("Idempotency-Key", "")):
        case.headers["Idempotency-Key"] = f"case {next(_numbers)}"
