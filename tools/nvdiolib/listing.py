# SPDX-License-Identifier: GPL-2.0
"""nvdio list: NVMe controllers, their disks, and what uses them."""

import json
import os
import sys
from typing import Any

from . import persist, uses
from .disks import Controller, Disk, controllers
from .uses import Use

HEADS = ("ADDRESS", "DRIVER", "NODE", "SIZE", "BLOCK", "NUMA", "SERIAL", "MODEL", "USED BY")


def size_text(size: int) -> str:
    """As disks are sold: powers of 1000, three digits."""
    value, unit = float(size), "B"
    for unit in "B", "kB", "MB", "GB", "TB", "PB":
        if value < 999.5:
            break
        value /= 1000
    if unit == "B" or value >= 99.95:
        return f"{value:.0f} {unit}"
    return f"{value:.1f} {unit}"


def is_of(use: Use, disk: Disk) -> bool:
    """Does something use this namespace?"""
    return use.node in (disk.name, *disk.blocks, *disk.chars)


def short(use: Use) -> str:
    """For the last column."""
    words = {"mount": "mounted on", "holder": "", "swap": "", "open": "", "kernel": "", "unknown": "?"}
    detail = use.detail.removeprefix("a signature of ")
    return f"{words.get(use.kind, '')} {detail}".strip()


def collect() -> list[tuple[Controller, list[Use]]]:
    """All controllers, with what uses each and what is on its disks. What is on those of nvdio is
    the business of the programs that use them."""
    found = []
    every = controllers()
    users = uses.in_use(*every)
    for controller in every:
        names = uses.names_of(controller)
        used = [u for u in users if u.node in names]
        for disk in controller.disks:
            if disk.stock:
                used += uses.disk_signatures(disk)
        found.append((controller, used))
    return found


def left_over(controller: Controller) -> bool:
    """Would nvdio get it at the next occasion, though it has not got it, or the other way round?"""
    return (controller.override == "nvdio") != (controller.driver == "nvdio")


def rows(controller: Controller, used: list[Use]) -> list[tuple[str, ...]]:
    """Lines of the table: one for each disk, or one without."""
    numa = str(controller.numa_node) if controller.numa_node >= 0 else "-"
    mark = ("*" if persist.is_kept(controller.address) else "") + ("!" if left_over(controller) else "")
    begin = (controller.address, (controller.driver or "-") + mark)
    end = (numa, controller.serial or "-", controller.model or "-")
    own = [short(u) for u in used if u.node == controller.name]
    if not controller.disks:
        return [(*begin, "-", "-", "-", *end, ", ".join(own) or "-")]
    lines: list[tuple[str, ...]] = []
    for disk in controller.disks:
        users = [short(u) for u in used if is_of(u, disk)] + own
        address, driver = begin[0], begin[1] + ("=" if disk.same_as() else "")
        lines.append((address, driver, f"/dev/{disk.name}", size_text(disk.size), str(disk.block_size), *end,
                      ", ".join(dict.fromkeys(users)) or "-"))
        own = []
    return lines


def shared(every: list[Controller]) -> list[str]:
    """A line for each namespace that two drivers have, or nvdio by two controllers."""
    # Each has one of nvdio's, which knows all of it.
    ours = [d for c in every for d in c.disks if not d.stock and d.same_as()]
    sets = {frozenset((d.name, *d.same_as())) for d in ours}
    return [f"= {' and '.join(f'/dev/{n}' for n in names)} are one namespace, by several controllers: "
            "to write by both destroys data" for names in sorted(sorted(s) for s in sets)]


def as_text(found: list[tuple[Controller, list[Use]]]) -> str:
    """A table."""
    lines: list[tuple[str, ...]] = [HEADS]
    for controller, used in found:
        lines += rows(controller, used)
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    return "\n".join("  ".join(cell.rjust(w) if HEADS[i] in ("SIZE", "BLOCK", "NUMA") else cell.ljust(w)
                               for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines)


def as_json(found: list[tuple[Controller, list[Use]]]) -> str:
    """For programs."""
    everything: list[dict[str, Any]] = []
    for c, used in found:
        everything.append({
            "address": c.address, "driver": c.driver or None, "driver_override": c.override or None,
            "persistent": persist.is_kept(c.address),
            "numa_node": c.numa_node if c.numa_node >= 0 else None,
            "node": f"/dev/{c.name}" if c.name else None, "model": c.model or None,
            "serial": c.serial or None, "firmware": c.firmware or None,
            "used_by": [u.as_json() for u in used if u.node == c.name],
            "disks": [{"node": f"/dev/{d.name}", "nsid": d.nsid, "size": d.size, "block_size": d.block_size,
                       "same_as": [f"/dev/{n}" for n in d.same_as()],
                       "used_by": [u.as_json() for u in used if is_of(u, d)]} for d in c.disks]})
    return json.dumps({"controllers": everything}, indent=2)


def command(json_wanted: bool) -> int:
    """nvdio list."""
    found = collect()
    if os.geteuid():
        print("nvdio list: not root: other users' programs, and what is on disks, may be missing",
              file=sys.stderr)
    if json_wanted:
        print(as_json(found))
    elif found:
        print(as_text(found))
        if any(persist.is_kept(c.address) for c, _ in found):
            print("* bound to nvdio at boot, too")
        for line in shared([c for c, _ in found]):
            print(line)
        for c, _ in found:
            if left_over(c) and c.driver == "nvdio":
                print(f"! nvdio has {c.address}, but nobody has looked what is on it: a bind was cut short, "
                      f"or it was another program. nvdio bind {c.address} does, or: nvdio unbind")
            elif left_over(c):
                print(f"! nvdio is to have {c.address} (driver_override), but has not: a bind was cut short, "
                      f"or there is no module. Repeat it, or: nvdio unbind {c.address}")
    else:
        print("no NVMe controller", file=sys.stderr)
    return 0
