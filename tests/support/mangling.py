"""Bad messages from a seeded generator: everything that somebody with access to the broker can put into a queue."""

import base64
import bz2
import copy
import json
import lzma
import pickle
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**70, 1e308, "", " ", "x", "x" * 5000, "\x1b[31m\r\nfake log line", "\ud800",
    [], {}, [[]], [None, None], {"a": {"b": [1]}}, [1, 2, 3], "null", "2020-01-01T00:00:00", "\x00",
    {"__type__": "datetime", "__value__": "no"}, {"__type__": "bytes", "__value__": 3},
)  # fmt: skip
_HEADERS: tuple[tuple[str, Any], ...] = (
    ("called_directly", True), ("askfirst_claim", {"fence": "1:a", "deadline_at": 1e12, "failures": 0}),
    ("compression", "application/x-gzip"), ("compression", 7), ("eta", "soon"), ("eta", 5),
    ("expires", "never"), ("group", {}), ("timelimit", "long"), ("timelimit", [0.001, 0.001]), ("retries", "many"),
    ("stamped_headers", 5), ("stamps", []), ("replaced_task_nesting", []), ("args", [1]), ("kwargs", {"line": "x"}),
    ("lang", "c"), ("shadow", "other\nname"), ("reply_to", {}), ("chord", "x"), ("ignore_result", False),
)  # fmt: skip


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.file), "w")


class Mangler:
    """Makes bad messages of good ones; `trap` is the file that appears if one of them is unpickled.

    With `plain` some are made of plain calls of a work type; a few of these are right, and run.
    """

    def __init__(self, seed: int, good: Sequence[str], trap: Path, *, plain: bool = False) -> None:
        self._plain = plain
        self._random = random.Random(seed)
        self._good = good
        self._pickled = base64.b64encode(pickle.dumps(Trap(trap))).decode()
        self._raw_pickle = pickle.dumps(Trap(trap), protocol=0).decode("latin-1")
        self._bombs = {
            "application/x-gzip": zlib.compress(b"[" * 20_000_000),
            "application/x-bz2": bz2.compress(b"[" * 20_000_000),
            "application/x-lzma": lzma.compress(b"[" * 20_000_000),
        }
        self._cheap: tuple[Callable[[], bytes], ...] = (
            self.truncated, self.flipped, self.random_bytes, self.scalar, self.without_a_part, self.with_an_odd_part,
            self.with_a_header, self.foreign, self.compressed, self.with_callbacks, self.with_another_id,
            self.with_another_body,
        )  # fmt: skip
        #: These take a worker milliseconds: to find the limit, to ask the ledger, to log.
        self._costly: tuple[Callable[[], bytes], ...] = (
            self.deep, self.large, self.doubled, self.replayed, self.of_another_task, self.deep_body,
        )  # fmt: skip

    def messages(self, count: int) -> Iterator[bytes]:
        """So many, of all kinds."""
        for _ in range(count):
            yield self._random.choice(self._costly if self._random.random() < 0.02 else self._cheap)()

    # Texts

    def truncated(self) -> bytes:
        text = self._one().encode()
        return text[: self._random.randrange(len(text))]

    def flipped(self) -> bytes:
        text = bytearray(self._one().encode())
        for _ in range(self._random.randint(1, 8)):
            text[self._random.randrange(len(text))] = self._random.randrange(256)
        return bytes(text)

    def random_bytes(self) -> bytes:
        return self._random.randbytes(self._random.randrange(200))

    def scalar(self) -> bytes:
        return self._random.choice((b"", b"null", b"0", b'"x"', b"[]", b"{}", b"true", b"NaN", b'{"properties":{}}'))

    def deep(self) -> bytes:
        depth = self._random.choice((500, 5_000, 100_000))
        return self._random.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth))

    def large(self) -> bytes:
        return self._random.choice((b" " * 200_000, b'"' + b"x" * 200_000 + b'"', b"[" + b"0," * 100_000 + b"0]"))

    def doubled(self) -> bytes:
        text = self._one()
        part = self._random.choice(('"headers":{},', '"headers":null,', '"properties":{},', '"body":"[]",'))
        return (text.replace('"headers":', part + '"headers":', 1) if self._random.random() < 0.5 else
                text[:-1] + "," + part[:-1] + "}").encode()  # fmt: skip

    # Parts

    def without_a_part(self) -> bytes:
        entry = self._entry()
        owner, name = self._place(entry)
        del owner[name]
        return self._dumped(entry)

    def with_an_odd_part(self) -> bytes:
        entry = self._entry()
        for _ in range(self._random.randint(1, 3)):
            owner, name = self._place(entry)
            owner[name] = copy.deepcopy(self._random.choice(_ODD))
        return self._dumped(entry)

    def with_a_header(self) -> bytes:
        entry = self._entry()
        name, value = self._random.choice(_HEADERS)
        entry["headers"][name] = value
        if self._plain and self._random.random() < 0.3:
            for ours in ("askfirst", "askfirst_deadline", "origin"):
                del entry["headers"][ours]  # as a plain call of the work type
            entry["headers"]["id"] = "x"
        return self._dumped(entry)

    def foreign(self) -> bytes:
        entry = self._entry()
        kind = self._random.choice(
            ("application/x-python-serialize", "application/x-yaml", "application/x-msgpack", "application/data",
             "application/text", "text/plain", "", None, "application/JSON", "json"),
        )  # fmt: skip
        entry["content-type"] = kind
        entry["content-encoding"] = self._random.choice(("binary", "utf-8", "ascii", "zlib", "rot13", "utf-16"))
        if self._random.random() < 0.7:
            entry["body"] = self._random.choice((self._pickled, self._raw_pickle, "!!python/object/apply:os.getcwd []"))
            if entry["body"] == self._pickled:
                entry["properties"]["body_encoding"] = "base64"
        return self._dumped(entry)

    def compressed(self) -> bytes:
        entry = self._entry()
        kind, packed = self._random.choice(list(self._bombs.items()))
        entry["headers"]["compression"] = kind
        entry["body"] = base64.b64encode(packed).decode()
        entry["properties"]["body_encoding"] = "base64"
        return self._dumped(entry)

    def replayed(self) -> bytes:
        return self._one().encode()

    def with_callbacks(self) -> bytes:
        task = self._random.choice(("mangled.forged", "celery.backend_cleanup"))
        signature = {"task": task, "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": True}
        link = self._random.choice(("callbacks", "errbacks", "chain", "chord"))
        return self._with_body(lambda body: body[2].update({link: signature if link == "chord" else [signature]}))

    def of_another_task(self) -> bytes:
        entry = self._entry()
        names = ("no.such.task", "celery.backend_cleanup", "celery.chord", "", "os.system", "\n", "x" * 10_000)
        entry["headers"]["task"] = self._random.choice(names)
        if self._random.random() < 0.3:
            entry["headers"].pop("id")
        return self._dumped(entry)

    def with_another_id(self) -> bytes:
        entry = self._entry()
        id = self._random.choice(
            ("", "x", "default.", "default." + "g" * 32, "other." + "0" * 32, "default." + "0" * 31, "../../etc/passwd",
             "default." + "0" * 32 + "\n", "}:work:x", "default." + "A" * 32),
        )  # fmt: skip
        entry["headers"]["id"] = id
        if self._random.random() < 0.7:
            entry["headers"]["root_id"] = entry["properties"]["correlation_id"] = id
        return self._dumped(entry)

    def with_another_body(self) -> bytes:
        bodies: tuple[Any, ...] = (
            [], [[], {}], [[], {}, {}, {}], [{}, [], {}], [[1], {}, {}], {"args": [], "kwargs": {}}, {"task": "x"},
            None, [[], {"__type__": "uuid", "__value__": 1}, {}], "text", [[], [], []],
            [[], {"x": 1}, {"callbacks": 3}],
        )  # fmt: skip
        entry = self._entry()
        entry["body"] = json.dumps(self._random.choice(bodies))
        return self._dumped(entry)

    def deep_body(self) -> bytes:
        depth = self._random.choice((150, 400, 900, 5_000))
        entry = self._entry()
        body = json.loads(entry["body"])
        entry["body"] = f'[[],{{"line":{"[" * depth}{"]" * depth}}},{json.dumps(body[2])}]'
        return self._dumped(entry)

    # What they are made of

    def _one(self) -> str:
        return self._random.choice(self._good)

    def _entry(self) -> dict[str, Any]:
        entry: dict[str, Any] = json.loads(self._one())
        return entry

    def _with_body(self, change: Callable[[Any], object]) -> bytes:
        entry = self._entry()
        body = json.loads(entry["body"])
        change(body)
        entry["body"] = json.dumps(body)
        return self._dumped(entry)

    def _place(self, entry: Any) -> tuple[Any, Any]:
        """A part of it, by what it is in and its name there."""
        places = [(entry, name) for name in entry]
        for owner, name in places:
            if isinstance(owner[name], dict):
                places += [(owner[name], inner) for inner in owner[name]]
        return self._random.choice(places)

    @staticmethod
    def _dumped(entry: Any) -> bytes:
        return json.dumps(entry).encode()
