"""The names of everything Clickloom keeps in Redis, and the partition a click belongs to.

All keys of partition 3 carry the hash tag `{3}`: they live on one cluster node and change in one transaction.
"""

from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

SEPARATOR = "\x1f"  # between site, user and device in a visitor's key; ingest refuses it in any of them


def visitor_key(site_id: str, user_id: str, device_id: str) -> str:
    """What sessions are kept by: one visitor on one device of one site."""
    return f"{site_id}{SEPARATOR}{user_id}{SEPARATOR}{device_id}"


def split_key(key: str) -> tuple[str, str, str]:
    """(site_id, user_id, device_id) of a visitor's key."""
    site_id, user_id, device_id = key.split(SEPARATOR)
    return site_id, user_id, device_id


def site_of(key: str) -> str:
    """The site of a visitor's key."""
    return key.partition(SEPARATOR)[0]


class Person(NamedTuple):
    """Somebody who is to be forgotten: a user, on all of their devices."""

    site_id: str | None  # None: on every site
    user_id: str

    def owns(self, key: str) -> bool:
        """Whether the visitor's key is theirs."""
        site_id, user_id, _ = split_key(key)
        return user_id == self.user_id and self.site_id in (None, site_id)


def partition_of(key: str, partitions: int) -> int:
    return crc32(key.encode()) % partitions


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one namespace (empty, or a prefix for several Clicklooms on one Redis)."""

    namespace: str = ""

    def _name(self, *parts: str | int) -> str:
        return ":".join([*filter(None, [self.namespace]), *map(str, parts)])

    def clicks(self, partition: int) -> str:
        """Stream of record batches."""
        return self._name("clicks", f"{{{partition}}}")

    def sessions(self, window: str, partition: int) -> str:
        """Stream: the changelog of one window."""
        return self._name("sessions", window, f"{{{partition}}}")

    def metrics(self, partition: int) -> str:
        """Stream: what happened, per commit."""
        return self._name("metrics", f"{{{partition}}}")

    def active(self, partition: int) -> str:
        """Stream: which users were there, in sketches by minute."""
        return self._name("active", f"{{{partition}}}")

    def rejected(self) -> str:
        """Stream: input that is no click. It has no visitor, so one partition holds all of it."""
        return self._name("rejected", "{0}")

    def state(self, window: str, partition: int) -> str:
        """Hash: number of a commit → the sessions that it changed, as long as any of them is the newest."""
        return self._name("state", window, f"{{{partition}}}")

    def progress(self, window: str, partition: int) -> str:
        """Hash: cursor, watermark, count of commits, epoch, and what else the next owner needs besides sessions."""
        return self._name("progress", window, f"{{{partition}}}")

    def names(self, window: str, partition: int) -> str:
        """Hash: code → the event name that it stands for in the sessions."""
        return self._name("names", window, f"{{{partition}}}")

    def seen(self, window: str, partition: int, bucket: int) -> str:
        """String: the 8-byte hashes of the event ids seen in one bucket of event time."""
        return self._name("seen", window, f"{{{partition}}}", bucket)

    def seen_pattern(self, window: str, partition: int) -> str:
        """What finds every bucket's key."""
        return self._name("seen", window, f"{{{partition}}}", "*")

    def salt(self, day: int) -> str:
        """String that expires: what ids of visitors who keep none are made with on that day since 1970."""
        return self._name("salt", "{0}", day)

    def sign_in(self, digest: str) -> str:
        """String that expires: with which read key the browser has signed in whose cookie has that SHA-256."""
        return self._name("sign-in", "{0}", digest)

    def lease(self, window: str, partition: int) -> str:
        """String that expires: epoch and name of the worker that may commit."""
        return self._name("lease", window, f"{{{partition}}}")

    def workers(self) -> str:
        """Sorted set: every sessionizer that lives, by the moment when it no longer does unless it says so again."""
        return self._name("workers")

    def layout(self) -> str:
        """Hash: what was fixed at first start (the partition count, the windows' definitions), and who reads."""
        return self._name("layout")
