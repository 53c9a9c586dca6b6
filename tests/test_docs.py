"""What the pages say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_page_on_the_life_of_a_work_is_drawn_from_the_table() -> None:
    subprocess.run([sys.executable, ROOT / "docs" / "draw_lifecycle.py", "--check"], check=True, timeout=30)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    place = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", place.read_text(encoding="utf-8"))
    assert [link for link in links if not (place.parent / link).exists()] == []


def test_the_readme_names_every_public_error() -> None:
    import askfirst

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    errors = [name for name in askfirst.__all__ if name.startswith("Work") and name.endswith(("out", "led", "ost"))]
    assert len(errors) >= 4
    assert [name for name in errors if f"`{name}`" not in readme] == []
