"""Help and completion of commands are quick: nothing heavy is imported for them."""

import json
import subprocess
import sys
from typing import get_args

from askfirst.cli import main, submit, worker
from askfirst.config import PoolSettings
from askfirst.tasks.definition import DUPLICATE_POLICIES
from askfirst.waiters.options import IMPORTANCES

ASK_FOR_HELP = """
import json, sys
from askfirst.cli import main
try:
    main(["--help"])
except SystemExit:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def test_help_imports_nothing_heavy() -> None:
    asked = subprocess.run([sys.executable, "-c", ASK_FOR_HELP], capture_output=True, text=True, check=True, timeout=20)
    assert "Exit codes:" in asked.stdout
    heavy = {"celery", "kombu", "redis", "pydantic", "pydantic_settings", "rich", "sqlalchemy", "askfirst.face"}
    assert heavy & set(json.loads(asked.stderr)) == set()


def test_every_command_says_in_one_line_what_it_does() -> None:
    for name, command in main.commands.items():
        assert command.get_short_help_str(limit=60).endswith("."), name


def test_choices_are_those_of_the_rooms() -> None:
    assert submit.ON_DUPLICATE == DUPLICATE_POLICIES
    assert submit.IMPORTANCES == IMPORTANCES
    assert get_args(PoolSettings.model_fields["type"].annotation) == worker.POOL_TYPES
