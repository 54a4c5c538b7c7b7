# SPDX-License-Identifier: GPL-2.0
"""Waiting in programs that end by a signal, and have something to do then."""

import contextlib
import signal
import time
from collections.abc import Iterator


class Stop:
    """Whether a signal has come."""

    def __init__(self) -> None:
        self.wanted = False

    def pending(self) -> bool:
        """Has one come that nobody has waited for?"""
        return bool(signal.sigpending() & {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

    def sleep(self, until: float | None) -> None:
        """Until this time of the monotonic clock, or a signal."""
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        while not self.wanted:
            left = 3600.0 if until is None else until - time.monotonic()
            if left <= 0:
                return
            # They are blocked elsewhere, so that none is lost between a look and the sleep.
            if signal.sigtimedwait(signals, left):
                self.wanted = True


@contextlib.contextmanager
def by_signal() -> Iterator[Stop]:
    """Signals that end programs do not while this lasts."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    # A shell makes the programs in its background ignore SIGINT.
    ignored = {s for s in signals if signal.getsignal(s) == signal.SIG_IGN}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals - ignored)
    try:
        yield Stop()
    finally:
        # One that came after the last look has been obeyed.
        while signal.sigpending() & (signals - ignored):
            signal.sigtimedwait(signals - ignored, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
