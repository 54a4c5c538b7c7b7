# SPDX-License-Identifier: GPL-2.0
"""What all parts of lab/vm share: its exit statuses and its messages."""

import sys

LAB_ERROR = 125
TIMED_OUT = 124
BAD_LOG = 123


class Fatal(Exception):
    """A message for the user; ends the run with LAB_ERROR."""


def say(text: str) -> None:
    sys.stdout.flush()
    print(f"lab/vm: {text}", file=sys.stderr, flush=True)
