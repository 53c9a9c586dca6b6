"""The one error of this room."""


class SettingsError(ValueError):
    """A setting is unknown or has no valid value; the text names it, what was expected, what came, and from where."""
