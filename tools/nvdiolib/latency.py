# SPDX-License-Identifier: GPL-2.0
"""nvdio latency: histograms by stage of an I/O and direction, while it runs."""

import json
import sys
import time
from typing import Any

from . import hist, stop
from .errors import Failure, NoDevice
from .hist import DIRECTIONS, STAGES, Histogram, Histograms, bucket_start
from .stat import known

TEXTS = {"tag": "waited for a tag", "submit": "from the first command behind a doorbell to the doorbell",
         "device": "from the doorbell to the completion that was found",
         "completion": "from there until the caller was told"}
BAR = 40


def time_text(ns: float | None) -> str:
    """With a unit, short."""
    if ns is None:
        return "-"
    for unit, size in ("s", 1e9), ("ms", 1e6), ("us", 1e3):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def powers(one: Histogram) -> list[tuple[int, int, int]]:
    """Begin, end and number of each power of two, from the first to the last with anything in it."""
    found: dict[int, int] = {}
    for i, n in enumerate(one.counts):
        if n:
            power = bucket_start(i).bit_length()
            found[power] = found.get(power, 0) + n
    if not found:
        return []
    return [(1 << p >> 1, 1 << p, found.get(p, 0)) for p in range(min(found), max(found) + 1)]


def bars(one: Histogram, block: str) -> list[str]:
    """A line for each power of two."""
    lines = powers(one)
    most = max((n for _, _, n in lines), default=1)
    return [f"  {time_text(begin):>8} - {time_text(end):<8} {n:>10} {100 * n / one.count:5.1f}% "
            f"{block * (-(-n * BAR // most))}".rstrip() for begin, end, n in lines]


def summary(one: Histogram) -> str:
    """In a line."""
    return (f"{one.count} times, mean {time_text(one.mean)}, 50 % up to {time_text(one.percentile(50))}, "
            f"99 % up to {time_text(one.percentile(99))}, 99.9 % up to {time_text(one.percentile(99.9))}")


def as_text(every: dict[str, Histograms], block: str) -> str:
    """For people."""
    lines = []
    for name, found in every.items():
        if not any(h.count for h in found.values()):
            lines.append(f"{name}: nothing was done\n")
        for stage in STAGES:
            for direction in DIRECTIONS:
                one = found.get((stage, direction), Histogram())
                if one.count:
                    lines += [f"{name}: {direction}: {stage} ({TEXTS[stage]})", f"  {summary(one)}",
                              *bars(one, block), ""]
    return "\n".join(lines)


def as_json(every: dict[str, Histograms], seconds: float) -> str:
    """For programs."""
    shown: list[dict[str, Any]] = []
    for name, found in every.items():
        stages: dict[str, dict[str, Any]] = {}
        for (stage, direction), one in found.items():
            stages.setdefault(stage, {})[direction] = {
                "count": one.count, "sum_ns": one.sum_ns, "mean_ns": one.mean,
                "p50_ns": one.percentile(50), "p99_ns": one.percentile(99), "p99.9_ns": one.percentile(99.9),
                "buckets": [[bucket_start(i), bucket_start(i + 1), n] for i, n in enumerate(one.counts) if n]}
        shown.append({"node": f"/dev/{name}", "stages": stages})
    return json.dumps({"seconds": seconds, "disks": shown}, indent=2)


def lost(names: list[str]) -> list[str]:
    """What happened meanwhile to those that are not complete."""
    return [f"{name}: " + ("switched off by another program" if hist.place(name).exists() else "it has gone")
            + " meanwhile" for name in names if not hist.is_on(name)]


def command(wanted: list[str], seconds: float | None, json_wanted: bool) -> int:
    """nvdio latency."""
    found = known(wanted)
    with stop.by_signal() as stopped:
        with hist.switched_on(found):
            # Others may have switched them on before.
            before, then = {name: hist.read(name) for name in found}, time.monotonic()
            print(f"nvdio latency: counting on {' '.join(found)}"
                  + ("" if seconds else "; Ctrl-C ends it"), file=sys.stderr, flush=True)
            stopped.sleep(then + seconds if seconds else None)
            now = {name: hist.read(name) for name in found}
            lasted = time.monotonic() - then
            missing = lost(found)
        every = {name: {k: h - before[name].get(k, Histogram()) if k in before[name] else h
                        for k, h in after.items()} for name, after in now.items() if after}
        block = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
        print(as_json(every, lasted) if json_wanted else as_text(every, block), flush=True)
        if missing:
            raise (Failure if every else NoDevice)(*missing)
    return 0
