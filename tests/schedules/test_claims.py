"""A claimed instant becomes one work, whoever dies, stalls or comes in between."""

import pytest

from askfirst import State
from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.states import Reason
from askfirst.schedules import Every, Status
from askfirst.schedules.entries import as_ms
from askfirst.schedules.publishing import Publisher
from askfirst.schedules.scheduler import Scheduler
from askfirst.tasks import registry
from tests.support.eventually import eventually
from tests.support.scheduled import Desk


def rung(desk: Desk) -> list[str]:
    return desk.lane.rung()


def test_the_work_of_an_instant_is_found_by_schedule_and_instant(desk: Desk) -> None:
    desk.put()
    entry = desk.fire()
    instant = entry.nominal_time.strftime("%Y-%m-%dT%H:%M:%S")
    assert desk.work_of(entry).key.startswith(f"s@{instant}")  # type: ignore[union-attr]  # it has a key
    desk.put(key="prices", overlap="allow_all")
    assert desk.work_of(desk.fire()).key.startswith("prices@")  # type: ignore[union-attr]  # it has a key


def test_its_message_tells_the_instant_and_its_deadline_is_the_schedules(desk: Desk) -> None:
    desk.put(timeout=7)
    entry = desk.fire()
    [message] = desk.lane.messages()
    assert message["headers"]["askfirst"]["nominal"] == as_ms(entry.nominal_time)
    status = desk.work_of(entry)
    assert 6.5 < (status.deadline - status.submitted_at).total_seconds() <= 7


def test_of_many_schedulers_one_has_it(desk: Desk) -> None:
    desk.put(triggers=Every(1), misfire="all", overlap="allow_all")
    desk.away(4)
    peers = [Scheduler(desk.client) for _ in range(4)]
    looks = [peer.store.look(100) for peer in peers]
    decisions = [peer._decide(look)[0] for peer, look in zip(peers, looks, strict=True)]
    decided = [peer.store.decide(each)[0] for peer, each in zip(peers, decisions, strict=True)]
    assert len(decided[0] or ()) >= 4
    assert decided[1:] == [None, None, None]


def test_what_a_dead_scheduler_claimed_is_published_by_a_peer(desk: Desk) -> None:
    desk.put()
    [claimed] = desk.claim()
    desk.tick()
    assert rung(desk) == []  # whoever claimed it is given two seconds
    eventually(lambda: desk.tick() or rung(desk) == [claimed.entry.work], within=4, what="a peer publishes it")
    assert desk.history()[0].status is Status.FIRED


def test_published_and_not_noted_it_is_published_again_and_runs_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put()
    claims = desk.claim()
    publisher = Publisher(desk.client, desk.store, desk.scheduler._definitions)
    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "published", lambda notes: [])
        publisher.publish(claims)
    work = claims[0].entry.work
    desk.lane.answer(work)
    desk.look_again()
    assert rung(desk) == [work]
    desk.look_again()
    assert desk.history()[0].state == State.COMPLETED


def test_a_scheduler_that_stood_still_publishes_nothing_a_peer_has_published(desk: Desk) -> None:
    desk.put()
    claims = desk.claim()
    desk.look_again()
    work = claims[0].entry.work
    desk.lane.answer(work)
    desk.look_again()
    desk.publish(claims)
    assert rung(desk) == [work]
    assert desk.history()[0].state == State.COMPLETED


def test_a_scheduler_that_stood_still_for_long_has_lost_the_right_to_publish(desk: Desk) -> None:
    desk.put()
    [claimed] = desk.claim()
    desk.publish([claimed._replace(at=claimed.at - 10_001)])
    assert desk.lane.state(claimed.entry.work) is None
    desk.look_again()
    assert rung(desk) == [claimed.entry.work]


def test_a_claim_whose_schedule_was_paused_never_comes_in(desk: Desk) -> None:
    desk.put()
    claims = desk.claim()
    desk.manager.pause("s", "why", "me")
    desk.publish(claims)
    assert rung(desk) == []
    desk.look_again()
    [entry] = desk.history()
    assert (entry.status, entry.why) == (Status.SKIPPED, "paused")


def test_a_claim_whose_schedule_was_deleted_never_comes_in(desk: Desk) -> None:
    desk.put()
    claims = desk.claim()
    desk.manager.delete("s", "me")
    desk.publish(claims)
    assert rung(desk) == []
    assert desk.redis.keys(f"{desk.keys.base}*") == []


def test_a_claim_whose_definition_changed_runs_once_as_it_is_now(desk: Desk) -> None:
    desk.put()
    claims = desk.claim()
    desk.put(payload={"log": "/dev/zero"})
    desk.look_again()
    desk.publish(claims)
    assert rung(desk) == [claims[0].entry.work]


def test_where_the_lane_is_full_it_waits_for_room_until_its_deadline(desk: Desk) -> None:
    desk.put()
    desk.redis.hset(desk.lane.keys.load, "max_pending", 1)
    other = desk.lane.submit()
    claims = desk.claim()
    desk.publish(claims)
    assert desk.history()[0].status is Status.CLAIMED
    desk.lane.withdraw(other.id, other.interest)
    desk.look_again()
    assert desk.lane.state(claims[0].entry.work) is State.PENDING


def test_where_there_is_no_room_in_time_it_is_missed(desk: Desk) -> None:
    desk.put(timeout=1.0)
    desk.redis.hset(desk.lane.keys.load, "max_pending", 1)
    desk.lane.submit()
    [claimed] = desk.claim()
    desk.publish([claimed])
    desk.publish([claimed._replace(at=claimed.at + 1000)])
    [entry] = desk.history()
    assert (entry.status, entry.why) == (Status.MISSED, "the ledger had no room for it in time")


def test_an_instant_whose_work_type_is_gone_is_missed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put()
    monkeypatch.delitem(registry._types, "scheduled.note")
    desk.redis.delete(f"askfirst:{desk.client.settings.namespace}:types")
    entry = desk.fire()
    assert entry.status is Status.MISSED
    assert "no work type is called 'scheduled.note'" in str(entry.why)


def test_a_ledger_that_is_away_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(limit: int) -> object:
        raise LedgerUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(desk.scheduler.store, "look", away)
        assert desk.scheduler.tick_or_wait() == 0.5
    desk.put()
    desk.away(61)
    desk.scheduler.tick_or_wait()
    assert desk.history()[0].status is Status.FIRED


def test_a_ledger_that_is_away_for_a_moment_makes_no_instant_missed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> object:
        raise LedgerUnavailable("gone")

    desk.put()
    claims = desk.claim()
    with monkeypatch.context() as patched:
        patched.setattr("askfirst.schedules.publishing.callee_of", away)
        with pytest.raises(LedgerUnavailable):
            desk.publish(claims)
    desk.look_again()
    assert desk.history()[0].status is Status.FIRED


def test_published_and_not_noted_until_its_deadline_it_was_not_missed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put()
    [claimed] = desk.claim()
    publisher = Publisher(desk.client, desk.store, desk.scheduler._definitions)
    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "published", lambda notes: [])
        publisher.publish([claimed])
    desk.lane.answer(claimed.entry.work)
    desk.publish([claimed._replace(at=claimed.at + 30_000)])
    desk.look_again()
    [entry] = desk.history()
    assert (entry.status, entry.state) == (Status.FIRED, State.COMPLETED)


def test_an_operator_who_cleans_up_meanwhile_does_not_make_it_run_twice(desk: Desk) -> None:
    desk.put(timeout=0.05)
    claims = desk.claim()
    desk.publish(claims)
    work = claims[0].entry.work
    desk.lane.answer(work)
    assert desk.lane.ledger.forget("default", [work], 0) == 1
    desk.publish(claims)
    assert rung(desk) == [work]
    desk.look_again()
    assert desk.history()[0].state == "LOST"


def test_what_a_pause_ends_was_withdrawn(desk: Desk) -> None:
    desk.put()
    entry = desk.fire()
    desk.manager.pause("s", "why", "me")
    assert desk.work_of(entry).reason == Reason.WITHDRAWN
