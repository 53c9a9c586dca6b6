"""Settings: typed, documented, validated in one place; nothing else reads the environment."""

from .errors import SettingsError
from .loading import ExplainedSetting, explain_settings, load_settings
from .settings import DEFAULT_LANE, PoolSettings, Settings

__all__ = [
    "DEFAULT_LANE",
    "ExplainedSetting",
    "PoolSettings",
    "Settings",
    "SettingsError",
    "explain_settings",
    "load_settings",
]
