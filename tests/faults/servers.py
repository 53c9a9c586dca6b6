"""The Redis of a campaign: a primary and its replica, which change places, lose what they have, run out of room."""

import contextlib
import resource
from pathlib import Path
from typing import Any, Final

import redis

from tests.support.eventually import eventually
from tests.support.servers import RedisServer

from .network import Network

_OPTIONS: Final = {
    "lua_time_limit": "100",  # ms until a script that runs makes the server say that it is busy
    "repl_diskless_sync_delay": "0",
    "repl_timeout": "5",
    "auto_aof_rewrite_min_size": "32mb",
}
_FULL: Final = 4096  # bytes that a full disk has left: the end of a block
_ROOM: Final = 65536  # bytes of memory that are left when there is none


class Servers:
    """Two servers and the link between them, on which what is replicated can get lost."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.primary = RedisServer(**_OPTIONS)
        try:
            self.replica = RedisServer(**_OPTIONS)
        except BaseException:
            self.primary.close()
            raise
        self.link = network.road(self.primary.port)
        self._follow()

    def close(self) -> None:
        """Ends both and removes their folders."""
        for server in (self.primary, self.replica):
            with contextlib.suppress(AssertionError):
                server.resume()
            server.close()

    def usable(self) -> bool:
        """Whether the primary takes writes."""
        with contextlib.suppress(redis.RedisError, OSError):
            return bool(self.primary.client().set("faults:usable", "1", px=60_000))
        return False

    def wait_until_usable(self) -> None:
        eventually(self.usable, within=15, what="Redis takes writes")

    # What befalls the primary

    def empty(self) -> None:
        """Its disk is lost with it: it has nothing when it is started again. To be killed first."""
        for file in self._log_files():
            file.unlink()

    def log_size(self) -> dict[tuple[Path, int], int]:
        """How much of its log is written, by file and inode: a rewritten log takes the old one's name."""
        return {(file, file.stat().st_ino): file.stat().st_size for file in self._log_files()}

    def lose_since(self, sizes: dict[tuple[Path, int], int]) -> int:
        """Its power failed before what came after these sizes was on the disk; bytes. To be killed first."""
        lost = 0
        for (file, inode), size in self.log_size().items():
            # A file that is new since then is a rewritten log, which is on the disk before it is used.
            before = sizes.get((file, inode), size)
            if size > before:
                lost += size - before
                with file.open("rb+") as log:
                    log.truncate(before)
        return lost

    def fill_disk(self) -> None:
        """Nothing more can be written to its log."""
        size = max([*self.log_size().values(), 0])
        self._limit_files(size // _FULL * _FULL + _FULL)

    def free_disk(self) -> None:
        self._limit_files(resource.RLIM_INFINITY)

    def fill_memory(self) -> None:
        """It refuses whatever might need more memory."""
        used = int(self.primary.client().info("memory")["used_memory"])
        self.primary.client().config_set("maxmemory", max(used - _ROOM, 1))

    def free_memory(self) -> None:
        self.primary.client().config_set("maxmemory", 0)

    def be_busy(self, seconds: float) -> None:
        """A script of somebody else's runs for so long."""
        script = (
            "local function ms() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end "
            "local over = ms() + ARGV[1] while ms() < over do end return 1"
        )
        # On a connection of its own that is not waited on: the script ends by itself.
        client = redis.Redis(port=self.primary.port, socket_timeout=0.05)
        with contextlib.closing(client), contextlib.suppress(redis.RedisError):
            client.execute_command("EVAL", script, 0, int(seconds * 1000))

    # Changing places

    def promote(self) -> None:
        """The primary is dead: the replica takes its place, with what it has; the other starts anew as its replica."""
        self.primary, self.replica = self.replica, self.primary
        self.link.mend()
        self.primary.client().execute_command("REPLICAOF", "NO", "ONE")
        self.wait_until_usable()

    def change_places(self) -> None:
        """In order, and nothing is lost: whoever goes on to write to the old primary is refused."""
        self.primary.client().execute_command("FAILOVER", "TO", "127.0.0.1", self.replica.port)
        old, new = self.primary, self.replica
        eventually(lambda: old.client().info("replication")["role"] == "slave", within=10, what="it has stepped down")
        self.primary, self.replica = new, old
        self.wait_until_usable()

    def follow(self) -> None:
        """The replica, started if it is dead, follows the primary."""
        if not self.replica.runs:
            for file in self._log_files(self.replica):
                file.unlink()
            self.replica.start()
        self._follow()

    def in_step(self) -> bool:
        """Whether the replica has all that the primary had a moment ago."""
        info = self.primary.client().info("replication")
        followers = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
        return any(each["state"] == "online" and each["lag"] <= 1 for each in followers)

    def wait_until_in_step(self) -> None:
        eventually(self.in_step, within=15, every=0.1, what="the replica follows")

    def _follow(self) -> None:
        self.link.target = self.primary.port
        self.link.cut()
        self.replica.client().execute_command("REPLICAOF", "127.0.0.1", self.link.port)

    def _log_files(self, server: RedisServer | None = None) -> list[Path]:
        folder = (server or self.primary).folder
        # In one file, or since Redis 7 in a folder of several.
        return [file for file in (folder / "appendonly.aof", *folder.glob("appendonlydir/*")) if file.is_file()]

    def _limit_files(self, size: int) -> None:
        resource.prlimit(self.primary.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def clients_of(server: RedisServer) -> list[dict[str, Any]]:
    """Who is connected to it, the caller of this apart."""
    client = server.client()
    mine = client.client_id()
    return [each for each in client.client_list() if int(each["id"]) != mine]
