"""The ledger as docs/lifecycle.md and docs/design.md tell it, in plain Python: what the real one is compared with.

Each method is a transition and returns what the ledger must answer. All times are ms of one clock. Where the docs
leave it to the ledger (when a caretaker looks at a work that nobody wants; whether a work with too little time left is
worth a try) the model is told what was done, and says whether it was allowed.
"""

from dataclasses import dataclass, field

from askfirst.interest.records import Submission, attempt_of, is_attached
from askfirst.interest.states import Reason, State, Verdict

LEASE = 10_000
PULSE_TIMEOUT = 6_000
MAX_DELIVERIES = 3
EVIDENCE_GAP = 3_000
RESUBMITTED = 60_000
EXTRA_LIFE = 60_000  # ms that a live record lasts beyond its deadline and retention

Answer = tuple[Verdict, str]


class Violation(AssertionError):
    """The ledger did what it must not."""


def caller_of(interest: str) -> str:
    return interest.split(":")[1]


@dataclass
class Letter:
    """What callers are told of an end."""

    id: str
    state: State
    reason: str
    result: str | None = None


@dataclass
class Work:
    """One work: at most one run has its claim, and `fence` is the newest that was given."""

    id: str
    name: str
    key: str
    retention: int
    deadline: int
    """The latest of its callers' when the last of them came."""
    state: State = State.PENDING
    reason: str = ""
    interests: dict[str, int] = field(default_factory=dict)
    due: int = 0
    fence: str = ""
    lease_end: int = 0
    started_at: int = 0
    worker: str = ""
    stopping: str = ""
    failures: int = 0
    losses: int = 0
    predecessor: str = ""
    finished_at: int = 0
    result: str | None = None
    permit: bool = False
    """It may run, or runs, within its type's limit."""
    place: float | None = None
    """Its place among those that wait for a permit; kept once it has one."""
    held: bool = False

    @property
    def attempt(self) -> int:
        return attempt_of(self.fence) if self.fence else 0

    @property
    def live(self) -> bool:
        return not self.state.ended


class Model:
    """All works of a lane, who wants them, and who runs them."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.works: dict[str, Work] = {}
        self.forgotten: dict[str, int] = {}
        """Works that ended and whose records went before their deadline: the deadlines."""
        self.keys: dict[tuple[str, str], str] = {}
        self.pulses: dict[str, int] = {}
        self.last_evidence: int | None = None
        self.up_from = 0
        self.longest: dict[str, int] = {}
        """How long a run of each type took at most."""
        self.limits: dict[str, int] = {}
        self.max_pending: int | None = None
        self.places = 0
        self.letters: list[tuple[str, Letter]] = []
        """To whom the last step told what, for good."""
        self.perhaps: list[tuple[str, Letter]] = []
        """The same, for callers that know it already or hear nothing any more."""
        self.orders: list[tuple[str, str, str]] = []
        """What the last step said to which worker: the fence, and why its run must stop, or "extend", or "look"."""

    # Who is there

    def up_since(self) -> int:
        """A silence of everybody is the ledger's own."""
        if self.last_evidence is None or self.now - self.last_evidence > EVIDENCE_GAP:
            return self.now
        return self.up_from

    def hear(self) -> None:
        self.up_from, self.last_evidence = self.up_since(), self.now

    def pulse(self, caller: str) -> None:
        self.hear()
        self.pulses[caller] = self.now

    def standing(self, work: Work) -> str:
        """wanted, doubt, or the reason why nobody wants it."""
        live = [interest for interest, deadline in work.interests.items() if deadline > self.now]
        if not work.interests:
            return Reason.WITHDRAWN
        if not live:
            return Reason.DEADLINE_PASSED
        if any(not is_attached(each) or self._heard(caller_of(each)) for each in live):
            return "wanted"
        return "doubt" if self.now - self.up_since() <= PULSE_TIMEOUT else Reason.CALLER_GONE

    def unwanted(self, work: Work) -> str:
        """Why nobody wants it; empty if somebody does or may."""
        standing = self.standing(work)
        return "" if standing in ("wanted", "doubt") else standing

    def _heard(self, caller: str) -> bool:
        return self.now - self.pulses.get(caller, 0) <= PULSE_TIMEOUT

    # Callers

    def submit(self, new: Submission, timeout: int, delay: int) -> tuple[str, str]:
        """accepted, joined, duplicate or rejected, and which work."""
        if new.id in self.works or new.id in self.forgotten:
            return "accepted", new.id
        holder = self.works.get(self.keys.get((new.name, new.key), ""))
        predecessor = ""
        if new.key and holder and holder.live:
            if new.on_duplicate == "reject":
                return "duplicate", holder.id
            if new.on_duplicate == "join" and not holder.stopping:
                self._add_interest(holder, new.interest, self.now + timeout)
                return "joined", holder.id
            predecessor = holder.id if holder.state is State.RUNNING else holder.predecessor
        if self.max_pending is not None and len(self._in(State.PENDING)) >= self.max_pending:
            return "rejected", "full"
        if new.key and holder and holder.live and not holder.stopping:
            self._dismiss(holder, State.CANCELLED, Reason.REPLACED)
        work = Work(new.id, new.name, new.key, round(new.retention * 1000), self.now + timeout)
        work.due, work.predecessor = self.now + delay, predecessor
        self.works[new.id] = work
        if new.key:
            self.keys[new.name, new.key] = new.id
        self._add_interest(work, new.interest, self.now + timeout)
        return "accepted", new.id

    def attach(self, id: str, interest: str, timeout: int | None) -> int | State | None:
        """ms left, or how it ended or is about to, or None if it is unknown."""
        work = self.works.get(id)
        if work is None:
            return None
        if work.stopping:
            return Reason(work.stopping).state
        if not work.live:
            return work.state
        deadline = work.deadline if timeout is None else self.now + timeout
        self._add_interest(work, interest, deadline)
        return deadline - self.now

    def withdraw(self, id: str, interest: str, name: str = "", key: str = "") -> None:
        work = self.works.get(id)
        its = {interest, "d" + interest[1:]}  # as `adopt` has it
        if key and (work is None or not its & work.interests.keys()):
            work = self.works.get(self.keys.get((name, key), ""), work)
        if work is None or not [work.interests.pop(each) for each in its & work.interests.keys()]:
            return
        why = self.unwanted(work)
        if why == Reason.DEADLINE_PASSED:
            why = Reason.WITHDRAWN
        if why and work.state is State.PENDING:
            self._end(work, State.CANCELLED, why)
        elif why and work.state is State.RUNNING:
            self._stop(work, why)

    def cancel(self, id: str, reason: str, state: State) -> State | None:
        """The state it was in."""
        work = self.works.get(id)
        if work is None:
            return None
        was = work.state
        if was is State.PENDING or (was is State.RUNNING and state is State.CANCELLED):
            self._dismiss(work, state, reason)
        return was

    # Workers

    def ask(self, id: str, worker: str, fence: str, message_deadline: int, *, too_late: bool) -> Answer | None:
        """The verdict; `fence` is the claim's with RUN. `too_late` if the ledger held the time left for too short."""
        work = self.works.get(id)
        if work is None:
            if id in self.forgotten:
                return Verdict.DROP, Reason.DUPLICATE
            return (Verdict.DROP, Reason.DEADLINE_PASSED) if message_deadline <= self.now else None
        if work.state is State.RUNNING:
            if work.fence == fence:
                return Verdict.RUN, ""
            if work.lease_end < self.now and self.up_since() + LEASE < self.now:
                self._put_back(work, lost=True)
            return Verdict.DROP, Reason.DUPLICATE
        if work.state.ended:
            told = work.state in (State.CANCELLED, State.EXPIRED)
            return Verdict.DROP, work.reason if told else Reason.DUPLICATE
        return self._ask_pending(work, worker, fence, too_late)

    def _ask_pending(self, work: Work, worker: str, fence: str, too_late: bool) -> Answer:
        if work.due > self.now:
            return self._hold(work, Reason.NOT_DUE)
        standing = self.standing(work)
        if standing == "doubt":
            return self._hold(work, Reason.PULSE_IN_DOUBT)
        if standing != "wanted":
            self._end(work, Reason(standing).state, standing)
            return Verdict.DROP, standing
        if too_late:
            self._end_as_too_late(work)
            return Verdict.DROP, Reason.NOT_ENOUGH_TIME
        older = self.works.get(work.predecessor)
        if older and older.state is State.RUNNING:
            return self._hold(work, Reason.KEY_BUSY)
        if not self._permitted(work):
            return Verdict.HOLD, Reason.LIMIT_REACHED
        work.state, work.fence, work.worker = State.RUNNING, fence, worker
        work.started_at, work.lease_end = self.now, self.now + LEASE
        return Verdict.RUN, ""

    def adopt(self, lost: Submission, message_deadline: int) -> None:
        """A record is written again from its message; its interest counts as detached."""
        if lost.id in self.works:
            return
        work = Work(lost.id, lost.name, "", round(lost.retention * 1000), message_deadline)
        work.interests["d" + lost.interest[1:]] = message_deadline
        self.works[lost.id] = work

    def finish(
        self, run: Submission, fence: str, state: State, reason: str, result: str | None
    ) -> tuple[State, str] | None:
        """How the work stands then; None if the claim does not own it."""
        work = self.works.get(run.id)
        if work is None and run.id in self.forgotten:
            return None
        if work is None:  # the record was lost while it ran: the run knows what is needed to end it
            work = Work(run.id, run.name, "", round(run.retention * 1000), self.now, State.RUNNING, fence=fence)
            work.interests[run.interest] = self.now
            self.works[run.id] = work
        if work.fence != fence or work.state is State.PENDING:
            return None
        if work.state.ended:
            return work.state, work.reason
        if work.started_at:
            self.longest[work.name] = max(self.now - work.started_at, self.longest.get(work.name, 0))
        if work.stopping:
            state, reason, result = Reason(work.stopping).state, work.stopping, None
        elif reason == Reason.DEADLINE_PASSED and self.standing(work) == "wanted":
            self._put_back(work, lost=False)
            return State.PENDING, reason
        self._end(work, state, reason, result)
        return state, reason

    def retry(self, id: str, fence: str, delay: int) -> str:
        work = self.works.get(id)
        if not self._owns(work, fence):
            return "stale"
        assert work is not None
        if work.stopping:
            return "stopping"
        if self.now + delay >= work.deadline:
            return "late"
        work.state, work.due, work.failures = State.PENDING, self.now + delay, work.failures + 1
        self.orders.append((work.worker, "", "look"))
        self._give_back_permit(work)
        return "retrying"

    def release(self, id: str, fence: str, *, lost: bool) -> None:
        work = self.works.get(id)
        if self._owns(work, fence):
            assert work is not None
            self._put_back(work, lost)

    def progress(self, id: str, fence: str) -> bool:
        return self._owns(self.works.get(id), fence)

    def beat(self, runs: list[tuple[str, str]]) -> dict[str, str]:
        """Of each run, by its fence: why it must stop, or empty; nothing of those that have just ended."""
        self.hear()
        said: dict[str, str] = {}
        for id, fence in runs:
            work = self.works.get(id)
            if work is None and id not in self.forgotten:
                continue
            if work is None or not (work.state is State.RUNNING and work.fence == fence):
                if work is None or work.fence != fence or work.state is State.PENDING:
                    said[fence] = Reason.LEASE_LOST
                continue
            work.lease_end = self.now + LEASE
            work.stopping = work.stopping or self.unwanted(work)
            said[fence] = work.stopping
        return said

    def tend_running(self) -> None:
        """The caretaker's round: leases that lapsed while the ledger was up are lost, the others get their time."""
        for work in sorted(self._in(State.RUNNING), key=lambda each: (each.lease_end, each.id)):
            if work.lease_end <= self.now:
                if self.up_since() + LEASE > self.now:
                    work.lease_end = self.up_since() + LEASE
                else:
                    self._put_back(work, lost=True)

    def end_unwanted(self, id: str, state: str, reason: str) -> None:
        """A caretaker or a sweep ended a pending work."""
        work = self.works[id]
        if reason == Reason.NOT_ENOUGH_TIME:
            self._end_as_too_late(work)
        elif self.unwanted(work) != reason:
            raise Violation(f"{id} was ended ({reason}) while {self.standing(work)}")
        else:
            self._end(work, State(state), reason, told=self.perhaps)

    # Operators

    def set_limit(self, name: str, most: int | None) -> None:
        if most is None:
            self.limits.pop(name, None)
        else:
            self.limits[name] = most
            for work in self._in(State.RUNNING):
                work.permit = work.permit or work.name == name
        self._refill(name)

    def forget(self, id: str, older_than: int) -> bool:
        work = self.works.get(id)
        if work is None or work.live or self.now - work.finished_at < older_than:
            return False
        del self.works[id]
        # Somebody may submit it once more, not knowing whether he did.
        self.forgotten[id] = max(work.deadline, self.now + RESUBMITTED)
        return True

    def lose(self, id: str) -> None:
        """A record that the ledger itself lost."""
        work = self.works.pop(id)
        if self.keys.get((work.name, work.key)) == id:
            del self.keys[work.name, work.key]

    def goes_at(self, work: Work) -> int:
        """When its record goes by itself."""
        if work.state.ended:
            return work.finished_at + work.retention
        return work.deadline + work.retention + EXTRA_LIFE

    def vanished(self, id: str, slack: int) -> None:
        """A record is gone by itself."""
        work = self.works[id]
        early = self.goes_at(work) - slack - self.now
        if early > 0:
            raise Violation(f"the record of {id} ({work.state}) is gone {early} ms too early")
        del self.works[id]
        if work.state.ended and work.deadline > self.now:
            self.forgotten[id] = work.deadline

    def tombstone_vanished(self, id: str, slack: int) -> None:
        if self.now < self.forgotten.pop(id) - slack:
            raise Violation(f"{id} may run again: that it has ended is forgotten before its deadline")

    # What they have in common

    def _in(self, state: State) -> list[Work]:
        return [work for work in self.works.values() if work.state is state]

    def _owns(self, work: Work | None, fence: str) -> bool:
        return work is not None and work.state is State.RUNNING and work.fence == fence

    def _add_interest(self, work: Work, interest: str, deadline: int) -> None:
        work.interests[interest] = max(deadline, work.interests.get(interest, 0))
        before, work.deadline = work.deadline, max(work.interests.values())
        if work.state is State.RUNNING and work.deadline != before:
            self.orders.append((work.worker, work.fence, "extend"))
        if is_attached(interest):
            self.pulses[caller_of(interest)] = self.now

    def _hold(self, work: Work, reason: str) -> Answer:
        self._give_back_permit(work)
        return Verdict.HOLD, reason

    def _tell(self, work: Work, state: State, reason: str, result: str | None, told: list[tuple[str, Letter]]) -> None:
        letter = Letter(work.id, state, reason, result)
        told += [(caller, letter) for caller in sorted({caller_of(each) for each in work.interests})]
        work.interests.clear()

    def _end(
        self,
        work: Work,
        state: State,
        reason: str,
        result: str | None = None,
        told: list[tuple[str, Letter]] | None = None,
    ) -> None:
        work.state, work.reason, work.result, work.finished_at = state, reason, result, self.now
        work.stopping, work.held = "", False
        self._give_back_permit(work)
        self._tell(work, state, reason, result, self.letters if told is None else told)

    def _end_as_too_late(self, work: Work) -> None:
        """Allowed where less is left than a run of the type has taken, and what its runs differ by."""
        left = max(work.interests.values()) - self.now
        if left >= 1.25 * self.longest.get(work.name, 0):
            raise Violation(f"{work.id} had {left} ms left, and no run took as long")
        self._end(work, State.EXPIRED, Reason.NOT_ENOUGH_TIME)

    def _stop(self, work: Work, reason: str) -> None:
        if not work.stopping:
            work.stopping = reason
            self.orders.append((work.worker, work.fence, reason))

    def _dismiss(self, work: Work, state: State, reason: str) -> None:
        """Its callers know at once; a run has yet to end."""
        if work.state is State.PENDING:
            self._end(work, state, reason)
        else:
            self._tell(work, state, reason, None, self.letters)
            self._stop(work, reason)

    def _put_back(self, work: Work, lost: bool) -> None:
        if work.stopping:
            self._end(work, Reason(work.stopping).state, work.stopping)
            return
        work.losses += lost
        if lost and work.losses >= MAX_DELIVERIES:
            self._end(work, State.FAILED, Reason.WORKER_LOST)
        elif why := self.unwanted(work):
            self._end(work, Reason(why).state, why)
        else:
            work.state = State.PENDING
            self._give_back_permit(work)

    # Limits: who runs, or may start, has a permit; the others wait for one in the order in which they came

    def _permits(self, name: str) -> int:
        return sum(work.permit for work in self.works.values() if work.name == name)

    def _held(self, name: str) -> list[Work]:
        waiting = [work for work in self.works.values() if work.name == name and work.held]
        return sorted(waiting, key=lambda work: (work.place or 0, work.id))

    def _permitted(self, work: Work) -> bool:
        if work.name not in self.limits or work.permit:
            work.held = False
            return True
        if self._permits(work.name) < self.limits[work.name] and not self._held(work.name):
            work.permit = True
            return True
        if work.place is None:
            self.places += work.attempt == 0
            work.place = self.places if work.attempt == 0 else 0
        work.held = True
        return False

    def _give_back_permit(self, work: Work) -> None:
        if work.permit:
            work.permit = False
            self._refill(work.name)

    def _refill(self, name: str) -> None:
        limit = self.limits.get(name)
        for work in self._held(name):
            if limit is not None and self._permits(name) >= limit:
                return
            work.held, work.permit = False, limit is not None
