#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""tests/guest/trace_hist.py: what is in latency/histogram of a namespace

usage: tests/guest/trace_hist.py FILE count STAGE DIRECTION    how many
       tests/guest/trace_hist.py FILE most STAGE               the longest: a lower bound, in ns
       tests/guest/trace_hist.py FILE sane                     sums fit the buckets, or says where not

STAGE: tag submit device completion; DIRECTION: read write other. Numbers in the file are
those of docs/tracing.md.
"""

import struct
import sys
from pathlib import Path

STAGES = ("tag", "submit", "device", "completion")
DIRECTIONS = ("read", "write", "other")
HEADER = struct.Struct("=IHHHHIQQ")


def lower(i: int) -> int:
    """The least that bucket i has."""
    return i if i < 4 else (4 + i % 4) << (i // 4 - 1)


def load(path: str) -> dict[tuple[str, str], tuple[int, list[int]]]:
    """By stage and direction: the sum, and the buckets."""
    data = Path(path).read_bytes()
    version, stages, directions, buckets, sub_bits, size, _, _ = HEADER.unpack_from(data)
    if (version, stages, directions, buckets, sub_bits, size) != (1, 4, 3, 144, 2, 32):
        sys.exit(f"unknown header of {path}")
    hist = struct.Struct(f"={1 + buckets}Q")
    if len(data) != size + stages * directions * hist.size:
        sys.exit(f"{path} has {len(data)} bytes")
    values = [hist.unpack_from(data, size + i * hist.size) for i in range(stages * directions)]
    return {(stage, direction): (values[s * directions + d][0], list(values[s * directions + d][1:]))
            for s, stage in enumerate(STAGES) for d, direction in enumerate(DIRECTIONS)}


def sane(hists: dict[tuple[str, str], tuple[int, list[int]]]) -> None:
    for what, (total, counts) in hists.items():
        least = sum(lower(i) * n for i, n in enumerate(counts))
        most = sum(lower(i + 1) * n for i, n in enumerate(counts))
        if not least <= total <= most:
            print(*what, total, "is not within", least, most)


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    hists = load(sys.argv[1])
    if sys.argv[2] == "sane":
        sane(hists)
    elif sys.argv[2] == "count":
        print(sum(hists[sys.argv[3], sys.argv[4]][1]))
    else:
        found = (lower(i) for d in DIRECTIONS for i, n in enumerate(hists[sys.argv[3], d][1]) if n)
        print(max(found, default=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
