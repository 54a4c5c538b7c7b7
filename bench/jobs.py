# SPDX-License-Identifier: GPL-2.0
"""What can be measured: a Job is one way to do I/O; a Plan is what one machine measures."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NVDIO, BLOCK, PASSTHROUGH, NONE = "nvdio", "blk", "ng", "none"
KINDS = (NVDIO, BLOCK, PASSTHROUGH)
LINUX_NAMES = {BLOCK: "nvmeXnY", PASSTHROUGH: "ngXnY", NVDIO: "nvdioXnY", NONE: "-"}
MODES = ("nop", "uring", "uring-fixed", "cmd", "cmd-fixed", "batch", "batch-fixed", "libaio",
         "pread", "preadv", "ring", "ring-watch", "lib-batch", "lib-ring")
CMD_MODES = ("cmd", "cmd-fixed")
BATCH_MODES = ("batch", "batch-fixed")  # only nvdio has them
SYNC_MODES = ("pread", "preadv")
# Without io_uring; always in memory of the node, of which only nvdio's has any.
RING_MODES = ("ring", "ring-watch")
LIB_MODES = ("lib-batch", "lib-ring")   # through libnvdio, likewise
# Fields of a Job that are not numbers, in bench/budget.tsv.
TEXT_FIELDS = ("mode", "kernel", "iommu")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What identifies a measurement. The order of the fields is theirs in a result."""

    kernel: str = "6.12"
    iommu: str = "off"
    cpus: int = 1
    sleep: int = 0          # commands take LATENCY_NS
    mode: str               # of bench/loop.c
    bs: int = 4096
    huge: int = 0           # buffers in huge pages
    mapped: int = 0         # buffers in memory of the node
    depth: int = 32         # in flight
    batch: int = 8          # submitted and reaped at a time
    buffered: int = 0       # without O_DIRECT
    write: int = 0
    iopoll: int = 0
    threads: int = 1
    shadow: int = 1         # the controller has shadow doorbells
    hist: int = 0           # latency histograms are on

    def but(self, **fields: Any) -> "Job":
        """The same with some fields different."""
        return dataclasses.replace(self, **fields)

    def as_cmd(self) -> "Job":
        """The same I/O as a passthrough command."""
        return self.but(mode=self.mode.replace("uring", "cmd"))

    def label(self) -> str:
        words = [self.mode, f"{self.bs >> 10}K" if self.bs >= 1024 else str(self.bs)]
        if self.mapped:
            words[-1] += " mapped"
        elif self.huge:
            words[-1] += " huge"
        elif self.bs > 4096:
            words[-1] += " 4K pages"
        if self.mode not in SYNC_MODES:
            words.append(f"{self.depth}/{self.batch}")
        words += [w for w in ("sleep", "buffered", "write", "iopoll") if getattr(self, w)]
        if self.cpus > 1:
            words.append(f"{self.cpus} cpus")
        if self.iommu != "off":
            words.append(f"iommu {self.iommu}")
        if not self.shadow:
            words.append("no shadow doorbells")
        if self.hist:
            words.append("histograms")
        if self.kernel != "6.12":
            words.append(f"kernel {self.kernel}")
        return " ".join(words)


FIELDS = tuple(f.name for f in dataclasses.fields(Job))


def job(mode: str, **fields: Any) -> Job:
    """A job of this mode; synchronous ones have one I/O in flight."""
    if mode in SYNC_MODES:
        fields.update(depth=1, batch=1)
    return Job(mode=mode, **fields)


def from_words(text: str, base: Job | None = None) -> Job:
    """From "key=value ..." as in bench/budget.tsv: a job of its own, or a base changed."""
    fields: dict[str, Any] = {}
    for word in text.split():
        key, _, value = word.partition("=")
        if key not in FIELDS:
            raise ValueError(f"{word!r}: no such field of a job")
        fields[key] = value if key in TEXT_FIELDS else int(value)
    if base:
        return base.but(**fields)
    made = job(fields.pop("mode"))
    return made.but(**fields)


@dataclass
class Run:
    """A job on one kind of node, several times."""

    kind: str
    job: Job
    count: int      # I/Os
    repeat: int


@dataclass
class Plan:
    """What is measured in one machine, whose properties all its jobs have."""

    kernel: str = "6.12"
    cpus: int = 1
    iommu: str = "off"
    iopoll: int = 0
    shadow: int = 1
    # With bench/trace.c instead of bench/insn.c.
    traced: bool = False
    runs: list[Run] = field(default_factory=list)

    def add(self, kinds: Sequence[str], j: Job, count: int, repeat: int) -> None:
        j = j.but(kernel=self.kernel, iommu=self.iommu, cpus=self.cpus, threads=self.cpus,
                  iopoll=self.iopoll, shadow=self.shadow)
        self.runs += [Run(kind, j, count, repeat) for kind in kinds]

    def add_peers(self, kinds: Sequence[str], j: Job, count: int, repeat: int) -> None:
        """On nvdio's node and on the stock driver's that has this mode."""
        other = BLOCK if j.mode in CMD_MODES else PASSTHROUGH
        self.add([k for k in kinds if k != other], j, count, repeat)

    def numbered(self) -> list[Run]:
        """Each repetition of each run; the number of an interval is its index, from 1."""
        return [run for run in self.runs for _ in range(run.repeat)]


QUEUED = ("uring-fixed", "uring", "cmd-fixed", "cmd", "libaio")


def main_modes(plan: Plan, n: int, repeat: int, kinds: Sequence[str]) -> None:
    """The rows of the budget."""
    def both(j: Job, count: int = n) -> None:
        plan.add_peers(kinds, j, count, repeat)

    for d, b in ((32, 8), (128, 32)):
        plan.add([NONE], job("nop", depth=d, batch=b), n, repeat)
        for mode in QUEUED:
            both(job(mode, depth=d, batch=b))
    for b in (8, 32):
        for mode in QUEUED:
            both(job(mode, depth=b, batch=b, sleep=1))
    both(job("pread", sleep=1))
    both(job("pread"))
    for mode in ("uring-fixed", "uring", "cmd-fixed", "cmd"):
        both(job(mode, bs=131072, huge=1))
        if mode in ("uring", "cmd"):
            both(job(mode, bs=131072, huge=0))
    both(job("uring-fixed", bs=1 << 20, huge=1), n // 2)
    both(job("uring", buffered=1))
    both(job("pread", buffered=1, sleep=1))
    # Parts of blocks, after runs in which many tags were in use.
    if NVDIO in kinds:
        for mode in ("pread", "uring", "libaio"):
            plan.add([NVDIO], job(mode, bs=1000, buffered=1, write=1), n // 2, repeat)


def scattered(plan: Plan, n: int, repeat: int) -> None:
    """Two pages that are apart, and a PRP list."""
    for mode, bs in (("uring-fixed", 8192), ("uring-fixed", 131072), ("uring", 8192)):
        plan.add([NVDIO], job(mode, bs=bs), n, repeat)


def mapped(plan: Plan, n: int, repeat: int) -> None:
    """Buffers in memory of the node."""
    for mode, bs in (("uring-fixed", 4096), ("uring-fixed", 131072), ("uring-fixed", 1 << 20),
                     ("uring", 4096), ("uring", 131072), ("libaio", 4096), ("libaio", 131072),
                     ("pread", 131072), ("cmd", 4096), ("cmd", 131072), ("cmd-fixed", 131072)):
        plan.add([NVDIO], job(mode, bs=bs, mapped=1), n if bs < 1 << 20 else n // 2, repeat)


# In flight, and at a time.
IN_ONE_CALL = ((32, 8), (128, 32), (512, 128))


def batches(plan: Plan, n: int, repeat: int) -> None:
    """Many I/Os in one request: in mapped memory, in a registered arena."""
    for depth, batch in IN_ONE_CALL:
        plan.add([NVDIO], job("batch", depth=depth, batch=batch, mapped=1), n, repeat)
        plan.add([NVDIO], job("batch-fixed", depth=depth, batch=batch), n, repeat)
        plan.add([NVDIO], job("batch-fixed", depth=depth, batch=batch, mapped=1), n, repeat)


def rings(plan: Plan, n: int, repeat: int) -> None:
    """Without io_uring, each I/O with its own completion."""
    for mode in RING_MODES:
        for d, b in IN_ONE_CALL:
            plan.add([NVDIO], job(mode, mapped=1, depth=d, batch=b), n, repeat)


def watched(plan: Plan, n: int, repeat: int) -> None:
    """With one interrupt for each batch, whatever the host does."""
    for size in (8, 32):
        plan.add([NVDIO], job("ring-watch", mapped=1, depth=size, batch=size, sleep=1), n, repeat)


def library(plan: Plan, n: int, repeat: int) -> None:
    """The same through libnvdio."""
    for mode in LIB_MODES:
        for d, b in IN_ONE_CALL:
            plan.add([NVDIO], job(mode, mapped=1, depth=d, batch=b), n, repeat)


def histograms(plan: Plan) -> None:
    """What latency histograms cost while they are on."""
    plan.add([NVDIO], job("uring-fixed", hist=1), 3000, 3)
    plan.add([NVDIO], job("uring-fixed", depth=128, batch=32, hist=1), 3000, 3)
    plan.add([NVDIO], job("batch-fixed", hist=1), 3000, 2)


def in_one_call(plan: Plan, kinds: Sequence[str]) -> None:
    """Many I/Os in one call, as only nvdio's nodes have it."""
    if NVDIO in kinds:
        batches(plan, 4000, 3)
        rings(plan, 4096, 2)
        library(plan, 4096, 2)


def beside_them(plan: Plan, kinds: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
    """What bench-calls.svg shows beside these: one request for each I/O."""
    for depth, batch in sizes:
        for mode in ("uring-fixed", "cmd-fixed"):
            plan.add_peers(kinds, job(mode, depth=depth, batch=batch), 4096, 2)


def on_each_processor(plan: Plan, kinds: Sequence[str]) -> None:
    """One thread each, with a ring and a queue pair of its own."""
    for mode in ("batch", "ring") if NVDIO in kinds else ():
        for depth, batch in IN_ONE_CALL[:2]:
            plan.add([NVDIO], job(mode, mapped=1, depth=depth, batch=batch), 4096, 2)


def calls(kinds: Sequence[str]) -> list[Plan]:
    """The part of the full plan that is about many I/Os in one call."""
    plans = [Plan(), Plan(iommu="strict"), Plan(kernel="latest")]
    for plan in plans:
        if plan.iommu == "off":
            beside_them(plan, kinds, IN_ONE_CALL)
        in_one_call(plan, kinds)
    if NVDIO in kinds:
        watched(plans[0], 2048, 2)
        plans.append(Plan(cpus=16))
        on_each_processor(plans[-1], kinds)
    return plans


def ordinary(plan: Plan) -> None:
    """The same as in mapped(), in memory that is not mapped."""
    plan.runs += [Run(r.kind, r.job.but(mapped=0), r.count // 2, r.repeat)
                  for r in plan.runs
                  if r.job.mapped and r.job.mode not in BATCH_MODES + RING_MODES + LIB_MODES]


def without_shadow(kinds: Sequence[str]) -> Plan:
    plan = Plan(shadow=0)
    for mode in ("uring-fixed", "cmd-fixed"):
        plan.add_peers(kinds, job(mode, depth=8, batch=8, sleep=1), 2000, 2)
    return plan


# What is traced: batches of two sizes, so many of each on each processor.
TRACED = ("uring-fixed", "cmd-fixed")
TRACED_ONE_CALL = ("batch", "ring")     # in mapped memory, on nvdio's node
TRACED_BATCHES = (8, 32)
TRACED_TURNS = 24


def traced(kinds: Sequence[str], **fields: Any) -> Plan:
    """What a count of instructions does not show. fields: of the plan."""
    plan = Plan(traced=True, **fields)
    # Without a record: the plugin begins when it meets the loop for the first time.
    plan.add([NONE], job("nop"), 1000, 1)
    for mode in TRACED:
        for n in TRACED_BATCHES:
            plan.add_peers(kinds, job(mode, depth=n, batch=n, sleep=1), n * (TRACED_TURNS + 2), 1)
    for mode in TRACED_ONE_CALL if NVDIO in kinds else ():
        for n in TRACED_BATCHES:
            plan.add([NVDIO], job(mode, depth=n, batch=n, sleep=1, mapped=1), n * (TRACED_TURNS + 2), 1)
    return plan


def quick(kinds: Sequence[str]) -> list[Plan]:
    plan = Plan()
    main_modes(plan, 3000, 3, kinds)
    plans = [plan, without_shadow(kinds)]
    if NVDIO in kinds:
        scattered(plan, 2000, 2)
        mapped(plan, 2000, 2)
        in_one_call(plan, kinds)
        watched(plan, 2048, 2)
        histograms(plan)
        plans.append(Plan(iommu="strict"))
        mapped(plans[-1], 2000, 2)
        in_one_call(plans[-1], kinds)
    plans.append(traced(kinds))
    return plans


def sizes_and_depths(plan: Plan, kinds: Sequence[str]) -> None:
    """The curves of bench/report."""
    for mode in ("uring-fixed", "cmd-fixed", "uring"):
        for bs in (512, 4096, 16384, 65536, 131072, 262144, 524288, 1 << 20):
            for huge in (0, 1):
                plan.add_peers(kinds, job(mode, bs=bs, huge=huge), 2000 if bs < 65536 else 800, 2)
        for depth in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            plan.add_peers(kinds, job(mode, depth=depth, batch=max(1, depth // 4)), 3000, 2)
    for bs in (512, 4096, 16384, 65536, 131072, 1 << 20):
        # Emulation copies byte by byte.
        plan.add_peers(kinds, job("pread", bs=bs, buffered=1), 1000 if bs < 65536 else 100, 2)
    for mode in ("uring-fixed", "cmd-fixed", "uring"):
        plan.add_peers(kinds, job(mode, write=1), 3000, 2)


def full(kinds: Sequence[str]) -> list[Plan]:
    first = Plan()
    main_modes(first, 4000, 3, kinds)
    sizes_and_depths(first, kinds)
    if NVDIO in kinds:
        scattered(first, 2000, 2)
        histograms(first)
        mapped(first, 2000, 2)
        watched(first, 2048, 2)
    in_one_call(first, kinds)
    beside_them(first, kinds, IN_ONE_CALL[-1:])
    plans = [first, without_shadow(kinds)]
    polled = Plan(iopoll=1)
    for mode in ("uring-fixed", "cmd-fixed"):
        polled.add_peers(kinds, job(mode, iopoll=1), 3000, 3)
    plans.append(polled)
    for iommu in ("pt", "lazy", "strict"):
        plan = Plan(iommu=iommu)
        for mode in ("uring-fixed", "uring", "cmd-fixed", "cmd"):
            for bs, huge in ((4096, 0), (131072, 1), (131072, 0)):
                plan.add_peers(kinds, job(mode, bs=bs, huge=huge), 2000, 2)
        if NVDIO in kinds:
            mapped(plan, 2000, 2)
        in_one_call(plan, kinds)
        plans.append(plan)
    for plan in (plans[0], plans[-1]):      # no IOMMU, and a strict one
        ordinary(plan)
    for cpus in (2, 4, 8, 16):
        plan = Plan(cpus=cpus)
        for mode in ("uring-fixed", "uring", "cmd-fixed"):
            plan.add_peers(kinds, job(mode), 2000, 2)
        on_each_processor(plan, kinds)
        plans.append(plan)
    latest = Plan(kernel="latest")
    main_modes(latest, 3000, 2, kinds)
    in_one_call(latest, kinds)
    beside_them(latest, kinds, IN_ONE_CALL[-1:])
    plans.append(latest)
    plans += [traced(kinds, cpus=cpus) for cpus in (1, 2, 16)]
    return plans
