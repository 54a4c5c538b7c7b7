# SPDX-License-Identifier: GPL-2.0
"""lab/watch.py: which machine stands still."""

from tap import finish, ok

import watch

Wants = tuple[float, float]


class Qemu:
    """Threads that want a share of their time, and get a share of what they want."""

    def __init__(self) -> None:
        self.threads: dict[str, tuple[float, float]] = {}

    def go(self, seconds: float, **shares: Wants) -> watch.Threads:
        for tid, (wants, gets) in shares.items():
            ran, waited = self.threads.get(tid, (0.0, 0.0))
            # A thread that wants half of the time and gets half of that: it
            # runs 1/3 and waits 1/3.
            work = wants * seconds
            run = work if gets == 1 else work / (wants / gets + 1 - wants)
            wait = run / gets - run
            self.threads[tid] = (ran + run, waited + wait)
        return dict(self.threads)


def still_after(limit: float, steps: int, seconds: float = 2.0, **shares: Wants) -> float | None:
    """Seconds after which a machine with these threads is found to stand still, or None."""
    qemu, now = Qemu(), 0.0
    w = watch.Watch(limit, now)
    for _ in range(steps):
        now += seconds
        if w.look(now, qemu.go(seconds, **shares)):
            return now
    return None


def test_threads() -> None:
    idle, works = (0.02, 1.0), (0.9, 1.0)
    t = still_after(60, 100, cpu0=idle, cpu1=idle)
    ok(t is not None and 60 < t <= 66,
       f"E: a guest in which every task waits is found after a minute ({t} s)")
    ok(still_after(60, 500, cpu0=works, cpu1=idle) is None, "E: one that computes is not")
    ok(still_after(60, 500, cpu0=(0.9, 0.05)) is None,
       "E: nor one that computes on a host that is 20 times too busy")
    ok(still_after(60, 100, cpu0=(0.02, 0.05)) is not None,
       "E: but one that waits is found on such a host, too")
    ok(still_after(0, 500, cpu0=idle) is None, "E: without a limit none is")
    ok(still_after(60, 100, seconds=16, cpu0=idle) is None, "E: looks that come late prove nothing")


def test_output() -> None:
    qemu, w = Qemu(), watch.Watch(60, 0.0)
    found = False
    for n in range(1, 200):
        found |= w.look(2.0 * n, qemu.go(2.0, cpu0=(0.02, 1.0)))
        if n % 25 == 0:
            w.output(2.0 * n)
    ok(not found, "E: output every 50 s is movement enough")


def test_no_schedstat() -> None:
    w = watch.Watch(60, 0.0)
    ok(not any(w.look(2.0 * n, {}) for n in range(1, 200)),
       "E: without schedstat no machine is judged")


test_threads()
test_output()
test_no_schedstat()
finish()
