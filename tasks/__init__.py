"""What work is: its definition, its payload, its context."""

from ..interest.errors import InvalidWork
from .context import WorkContext, current_context
from .definition import WorkType, work, work_type_of
from .limit import Limit, OperationTimeout
from .resource import Resource, override_resource
from .retry import Retry
from .token import InterestLost, Token

__all__ = [
    "InterestLost",
    "InvalidWork",
    "Limit",
    "OperationTimeout",
    "Resource",
    "Retry",
    "Token",
    "WorkContext",
    "WorkType",
    "current_context",
    "override_resource",
    "work",
    "work_type_of",
]
