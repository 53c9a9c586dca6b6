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


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_links_into_pages_lead_to_a_heading(page: str) -> None:
    place = ROOT / page
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", place.read_text(encoding="utf-8"))
    assert [f"{to}#{at}" for to, at in links if at not in headings(place.parent / to if to else place)] == []


def headings(page: Path) -> set[str]:
    """As links name them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_secure_redis_finds_all_that_it_reads_where_the_page_puts_it(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## TLS")[2]
    commands = page.partition("```sh\n")[2].partition("```")[0].replace("/var/lib/redis", str(tmp_path)).splitlines()
    subprocess.run(["sh", "-ec", "\n".join(commands[:-1])], cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert commands[-1] == f"redis-server {tmp_path}/redis.conf --dir {tmp_path}"
    named = r"^(?:tls-(?:cert|key|ca-cert)-file|aclfile) (\S+)$"
    files = re.findall(named, (tmp_path / "redis.conf").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(files) == 4
    assert [file for file in files if not (tmp_path / file).exists()] == []


def test_the_readme_names_every_public_error() -> None:
    import askfirst
    from askfirst import WorkError

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    classes = {name: value for name, value in public(askfirst).items() if isinstance(value, type)}
    errors = [name for name, value in classes.items() if issubclass(value, WorkError)]
    assert len(errors) >= 9
    assert [name for name in errors if f"`{name}`" not in readme and name not in ("WorkError", "InvalidWork")] == []


def public(module: object) -> dict[str, object]:
    return {name: getattr(module, name) for name in module.__all__}


def test_the_public_names_are_those_of_the_face_and_all_there() -> None:
    import askfirst
    from askfirst import face

    assert askfirst.__all__ == face.__all__ == sorted(askfirst.__all__, key=lambda name: (name[0].islower(), name))
    assert all(value is not None for value in public(askfirst).values())
    assert set(askfirst.__all__) <= set(dir(askfirst))
