# SPDX-License-Identifier: GPL-2.0
"""TAP for the unit tests of the Python programs. Numbers and the plan are added by
tests/lib.sh, which runs these."""

import os
import sys

sys.dont_write_bytecode = True
_top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(_top, d) for d in ("lab", "bench", "tests/guest")]

_failed = 0


def ok(good: object, text: str) -> None:
    """One test, which passes if good is true."""
    global _failed
    _failed += not good
    print(f"{'' if good else 'not '}ok - {text}", flush=True)


def equal(have: object, want: object, text: str) -> None:
    """One test, which passes if both are equal, and shows them if not."""
    ok(have == want, text)
    if have != want:
        for name, value in (("have", have), ("want", want)):
            for i, line in enumerate(str(value).splitlines() or [""]):
                print(f"#   {name if i == 0 else '    '} {line}", flush=True)


def finish() -> None:
    """The last call of each test program."""
    sys.exit(1 if _failed else 0)
