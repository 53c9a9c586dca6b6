"""The works of the quick start: what a service would keep in a module of its own."""

from __future__ import annotations

import time

from askfirst import WorkContext, work


@work(timeout=30)
def count_words(text: str) -> dict[str, int]:
    """How often each word stands in a text."""
    words = text.lower().split()
    return {word: words.count(word) for word in sorted(set(words))}


@work(name="reports.build", timeout="5m")
def build_report(ctx: WorkContext, pages: int) -> str:
    """A long work that tells how far it is, and stops when nobody waits for it any more."""
    for page in range(pages):
        ctx.check()
        time.sleep(0.05)
        ctx.progress(page + 1, pages, f"page {page + 1}")
    return f"{pages} pages"
