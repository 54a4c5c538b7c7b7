# SPDX-License-Identifier: GPL-2.0
"""bench/traced.py: what the plugin bench/trace.c wrote down becomes figures per I/O."""

import io
import os
import tempfile

from tap import equal, finish, ok

import budget
import jobs
import results
import tables
import traced
from counts import Symbols
from jobs import Run, job
from results import TracedRow
from traced import CALL, FENCE, IO, IRET, LOCKED, MSR, POP_RSP, RET, STORE, Interval, Record, Turn

NAMES = ("nvdio_submit [nvdio]", "_raw_spin_lock", "vfs_read", "schedule", "dma_map_page_attrs",
         "asm_common_interrupt", "common_interrupt", "asm_sysvec_apic_timer_interrupt",
         "sysvec_apic_timer_interrupt", "do_idle", "sysvec_reschedule_ipi", "error_entry",
         "entry_SYSCALL_64", "syscall_return_via_sysret")
PLACES = {name: 0xffffffff81000000 + (i << 8) for i, name in enumerate(NAMES)}
SYMBOLS = Symbols(f"{at:016x} T {name}" for name, at in PLACES.items())
STACK = 0xffffc90000104000      # the end of a stack
DATA = 0xffff888100000000


class Trace:
    """Writes down what a processor does."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.known: dict[tuple[str, int, str], int] = {}
        self.sp = STACK

    def insn(self, name: str, flags: int = 0, target: str = "") -> int:
        key = name, flags, target
        if key not in self.known:
            self.known[key] = len(self.known)
            self.records.append((PLACES[name] + 0x10, self.known[key], traced.INSN, flags, 0))
            if target:
                self.records.append((PLACES[target], self.known[key], traced.TARGET, 0, 0))
        return self.known[key]

    def access(self, name: str, address: int, flags: int = 0, size: int = 8, what: int = 0) -> None:
        self.records.append((address, self.insn(name, what), traced.ACCESS, flags, size))

    def run(self, name: str, what: int) -> None:
        """Instructions that access no memory."""
        self.records.append((0, self.insn(name, what), traced.EXEC, 0, 0))

    def call(self, name: str, target: str = "") -> None:
        self.sp -= 8
        self.records.append((self.sp, self.insn(name, CALL, target), traced.ACCESS, STORE, 8))

    def ret(self, name: str) -> None:
        self.access(name, self.sp, what=RET)
        self.sp += 8

    def mark(self, kind: int = traced.TURN, number: int = 0) -> None:
        self.records.append((0, number, kind, 0, 0))

    def turns(self) -> list[Turn]:
        """Those of the one processor, with what was written so far as the last."""
        self.mark()
        processor = traced.Reader(SYMBOLS)
        processor.read(self.records)
        return processor.processor.turns


def test_who() -> None:
    t = Trace()
    t.mark()
    t.run("_raw_spin_lock", LOCKED)
    t.call("vfs_read")
    t.run("nvdio_submit [nvdio]", LOCKED)
    t.call("nvdio_submit [nvdio]")
    t.run("_raw_spin_lock", LOCKED)
    t.ret("_raw_spin_lock")
    t.run("dma_map_page_attrs", FENCE)
    t.ret("nvdio_submit [nvdio]")
    t.call("vfs_read")
    t.run("_raw_spin_lock", LOCKED)
    t.ret("_raw_spin_lock")
    t.call("schedule")
    t.run("_raw_spin_lock", LOCKED)
    t.run("schedule", MSR)
    turn = t.turns()[0]
    equal(dict(turn.counts), {"locked_rest": 2, "locked_own": 2, "fences_own": 1, "locked_sched": 1,
                              "msr_sched": 1},
          "who: a function of nobody's belongs to whoever called it, until it returns")
    equal(turn.symbols["locked_own", "_raw_spin_lock < nvdio_submit [nvdio]"], 1,
          "who: the caller has a name, too")
    t = Trace()
    t.mark()
    t.call("vfs_read")
    t.call("_raw_spin_lock")
    t.ret("_raw_spin_lock")
    t.run("_raw_spin_lock", FENCE)
    equal(list(t.turns()[0].symbols), [("fences_rest", "_raw_spin_lock < vfs_read")],
          "who: also after a call of its own")


def interrupt(t: Trace, name: str) -> None:
    """The entry of one, up to the call of its function. It moves a return address."""
    t.call(f"asm_{name}", "error_entry")
    t.access("error_entry", t.sp - 64, STORE)
    t.access("error_entry", t.sp - 64, what=RET)
    t.call(f"asm_{name}", name)


def end_of_interrupt(t: Trace, name: str) -> None:
    t.ret(name)
    t.sp += 8
    t.run("vfs_read", IRET)


def test_interrupts() -> None:
    t = Trace()
    t.mark()
    t.access("nvdio_submit [nvdio]", DATA)
    t.call("nvdio_submit [nvdio]")
    interrupt(t, "sysvec_apic_timer_interrupt")
    t.call("sysvec_apic_timer_interrupt")
    for name in ("nvdio_submit [nvdio]", "_raw_spin_lock", "schedule"):
        t.run(name, LOCKED)
        t.access(name, DATA + 0x1000)
    interrupt(t, "common_interrupt")
    t.call("common_interrupt")
    t.run("nvdio_submit [nvdio]", LOCKED)
    t.access("nvdio_submit [nvdio]", DATA + 0x2000)
    t.ret("nvdio_submit [nvdio]")
    end_of_interrupt(t, "common_interrupt")
    t.ret("schedule")
    end_of_interrupt(t, "sysvec_apic_timer_interrupt")
    t.run("_raw_spin_lock", LOCKED)
    turn = t.turns()[0]
    equal(dict(turn.counts), {"irqs": 1, "locked_own": 2},
          "interrupts: a timer's work does not count; a device's does, even if it comes then")
    equal(turn.lines, {("submit", "own"): {DATA >> 6}, ("complete", "own"): {(DATA + 0x2000) >> 6}},
          "interrupts: a device's begins the completion")
    t = Trace()
    t.mark()
    t.call("vfs_read")
    interrupt(t, "sysvec_apic_timer_interrupt")
    t.sp, before = STACK + 0x10000, t.sp
    t.call("sysvec_apic_timer_interrupt")
    t.ret("schedule")
    t.run("sysvec_apic_timer_interrupt", POP_RSP)
    t.sp = before
    t.run("vfs_read", LOCKED)
    equal(dict(t.turns()[0].counts), {}, "interrupts: a timer's has a stack of its own, and goes on after it")
    t.sp = STACK
    t.call("entry_SYSCALL_64")
    t.run("_raw_spin_lock", LOCKED)
    t.ret("vfs_read")
    t.run("syscall_return_via_sysret", POP_RSP)
    t.call("entry_SYSCALL_64")
    t.run("vfs_read", LOCKED)
    equal(dict(t.turns()[1].counts), {"locked_rest": 2},
          "interrupts: a system call after it does not belong to it")
    t = Trace()
    t.mark()
    t.call("do_idle")
    t.run("schedule", LOCKED)
    interrupt(t, "common_interrupt")
    t.run("vfs_read", LOCKED)
    end_of_interrupt(t, "common_interrupt")
    t.run("schedule", LOCKED)
    t.call("sysvec_apic_timer_interrupt", "sysvec_reschedule_ipi")
    equal(dict(t.turns()[0].counts), {"irqs": 1, "locked_rest": 1, "ipis": 1},
          "interrupts: nor does what an idle processor does between them")


def test_lines() -> None:
    t = Trace()
    t.mark()
    for name, address, flags, size in (
            ("nvdio_submit [nvdio]", DATA + 8, 0, 8), ("nvdio_submit [nvdio]", DATA + 0x38, STORE, 8),
            ("nvdio_submit [nvdio]", DATA + 0x7c, 0, 8), ("vfs_read", DATA, 0, 8),
            ("vfs_read", DATA + 0x100, STORE, 1), ("schedule", DATA + 0x100, 0, 8),
            ("schedule", DATA + 0x140, 0, 8), ("nvdio_submit [nvdio]", DATA + 0x1000, IO | STORE, 4),
            ("vfs_read", DATA + 0x2000, IO, 4)):
        t.access(name, address, flags, size)
    t.call("vfs_read")
    t.access("nvdio_submit [nvdio]", t.sp - 0x40, STORE)
    found = t.turns()[0].figures()
    equal((found["lines_own"], found["lines_rest"], found["lines_sched"]), (3, 1, 1),
          "lines: each counts once, and two if an access lies in two, but none of a stack")
    equal((found["submit_own"], found["submit_rest"], found["complete_own"], found["complete_rest"]),
          (3, 1, 0, 0), "lines: one that others touch as well is the driver's")
    equal((found["mmio_own"], found["mmio_rest"]), (1, 1), "lines: device memory is none")
    equal(t.turns()[0].wrote, {DATA >> 6, (DATA + 0x100) >> 6}, "lines: those that are written")


def batches(t: Trace, number: int, counted: list[int], seen: bool = True) -> None:
    """An interval of batches with so many locked instructions of the driver's each."""
    t.mark(traced.INTERVAL, number)
    t.mark(traced.VCPU)
    t.run("nvdio_submit [nvdio]", LOCKED)
    for n in (99, *counted):
        t.mark()
        if seen:
            t.access("nvdio_submit [nvdio]", DATA)
            t.call("asm_common_interrupt", "common_interrupt")
            t.access("nvdio_submit [nvdio]", DATA)
            t.ret("vfs_read")
        for _ in range(n):
            t.run("nvdio_submit [nvdio]", LOCKED)
    t.mark()
    t.run("nvdio_submit [nvdio]", LOCKED)
    t.mark(traced.VCPU, 1)
    t.run("vfs_read", LOCKED)
    t.mark(traced.END, number)


def test_read() -> None:
    t = Trace()
    batches(t, 3, [12, 14, 12, 13, 10, 30, 13, 13])
    t.mark(traced.INTERVAL, 4)
    data = io.BytesIO(b"".join(traced.RECORD.pack(*r) for r in t.records) + b"half a rec")
    equal(list(traced.records(data)), t.records, "read: the file has what the plugin wrote")
    found = traced.Reader(SYMBOLS).read(t.records)
    equal(list(found), [3], "read: an interval without an end is left out")
    equal([len(turns) for turns in found[3].processors], [8],
          "read: so are a processor without batches, the first batch, and what is in none")
    equal(found[3].usual()["locked_own"], 12, "read: the lower quartile counts")
    for kind, text in ((traced.LOST, "processor 2 did more"), (77, "record of kind 77")):
        try:
            traced.Reader(SYMBOLS).read([(0, 2, kind, 0, 0)])
            said = ""
        except ValueError as e:
            said = str(e)
        ok(said.startswith(text), f"read: {said or text}")


def plan_and_trace() -> tuple[list[Run], Trace]:
    plan = jobs.traced(["nvdio"])
    t = Trace()
    for number, run in enumerate(plan.numbered(), 1):
        if run.kind != "none":
            batches(t, number, [run.job.batch * 2 + 5] * 3)
    return plan.numbered(), t


def test_rows() -> None:
    numbered, t = plan_and_trace()
    equal([r.kind for r in numbered[:2]], ["none", "nvdio"], "rows: the first interval is not traced")
    rows = traced.rows_of(numbered, traced.Reader(SYMBOLS).read(t.records))
    equal([(r.job.mode, r.job.batch, r.dev) for r in rows],
          [(mode, 32, "nvdio") for mode in (*jobs.TRACED, *jobs.TRACED_ONE_CALL)], "rows: one for each mode")
    equal([r.job.mapped for r in rows], [0, 0, 1, 1], "rows: many in one call are in mapped memory")
    equal([r.job.mode for r in jobs.traced(["blk"]).runs if r.job.mode in jobs.TRACED_ONE_CALL], [],
          "rows: and on nvdio's node")
    equal((rows[0].each["locked_own"], rows[0].batch["locked_own"]), (2, 5),
          "rows: what each I/O costs, and what the batch costs besides")
    found = traced.Reader(SYMBOLS).read(t.records)
    del found[2]
    equal(rows[0].symbols["locked_own"], {"nvdio_submit [nvdio]": 69},
          "rows: where the locked instructions of a batch are")
    try:
        traced.rows_of(numbered, found)
        ok(False, "rows: an interval without a trace is an error")
    except ValueError as e:
        ok("interval 2" in str(e), "rows: an interval without a trace is an error")


def turn(own: set[int], rest: set[int], wrote: set[int]) -> Turn:
    return Turn(lines={("submit", "own"): own, ("complete", "rest"): rest}, wrote=wrote)


def test_shared() -> None:
    one = [turn({1, 2}, {5, 6}, {1, 5}), turn({1}, {5, 6}, {1, 5, 6})]
    two = [turn({2}, {1, 5}, {2, 5})] * 2 + [turn({2}, {5}, {2})] * 5 + [turn({2}, {5, 6}, {2})]
    equal(Interval([one, two]).shared(), {"shared_own": 2, "shared_rest": 1, "shared_sched": 0},
          "shared: written by one and touched by another in a quarter of their batches")
    equal(Interval([one]).shared(), {"shared_own": 0, "shared_rest": 0, "shared_sched": 0},
          "shared: nothing with one processor")


def some_row(dev: str, locked: float, cpus: int = 1) -> TracedRow:
    zero = {n: 0.0 for n in tables.TRACED_LINES}
    return TracedRow(job=job("uring-fixed", cpus=cpus), dev=dev, each={**zero, "locked_own": locked},
                     batch={**zero, "locked_own": 3.4}, shared={n: 7 for n in tables.SHARED_LINES})


def test_table() -> None:
    for each, per_batch, text in ((1.04, 3.67, "1 + 4"), (5.25, 0.2, "5.2"), (0, 9, "+ 9"), (0, 0, "0"),
                                  (-0.04, 2, "+ 2"), (-0.04, 0.4, "0"), (-0.5, 0, "-0.5"),
                                  (1, -0.3, "1"), (1.5, -2, "1.5 - 2"),
                                  (0.5, 10, "0.5 + 10"), (0, -2, "- 2"), (10, 20, "10 + 20")):
        equal(tables.each_and_batch(each, per_batch), text, f"table: '{text}'")
    lines = tables.traced_table([some_row("nvdio", 1), some_row("ng", 2)])
    equal(lines[:3], [["", "uring-fixed", "uring-fixed"], ["", "nvdioXnY", "ngXnY"],
                      ["locked instructions: own", "1 + 3", "2 + 3"]], "table: a column for each row")
    equal(lines[-1][0], "  scheduler", "table: nothing is shared with one processor")
    equal(tables.traced_table([some_row("nvdio", 1, cpus=2)])[-3], ["shared lines: own", "7"],
          "table: the lines that several processors share")
    out = io.StringIO()
    row = TracedRow(job=job("uring"), dev="ng", symbols={"locked_own": {"a": 1, "b": 9, "c": 5}})
    tables.traced_profile(row, out, 2)
    equal([text.split() for text in out.getvalue().splitlines()[2:]],
          [["9", "locked_own", "b"], ["5", "locked_own", "c"]], "table: the functions that have most")
    out = io.StringIO()
    tables.traced([some_row("nvdio", 1), some_row("nvdio", 1, 16)], out)
    ok("\n1 processor\n" in out.getvalue() and "\n16 processors\n" in out.getvalue(),
       "table: one for each number of processors")


def test_budget() -> None:
    text = "traced\tnvdio\tmode=uring-fixed\tlocked_own\t1.1"
    for locked, want in ((1.1, True), (1.2, False)):
        out = io.StringIO()
        equal(budget.check([], [text], "quick", out, [some_row("nvdio", locked)]), want,
              f"budget: {locked} locked instructions, at most 1.1")
    equal(budget.check([], [text], "quick", io.StringIO(), [some_row("blk", 1)]), False,
          "budget: a row that is missing")
    equal([len(list(budget.parse([text], w))) for w in ("mode", "quick", "full", "traced")], [0, 1, 1, 1],
          "budget: a line for traced rows counts where they are")
    equal(list(budget.parse(["quick\tnvdio\tmode=uring\tsq\t1"], "traced")), [],
          "budget: where there is nothing else, no other line counts")
    measured = [(r.kind, r.job) for r in jobs.traced(jobs.KINDS).runs]
    path = os.path.join(os.path.dirname(traced.__file__), "budget.tsv")
    with open(path, encoding="utf-8") as f:
        found = list(budget.parse(f, "traced"))
    equal([b for b in found if (b.dev, b.job) not in measured or (b.other and b.other not in measured)], [],
          "budget: bench/run --traced measures whatever has one")
    ok(any(b.what == "locked_own" for b in found), "budget: there is one for locked instructions")


def test_file() -> None:
    result = results.Result(tree="x", traced=[some_row("nvdio", 1, cpus=2)])
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "x.json")
        result.save(path)
        equal(results.load(path), result, "file: a result is read as it was written")
    equal((some_row("nvdio", 1).figure("locked_own"), some_row("nvdio", 1).figure("shared_own")), (1, 7),
          "file: figures by name")
    try:
        some_row("nvdio", 1).figure("nothing")
        ok(False, "file: a figure that is not there is refused")
    except ValueError:
        ok(True, "file: a figure that is not there is refused")


test_who()
test_interrupts()
test_lines()
test_read()
test_rows()
test_shared()
test_table()
test_budget()
test_file()
finish()
