# SPDX-License-Identifier: GPL-2.0
"""How a command ends that does not do what it was asked for."""

FAILED, USAGE, REFUSED, NO_DEVICE, INTERRUPTED = 1, 2, 3, 4, 130


class Failure(Exception):
    """What was tried did not work. Each line is a message of its own."""

    status = FAILED

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)
        self.lines: tuple[str, ...] = lines


class Refused(Failure):
    """It would do harm. Nothing was changed."""

    status = REFUSED


class Busy(Refused):
    """By what may have ended in a moment."""


class NoDevice(Failure):
    """There is no such device, or more than one."""

    status = NO_DEVICE


class Interrupted(Failure):
    """By a signal. Nothing was changed."""

    status = INTERRUPTED
