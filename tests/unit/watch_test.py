# SPDX-License-Identifier: GPL-2.0
"""lab/watch.py: which machine stands still, and which is started once more."""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, "lab")
import watch  # noqa: E402  (from the checkout's lab/)


def ok(good, text):
    print("%sok - E: %s" % ("" if good else "not ", text), flush=True)


class Qemu:
    """Threads that use a share of their time, and are let run a share of that."""

    def __init__(self):
        self.threads = {}

    def go(self, seconds, **shares):
        for tid, (wants, gets) in shares.items():
            ran, waited = self.threads.get(tid, (0.0, 0.0))
            # A thread that wants half of the time and gets half of that: it
            # runs 1/3 and waits 1/3.
            work = wants * seconds
            run = work if gets == 1 else work / (wants / gets + 1 - wants)
            wait = run / gets - run
            self.threads[tid] = (ran + run, waited + wait)
        return dict(self.threads)


def still_after(limit, steps, seconds=2.0, **shares):
    """Seconds after which a machine of these threads is found to stand still, or None."""
    qemu, now = Qemu(), 0.0
    w = watch.Watch(limit, now)
    for _ in range(steps):
        now += seconds
        if w.look(now, qemu.go(seconds, **shares)):
            return now
    return None


idle, works = (0.02, 1), (0.9, 1)
t = still_after(60, 100, cpu0=idle, cpu1=idle)
ok(t is not None and 60 < t <= 66, "a guest in which all wait is found after a minute (%s s)" % t)
ok(still_after(60, 500, cpu0=works, cpu1=idle) is None, "one that computes is not")
ok(still_after(60, 500, cpu0=(0.9, 0.05)) is None, "nor one that computes on a host that is 20 times too busy")
ok(still_after(60, 100, cpu0=(0.02, 0.05)) is not None, "but one that waits is found on such a host, too")
ok(still_after(0, 500, cpu0=idle) is None, "without a limit none is")
ok(still_after(60, 100, seconds=16, cpu0=idle) is None, "looks that come late prove nothing")

q, w = Qemu(), watch.Watch(60, 0.0)
found = False
for n in range(1, 200):
    found |= w.look(2.0 * n, q.go(2.0, cpu0=idle))
    if n % 25 == 0:
        w.output(2.0 * n)
ok(not found, "output every 50 s is movement enough")
w = watch.Watch(60, 0.0)
ok(not any(w.look(2.0 * n, {}) for n in range(1, 200)), "without schedstat nobody is judged")

for stage, status, still, trouble, want, text in (
        ("", -6, False, False, True, "QEMU's assertion at boot"),
        ("module", -6, False, False, True, "QEMU's assertion while nvdio binds"),
        ("module", -6, False, True, False, "the same, with trouble in the log"),
        ("command", -6, False, False, False, "QEMU's assertion in a test"),
        ("", None, True, False, True, "standing still at boot"),
        ("init", None, True, False, True, "standing still in guest-init"),
        ("module", None, True, False, False, "standing still while nvdio binds"),
        ("command", None, True, False, False, "standing still in a test"),
        ("", 0, False, True, True, "a panic at boot, without nvdio"),
        ("module", 0, False, True, False, "a panic while nvdio binds"),
        ("", None, False, False, False, "out of time, but not still")):
    ok(bool(watch.again(stage, status, still, trouble)) == want,
       "%s: %s" % (text, "started once more" if want else "not tried again"))
