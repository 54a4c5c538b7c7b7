# SPDX-License-Identifier: GPL-2.0
"""Whether a machine still moves: what it prints, and what the threads of QEMU compute
in the time that the host gives them."""

import os
from collections.abc import Mapping

# Thread -> (seconds that it ran, seconds that it waited for a processor).
Threads = Mapping[str, tuple[float, float]]

# Of the time in which it could run, a thread of QEMU that works takes more than this;
# those of a guest in which every task waits take a few hundredths.
WORKS = 0.15
# A look this late says that we were not running ourselves, and says nothing of QEMU.
LATE = 15.0


def threads_of(pid: int) -> Threads:
    seen = {}
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as f:
                ran, waited = f.read().split()[:2]
            seen[tid] = (int(ran) / 1e9, int(waited) / 1e9)
    except (OSError, ValueError):
        # Gone; or a kernel without schedstat, where output alone counts.
        pass
    return seen


def demand(before: Threads, after: Threads, seconds: float) -> float:
    """How much of the time in which it could have run the busiest thread ran. The time
    for which a busy host let it wait is taken out: it says nothing about the guest."""
    most = 0.0
    for tid, (ran, waited) in after.items():
        ran_before, waited_before = before.get(tid, (0.0, 0.0))
        could = max(seconds - (waited - waited_before), 0.01)
        most = max(most, (ran - ran_before) / could)
    return most


class Watch:
    """Says since when a machine stands still: no output, and no thread of QEMU works."""

    def __init__(self, limit: float, now: float) -> None:
        self.limit = limit
        self.moved = self.looked = now
        self.threads: Threads = {}
        self.ran_at_output = 0.0
        self.longest = 0.0

    def output(self, now: float) -> None:
        self.moved = now
        self.ran_at_output = self.ran()

    def look(self, now: float, threads: Threads) -> bool:
        """To be called every few seconds with threads_of() QEMU. True: it has stood
        still for longer than the limit (0: there is none)."""
        seconds = now - self.looked
        if seconds > LATE or not threads or \
                demand(self.threads, threads, max(seconds, 0.01)) > WORKS:
            self.moved = now
        self.looked, self.threads = now, threads
        self.longest = max(self.longest, self.silent())
        return bool(self.limit) and now - self.moved > self.limit

    def silent(self) -> float:
        """Seconds of processor time that QEMU took since the last output."""
        return self.ran() - self.ran_at_output

    def ran(self) -> float:
        """Seconds of processor time that QEMU took."""
        return sum(ran for ran, _ in self.threads.values())
