# SPDX-License-Identifier: GPL-2.0
"""From what the QEMU plugin (bench/insn.c) counted to the rows of a result."""

import bisect
import functools
import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs import Job, Run
from results import Row

BENCH = os.path.dirname(os.path.abspath(__file__))
OWN_SHARE = ("driver", "block", "mapping")
# The plugin counts by blocks of so many bytes of kernel code.
BLOCK = 16
SYMBOLS_KEPT = 60


@dataclass
class Interval:
    """What was counted between two marks of the loop, over all processors."""

    user: int = 0
    kernel: int = 0
    sq: int = 0
    cq: int = 0
    blocks: dict[int, int] = field(default_factory=dict)    # address -> instructions


def read_counts(lines: Iterable[str]) -> dict[int, Interval]:
    """What the plugin wrote, by number of the interval. One that has no end is left out:
    its counts are not complete."""
    intervals = {}
    number, cur = 0, Interval()
    for line in lines:
        w = line.split()
        if not w:
            continue
        if w[0] == "interval":
            number, cur = int(w[1]), Interval()
        elif w[0] == "vcpu":
            cur.user += int(w[2])
            cur.kernel += int(w[3])
            cur.sq += int(w[4])
            cur.cq += int(w[5])
        elif w[0] == "k":
            cur.blocks[int(w[1], 16)] = int(w[2])
        elif w[0] == "end":
            intervals[number] = cur
    return intervals


class Symbols:
    """The guest's /proc/kallsyms."""

    def __init__(self, lines: Iterable[str]) -> None:
        found = []
        for line in lines:
            w = line.split()
            if len(w) > 2 and w[1] in "tTwW":
                found.append((int(w[0], 16), " ".join(w[2:])))
        found.sort()
        self.addresses = [a for a, _ in found]
        self.names = [n for _, n in found]

    def name(self, block: int) -> str:
        """Of the function that a block belongs to. Its first function may begin after
        the block does."""
        return self.at(block + BLOCK - 1)

    def at(self, address: int) -> str:
        """Of the function that has this address."""
        i = bisect.bisect_right(self.addresses, address) - 1
        return self.names[i] if i >= 0 else "?"


@functools.cache
def groups() -> list[tuple[str, re.Pattern[str]]]:
    """The lines of bench/symbols.tsv."""
    found = []
    with open(os.path.join(BENCH, "symbols.tsv"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                group, expr = line.rstrip("\n").split("\t")
                found.append((group, re.compile(expr)))
    return found


def group_of(symbol: str) -> str:
    return next((group for group, expr in groups() if expr.fullmatch(symbol)), "other")


@dataclass
class Answer:
    """What the loop said about an interval."""

    ios: int
    irqs: int


@dataclass
class PerIo:
    """One run, per I/O."""

    kernel: float
    user: float
    sq: float
    cq: float
    irqs: float
    symbols: dict[str, float]


def per_io(answer: Answer, counted: Interval, symbols: Symbols) -> PerIo:
    n = answer.ios
    by_symbol: defaultdict[str, int] = defaultdict(int)
    for address, count in counted.blocks.items():
        by_symbol[symbols.name(address)] += count
    return PerIo(counted.kernel / n, counted.user / n, counted.sq / n, counted.cq / n,
                 answer.irqs / n, {s: v / n for s, v in by_symbol.items()})


def row_of(kind: str, j: Job, measured: Iterable[PerIo]) -> Row:
    """The row for several runs of a job. What disturbs a run (timer ticks, a busy host)
    only adds instructions, so the run that took least counts."""
    runs = sorted(measured, key=lambda r: r.kernel)
    least = runs[0]
    by_group: defaultdict[str, float] = defaultdict(float)
    for s, v in least.symbols.items():
        by_group[group_of(s)] += v
    top = sorted(least.symbols.items(), key=lambda x: -x[1])[:SYMBOLS_KEPT]
    return Row(
        job=j, dev=kind, kernel_insn=round(least.kernel, 1), user_insn=round(least.user, 1),
        sq=round(statistics.median(r.sq for r in runs), 4),
        cq=round(statistics.median(r.cq for r in runs), 4),
        irqs=round(statistics.median(r.irqs for r in runs), 4),
        runs=[round(r.kernel, 1) for r in runs],
        awake=round(least.kernel - by_group.get("sched", 0), 1),
        own=round(sum(by_group.get(g, 0) for g in OWN_SHARE), 1),
        groups={g: round(v, 1) for g, v in sorted(by_group.items(), key=lambda x: -x[1])},
        symbols={s: round(v, 1) for s, v in top})


def rows_of(numbered: Sequence[Run], answers: Mapping[int, Answer],
            counted: Mapping[int, Interval], symbols: Symbols) -> list[Row]:
    """One row for each job and kind of node. numbered: see Plan.numbered()."""
    measured: dict[tuple[str, Job], list[PerIo]] = {}
    for number, answer in answers.items():
        run = numbered[number - 1]
        if number not in counted or not answer.ios:
            raise ValueError(f"no count for interval {number}")
        measured.setdefault((run.kind, run.job), []).append(
            per_io(answer, counted[number], symbols))
    return [row_of(kind, j, runs) for (kind, j), runs in measured.items()]
