# SPDX-License-Identifier: GPL-2.0
"""A result as text."""

from collections.abc import Sequence
from typing import TextIO

from counts import OWN_SHARE, group_of
from jobs import BLOCK, KINDS, LINUX_NAMES, NONE, NVDIO, PASSTHROUGH
from results import Row, TracedRow, find


def ratio(a: Row | None, b: Row | None) -> str:
    return f"{a.kernel_insn / b.kernel_insn:5.2f}" if a and b else "    -"


def cell(row: Row | None) -> str:
    if not row:
        return f"{'-':>6} {'':19}"
    return (f"{row.kernel_insn:6.0f} {row.user_insn:4.0f} {row.sq:4.2f} {row.cq:4.2f} "
            f"{row.irqs:4.2f}")


def table(rows: Sequence[Row], latency_us: int, out: TextIO) -> None:
    """All rows, one line for each job."""
    jobs = list(dict.fromkeys(r.job for r in rows))
    width = max(len(j.label()) for j in jobs)
    print(f"""Guest instructions per I/O, the least of the runs. k = kernel, u = user.
32/8 = 32 in flight, 8 submitted and reaped at a time. "sleep" = the submitter sleeps for each batch
(commands take {latency_us} us); else the device answers at once. nvdio/blk, nvdio/ng: kernel instructions.
sq, cq = doorbell writes (MMIO) per I/O, irq = interrupts per I/O.
""", file=out)
    print(f"{'':{width}} | {'nvdioXnY':26} | {'nvmeXnY (block)':26} | {'ngXnY (passthrough)':26} | "
          f"{'nvdio/blk':>9} {'nvdio/ng':>9}", file=out)
    head = f"{'k':>6} {'u':>4} {'sq':>4} {'cq':>4} {'irq':>4}"
    print(f"{'mode':{width}} | {head} | {head} | {head} |", file=out)
    for j in jobs:
        by = {kind: find(rows, kind, j) for kind in KINDS}
        by[BLOCK] = by[BLOCK] or find(rows, NONE, j)
        # A passthrough command's peer is ng; another mode is compared with ng's equivalent, too.
        ng = by[PASSTHROUGH]
        if not ng and j.mode in ("uring", "uring-fixed"):
            ng = find(rows, PASSTHROUGH, j.as_cmd())
        cells = " | ".join(cell(by[kind]) for kind in KINDS)
        print(f"{j.label():{width}} | {cells} | {ratio(by[NVDIO], by[BLOCK]):>9} "
              f"{ratio(by[NVDIO], ng):>9}", file=out)


def profile(row: Row, out: TextIO, top: int) -> None:
    """Where the instructions of a row are."""
    print(f"\n{row.job.label()} on {LINUX_NAMES[row.dev]}: {row.kernel_insn:.0f} kernel instructions "
          f"per I/O, the driver's own share {row.own:.0f}", file=out)
    print("  by group: " + ", ".join(f"{g} {v:.0f}" for g, v in row.groups.items()), file=out)
    print(f"  (own share = {' + '.join(OWN_SHARE)}; which symbols those are: bench/symbols.tsv)", file=out)
    for s, v in list(row.symbols.items())[:top]:
        print(f"  {v:8.1f}  {group_of(s):9} {s}", file=out)


TRACED_LINES = {
    "locked_own": "locked instructions: own", "locked_rest": "  rest", "locked_sched": "  scheduler",
    "fences_own": "fences: own", "fences_rest": "  rest", "fences_sched": "  scheduler",
    "msr_own": "MSR accesses: own", "msr_rest": "  rest", "msr_sched": "  scheduler",
    "mmio_own": "device memory: own", "mmio_rest": "  rest", "mmio_sched": "  scheduler",
    "irqs": "interrupts", "ipis": "IPIs",
    "submit_own": "lines, submission: own", "submit_rest": "  rest",
    "complete_own": "lines, completion: own", "complete_rest": "  rest",
    "lines_own": "lines, all: own", "lines_rest": "  rest", "lines_sched": "  scheduler",
}
SHARED_LINES = {
    "shared_own": "shared lines: own", "shared_rest": "  rest", "shared_sched": "  scheduler",
}


def each_and_batch(each: float, per_batch: float) -> str:
    """What each I/O and each batch costs, without a zero that says nothing."""
    a, b = round(each, 1), round(per_batch)
    if not b:
        return f"{a or 0:g}"
    return (f"{a:g} " if a else "") + f"{'-' if b < 0 else '+'} {abs(b)}"


def traced_table(rows: Sequence[TracedRow]) -> list[list[str]]:
    """A column for each row; the first one says what the lines are."""
    table = [[""], [""], *([text] for text in TRACED_LINES.values())]
    if rows[0].job.cpus > 1:
        table += [[text] for text in SHARED_LINES.values()]
    for r in rows:
        cells = [r.job.mode, LINUX_NAMES[r.dev]]
        cells += [each_and_batch(r.each[n], r.batch[n]) for n in TRACED_LINES]
        cells += [str(r.shared[n]) for n in SHARED_LINES]
        for line, text in zip(table, cells):
            line.append(text)
    return table


def traced(rows: Sequence[TracedRow], out: TextIO) -> None:
    """What a count of instructions does not show, a table for each number of processors."""
    print("""
What a count of instructions does not show: reads of 4 KiB, the submitter sleeps for each batch.
"a + b": a for each I/O and b for each batch. own: the driver, the block layer and DMA mapping;
scheduler: what nobody else touches. Lines of 64 bytes, without stacks; a line that the driver
touches is its own. Timers, and other interrupts that no I/O causes, are left out. shared: lines
that one processor writes and another one accesses, in a quarter of the batches of each or more.""",
          file=out)
    for cpus in dict.fromkeys(r.job.cpus for r in rows):
        print(f"\n{cpus} processor{'s' if cpus > 1 else ''}", file=out)
        for first, *others in traced_table([r for r in rows if r.job.cpus == cpus]):
            print(f"{first:26}" + "".join(f"{text:>13}" for text in others), file=out)


def traced_profile(row: TracedRow, out: TextIO, top: int) -> None:
    """Where the instructions of a traced row are."""
    print(f"\n{row.job.label()} on {LINUX_NAMES[row.dev]}, in a batch of {row.job.batch}:", file=out)
    for figure in TRACED_LINES:
        found = sorted(row.symbols.get(figure, {}).items(), key=lambda x: -x[1])[:top]
        for where, n in found:
            print(f"  {n:5}  {figure:12}  {where}", file=out)
