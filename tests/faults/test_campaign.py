"""A slice of the campaign: a minute under load, and as long again to start and to end. `make faults` is the whole."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.checker import check
from tests.faults.journal import Reader
from tests.faults.kinds import KINDS
from tests.faults.plan import plan
from tests.faults.report import figures, text
from tests.faults.story import Story

SLICE = ("kill worker", "kill child", "lost replies", "kill redis", "failover", "partition")


def run(folder: Path, *, seconds: float, kinds: tuple[str, ...], rate: float = 30.0) -> Story:
    campaign = Campaign(folder, seed=1, seconds=seconds, kinds=[KINDS[kind] for kind in kinds], rate=rate)
    campaign.run()
    return Story(Reader(campaign.path).lines())


def test_a_fleet_keeps_its_promises_whatever_breaks(tmp_path: Path) -> None:
    story = run(tmp_path, seconds=60.0, kinds=SLICE)
    violations = check(story)
    print(text(figures(story, violations)))
    assert violations == []
    assert {window.kind for window in story.windows} == set(SLICE)
    assert len(story.waiters) > 300


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_says_which_faults_come_when(seed: int) -> None:
    def first(seed: int) -> list[tuple[str, float, float, float]]:
        return [
            (each.kind.name, each.hold, each.gap, each.chance.random())
            for each, _ in zip(plan(seed, list(KINDS.values())), range(50), strict=False)
        ]

    assert first(seed) == first(seed)
    assert first(seed) != first(seed + 1)
    assert {name for name, *_ in first(seed)} == set(KINDS)
