# SPDX-License-Identifier: GPL-2.0
"""nvdio stat: what the disks do, each interval, from the counters in sysfs."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import disks, hist, stop, uses
from .disks import children, number, value
from .errors import NoDevice
from .hist import Histograms

COUNTERS = ("direct", "mapped", "copy", "passthrough", "flush", "discard", "write_zeroes", "polled",
            "read_bytes", "write_bytes", "errors", "retries", "nowait_eagain")
# Commands and calls of which each is one I/O.
IOS = ("direct", "copy", "passthrough", "flush", "discard", "write_zeroes")


@dataclass
class Sample:
    """What the counters of one namespace were at some time, or by how much they grew."""

    controller: str
    counts: dict[str, int]
    interrupts: dict[str, int]
    """by processor: one that is switched off is not shown"""
    doorbells: int | None
    resets: int | None
    in_flight: int | None
    hists: Histograms = field(default_factory=dict)

    @property
    def ios(self) -> int:
        """Of all kinds."""
        return sum(self.counts[name] for name in IOS)


Samples = dict[str, Sample]


def interrupts() -> dict[str, dict[str, int]]:
    """Of each controller, by processor: lines of /proc/interrupts that end in nvdio0q1."""
    found: dict[str, dict[str, int]] = {}
    head, *lines = value(uses.PROC / "interrupts").splitlines() or [""]
    for line in lines:
        for name in dict.fromkeys(re.findall(r"\b(nvdio\d+)q(?!0\b)\d+", line)):
            counts = re.match(r"\s*\w+:((?:\s+\d+)+)", line)
            sums = found.setdefault(name, {})
            for processor, n in zip(head.split(), counts[1].split() if counts else []):
                sums[processor] = sums.get(processor, 0) + int(n)
    return found


def optional(path: Path) -> int | None:
    """An attribute that not every version of the module has, or that only root reads."""
    text = value(path)
    return int(text) if text.isdigit() else None


def names(wanted: list[str]) -> list[str]:
    """The namespaces that are meant; without any, all."""
    every = [p.name for p in children(disks.SYS / "class/nvdio", r"nvdio\d+n\d+")]
    if not wanted:
        return every
    meant = {os.path.basename(os.path.realpath(w)) for w in wanted}
    return [n for n in every if n in meant or re.sub(r"n\d+$", "", n) in meant]


def known(wanted: list[str]) -> list[str]:
    """The same; each that is named must be there."""
    for one in wanted or [""]:
        if not names([one] if one else []):
            raise NoDevice(f"{one}: not a node of nvdio" if one else "no disk is bound to nvdio")
    return names(wanted)


def sample() -> Samples:
    """All counters of all namespaces, now: some are for all of a controller's."""
    found: Samples = {}
    irqs = interrupts()
    for name in names([]):
        place = disks.SYS / "class/nvdio" / name
        controller = re.sub(r"n\d+$", "", name)
        found[name] = Sample(controller, {c: number(place / "stats" / c) for c in COUNTERS},
                             irqs.get(controller, {}),
                             optional(disks.SYS / "class/nvdio" / controller / "doorbells"),
                             optional(disks.SYS / "class/nvdio" / controller / "resets"),
                             optional(place / "leaks/requests"),
                             hist.read(name) if hist.is_on(name) else {})
    return found


def less(now: int | None, before: int | None) -> int | None:
    """By how much something grew that may not be known. It begins with 0 when it is bound."""
    if now is None or before is None:
        return None
    return now - before if now >= before else now


def nothing_yet(new: Sample, before: Samples) -> Sample:
    """What a namespace had done before it was there. Its controller may have been."""
    same = [s for s in before.values() if s.controller == new.controller]
    counts = dict.fromkeys(new.counts, 0)
    if same:
        return Sample(new.controller, counts, same[0].interrupts, same[0].doorbells, same[0].resets, 0)
    return Sample(new.controller, counts, dict.fromkeys(new.interrupts, 0), 0, 0, 0)


def difference(now: Samples, before: Samples) -> Samples:
    """By how much all grew that is there now."""
    found: Samples = {}
    for name, new in now.items():
        old = before.get(name) or nothing_yet(new, before)
        found[name] = Sample(new.controller,
                             {c: less(n, old.counts[c]) or 0 for c, n in new.counts.items()},
                             {p: less(n, old.interrupts.get(p)) or 0 for p, n in new.interrupts.items()},
                             less(new.doorbells, old.doorbells),
                             less(new.resets, old.resets), new.in_flight,
                             {k: h - old.hists.get(k, hist.Histogram()) if k in old.hists else h
                              for k, h in new.hists.items()})
    return found


@dataclass
class Row:
    """What is shown of a namespace. None: the kernel does not say."""

    direct: float
    copy: float
    passthrough: float
    other: float
    read_mb: float
    write_mb: float
    read_us: float | None
    write_us: float | None
    depth: float | None
    doorbells_per_io: float | None
    interrupts_per_io: float | None
    waits: float | None
    retries: float
    again: float
    errors: int
    resets: int | None


def per(part: float | None, whole: float) -> float | None:
    """A quotient that may not be known."""
    return part / whole if part is not None and whole else None


def row(one: Sample, every: Samples, seconds: float) -> Row:
    """From the differences of an interval. Doorbells, interrupts and resets are the controller's."""
    counts = one.counts
    all_ios = sum(s.ios for s in every.values() if s.controller == one.controller)
    device = {d: one.hists.get(("device", d), hist.Histogram()) for d in hist.DIRECTIONS}
    waits = sum(h.count for (stage, _), h in one.hists.items() if stage == "tag")
    # Little's law, where the kernel measures; otherwise what was in flight when it was asked.
    depth = sum(h.sum_ns for h in device.values()) / 1e9 / seconds if one.hists else one.in_flight

    def mean_us(direction: str) -> float | None:
        return per(device[direction].mean, 1000)

    return Row(counts["direct"] / seconds, counts["copy"] / seconds, counts["passthrough"] / seconds,
               sum(counts[c] for c in ("flush", "discard", "write_zeroes")) / seconds,
               counts["read_bytes"] / 1e6 / seconds, counts["write_bytes"] / 1e6 / seconds,
               mean_us("read"), mean_us("write"), depth, per(one.doorbells, all_ios),
               per(sum(one.interrupts.values()), all_ios), waits / seconds if one.hists else None,
               counts["retries"] / seconds, counts["nowait_eagain"] / seconds, counts["errors"], one.resets)


# Title, decimals.
COLUMNS = (("direct/s", 0), ("copy/s", 0), ("pass/s", 0), ("other/s", 0), ("rMB/s", 1), ("wMB/s", 1),
           ("r_us", 1), ("w_us", 1), ("depth", 1), ("db/io", 2), ("irq/io", 2), ("waits/s", 0),
           ("retry/s", 0), ("again/s", 0), ("errors", 0), ("resets", 0))


def as_text(every: Samples, shown: list[str], seconds: float) -> str:
    """A table with a line for each namespace that is shown."""
    width = max(10, *map(len, shown)) if shown else 10
    lines = [f"{'node':<{width}}" + "".join(f" {title:>8}" for title, _ in COLUMNS)]
    for name in shown:
        cells = vars(row(every[name], every, seconds)).values()
        lines.append(f"{name:<{width}}" + "".join(
            f" {'-' if cell is None else f'{cell:.{decimals}f}':>8}"
            for cell, (_, decimals) in zip(cells, COLUMNS)))
    return "\n".join(lines)


def as_json(every: Samples, shown: list[str], seconds: float) -> str:
    """An object in one line."""
    found: list[dict[str, Any]] = []
    for name in shown:
        one = every[name]
        latency = {f"{stage}_{direction}": {"count": h.count, "mean_ns": h.mean}
                   for (stage, direction), h in one.hists.items() if h.count}
        found.append({"node": f"/dev/{name}", "ios": one.ios, "counts": one.counts, "latency": latency,
                      "controller": {"interrupts": sum(one.interrupts.values()), "doorbells": one.doorbells,
                                     "resets": one.resets}, "rates": vars(row(one, every, seconds))})
    return json.dumps({"seconds": seconds, "disks": found})


def watch(wanted: list[str], seconds: float, count: int | None,
          show: Callable[[Samples, list[str], float], str], stopped: stop.Stop) -> None:
    """Until a signal comes, or so many intervals are over."""
    then, before = time.monotonic(), sample()
    print(f"nvdio stat: watching {' '.join(names(wanted))}", file=sys.stderr, flush=True)
    due = then
    while not stopped.wanted and count != 0:
        due = max(due + seconds, time.monotonic())
        stopped.sleep(due)
        now, after = time.monotonic(), sample()
        shown = [n for n in names(wanted) if n in after]
        if not shown:
            raise NoDevice("no disk is left")
        print(show(difference(after, before), shown, max(now - then, 1e-9)), flush=True)
        then, before = now, after
        count = None if count is None else count - 1


def command(wanted: list[str], seconds: float, count: int | None, json_wanted: bool, latency: bool) -> int:
    """nvdio stat."""
    found = known(wanted)
    show = as_json if json_wanted else lambda *what: as_text(*what) + "\n"
    with stop.by_signal() as stopped, hist.switched_on(found) if latency else contextlib.nullcontext():
        watch(wanted, seconds, count, show, stopped)
    return 0
