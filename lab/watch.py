# SPDX-License-Identifier: GPL-2.0
"""Whether a machine still moves, and what to do when it does not: the decisions
of vm.py, without its processes and sockets (tests/unit/watch_test.py tries them)."""

import os

# Of the time in which it could run, a thread of QEMU that works takes more than this; those
# of a guest in which all wait take a few hundredths.
WORKS = 0.15
# A look this late says that we were not running ourselves, and says nothing of QEMU.
LATE = 15.0
# Processor time of QEMU after which a boot that spins is given up, in seconds.
BOOT_LIMIT = 240.0


def threads_of(pid):
    """Thread -> (seconds that it ran, seconds that it waited for a processor)."""
    seen = {}
    try:
        for tid in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as f:
                ran, waited = f.read().split()[:2]
            seen[tid] = (int(ran) / 1e9, int(waited) / 1e9)
    except (OSError, ValueError):
        # Gone; or a kernel without schedstat, where output alone counts.
        pass
    return seen


def demand(before, after, seconds):
    """How much of the time in which it could have run the busiest thread ran. A busy
    host lets it wait, and that time is taken out: it says nothing about the guest."""
    most = 0.0
    for tid, (ran, waited) in after.items():
        ran_before, waited_before = before.get(tid, (0.0, 0.0))
        could = max(seconds - (waited - waited_before), 0.01)
        most = max(most, (ran - ran_before) / could)
    return most


class Watch:
    """Says since when a machine stands still: no output, and no thread of QEMU works."""

    def __init__(self, limit, now):
        self.limit = limit
        self.moved = self.looked = now
        self.threads = {}

    def output(self, now):
        self.moved = now

    def look(self, now, threads):
        """To be called every few seconds with threads_of() QEMU. True: it stands
        still for longer than the limit."""
        seconds = now - self.looked
        if seconds > LATE or not threads or \
                demand(self.threads, threads, max(seconds, 0.01)) > WORKS:
            self.moved = now
        self.looked, self.threads = now, threads
        return bool(self.limit) and now - self.moved > self.limit

    def ran(self):
        return sum(ran for ran, _ in self.threads.values())


def again(stage, exit_status, still, trouble):
    """Why a machine that came to no end is to be started once more, or "".

    stage: "" until guest-init runs, "init" until nvdio.ko is loaded, "module" until
    the command begins, then "command". exit_status: QEMU's, negative for a signal, or
    None if we ended it. trouble: in the kernel's log. What may be nvdio's doing is not
    tried again: that would hide it."""
    crashed = exit_status is not None and exit_status < 0
    if stage == "command" or stage == "module" and (trouble or not crashed):
        return ""
    if crashed:
        return "QEMU ended by signal %d" % -exit_status
    if still:
        return "it stood still at boot"
    if exit_status is not None:
        return "it ended at boot"
    return ""
