# SPDX-License-Identifier: GPL-2.0
"""The kernel's latency histograms of a namespace: /sys/class/nvdio/nvdio0n1/latency/."""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import disks
from .errors import Failure

STAGES = ("tag", "submit", "device", "completion")
DIRECTIONS = ("read", "write", "other")
HEADER = struct.Struct("=IHHHHIQQ")


@dataclass
class Histogram:
    """How long something took, and how often."""

    sum_ns: int = 0
    counts: list[int] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Of all."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """In nanoseconds."""
        return self.sum_ns / self.count if self.count else None

    def __sub__(self, before: "Histogram") -> "Histogram":
        """What has come since. The kernel begins again with 0 when it is switched on."""
        if before.count > self.count or len(before.counts) != len(self.counts):
            return self
        return Histogram(max(self.sum_ns - before.sum_ns, 0),
                         [max(a - b, 0) for a, b in zip(self.counts, before.counts)])

    def percentile(self, percent: float) -> int | None:
        """A time that so many of them did not exceed: the end of a bucket."""
        left = self.count * percent / 100
        for i, n in enumerate(self.counts):
            left -= n
            if n and left <= 0:
                return bucket_start(i + 1)
        return None


# By stage and direction.
Histograms = dict[tuple[str, str], Histogram]


def bucket_start(bucket: int) -> int:
    """In nanoseconds. Powers of two are divided in four."""
    return bucket if bucket < 4 else (4 + bucket % 4) << (bucket // 4 - 1)


def parse(data: bytes) -> Histograms:
    """The file as the kernel writes it. ValueError: it is of another version."""
    if not data:
        return {}
    version, stages, directions, buckets, sub_bits, size, _, _ = HEADER.unpack_from(data)
    each = struct.Struct(f"={1 + buckets}Q")
    if version != 1 or sub_bits != 2 or len(data) < size + stages * directions * each.size:
        raise ValueError(f"histogram of version {version}, {len(data)} bytes")
    found: Histograms = {}
    for i, stage in enumerate(STAGES[:stages]):
        for j, direction in enumerate(DIRECTIONS[:directions]):
            words = each.unpack_from(data, size + (i * directions + j) * each.size)
            found[stage, direction] = Histogram(words[0], list(words[1:]))
    return found


def place(name: str) -> Path:
    """Of a namespace."""
    return disks.SYS / "class/nvdio" / name / "latency"


def is_on(name: str) -> bool:
    """Does the kernel count now?"""
    return disks.value(place(name) / "enabled") == "1"


def read(name: str) -> Histograms:
    """What was counted; nothing if it was never switched on, or if the module knows none."""
    try:
        return parse((place(name) / "histogram").read_bytes())
    except ValueError as error:
        raise Failure(f"{name}: {error}: not known to this program") from None
    except (OSError, struct.error):
        return {}


@contextlib.contextmanager
def switched_on(names: list[str]) -> Iterator[None]:
    """Counts while it lasts. What was on before stays on."""
    ours = []
    try:
        for name in names:
            if not (place(name) / "enabled").exists():
                raise Failure(f"{name}: this version of the module has no latency histograms")
            if not is_on(name):
                ours.append(name)
                try:
                    (place(name) / "enabled").write_text("1")
                except OSError as error:
                    raise Failure(f"{name}: cannot switch latency histograms on: {error.strerror}") from None
        yield
    finally:
        for name in ours:
            # Its disk may be gone.
            with contextlib.suppress(OSError):
                (place(name) / "enabled").write_text("0")
