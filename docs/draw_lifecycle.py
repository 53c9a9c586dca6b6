"""Draws the state diagram of docs/lifecycle.md from the table in askfirst.interest.states.

    python docs/draw_lifecycle.py            write it
    python docs/draw_lifecycle.py --check    exit 1 if the page is not what the table says
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from askfirst.interest.states import TRANSITIONS, Reason, State, Verdict

PAGE = Path(__file__).with_name("lifecycle.md")


def diagram() -> str:
    """The transitions as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> PENDING: submit"]
    for state, following in TRANSITIONS.items():
        lines += [f"    {state} --> {target}: {why}" for target, why in following.items()]
        if state.ended:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def table(kind: type[State] | type[Verdict] | type[Reason]) -> str:
    """The members of an enum with the docstrings that stand below them in the source."""
    source = inspect.getsource(kind).splitlines()  # of this enum alone: State and Reason both have a CANCELLED
    rows = [f"| {kind.__name__.lower()} | meaning |", "|---|---|"]
    for member in kind:
        line = next(n for n, text in enumerate(source) if text.startswith(f"    {member.name} = "))
        rows.append(f"| `{member.value}` | {doc_below(source, line)} |")
    return "\n".join(rows)


def doc_below(source: list[str], line: int) -> str:
    """The docstring that begins on the line after this one."""
    text = "\n".join(source[line + 1 :]).split('"""')[1]
    return " ".join(text.split())


def drawn(page: str) -> str:
    """The page with every part between its markers drawn anew."""
    parts = {"diagram": diagram(), "states": table(State), "verdicts": table(Verdict), "reasons": table(Reason)}
    for name, text in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}\n{text}\n{end}{after}"
    return page


def main() -> int:
    """Writes the page, or checks it."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        return int(drawn(page) != page)
    PAGE.write_text(drawn(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
