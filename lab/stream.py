# SPDX-License-Identifier: GPL-2.0
"""Output of the command as it comes out of a port: bytes up to an end mark."""


class Stream:
    """Finds the end mark, wherever it is cut in pieces. A mark begins with a NUL and
    has no other."""

    def __init__(self, mark: bytes) -> None:
        self.mark = mark
        self.complete = False
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The part of the data, and of what was held back before, that is output."""
        data = self._held + data
        self._held = b""
        at = data.find(self.mark)
        if at >= 0:
            self.complete = True
            return data[:at]
        # Keep back what may be the beginning of the mark.
        at = data.rfind(b"\0", max(0, len(data) - len(self.mark) + 1))
        if at >= 0 and self.mark.startswith(data[at:]):
            data, self._held = data[:at], data[at:]
        return data

    def rest(self) -> bytes:
        """What was held back and turned out not to be a mark, once the port is closed."""
        held, self._held = self._held, b""
        return b"" if self.complete else held
