# SPDX-License-Identifier: GPL-2.0
"""From what the plugin bench/trace.c wrote down to figures per I/O: locked instructions,
fences, accesses to MSRs and to device memory, interrupts, and lines of memory.

Whatever happens between two marks of the loop is a batch ("turn"). What disturbs a batch (a
thread of the kernel, a tick of the clock between two I/Os) nearly always adds something, so the
lower quartile of all batches counts. The difference between batches of two sizes is what one
more I/O costs; the rest is the price of the batch.
"""

import functools
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from counts import OWN_SHARE, Symbols, group_of
from jobs import NONE, Job, Run
from results import TracedRow

# As in bench/trace.c.
RECORD = struct.Struct("<QIBBH")
INTERVAL, VCPU, INSN, TARGET, ACCESS, EXEC, TURN, LOST, END = range(9)
STORE, IO = 1, 2
# As in bench/x86.h.
LOCKED, FENCE, MSR, CALL, RET, IRET, POP_RSP = 1, 2, 4, 8, 16, 32, 64
LINE_SHIFT, PAGE_SHIFT = 6, 12
STACK_SHIFT = 14        # of a kernel stack: 16 KiB, aligned

# Who does something: the driver with the block layer and DMA mapping, as in Row.own; the
# scheduler; everybody else; timers and other interrupts that no I/O causes, and the idle task.
OWN, SCHED, REST, NOISE = "own", "sched", "rest", "noise"
WHO = (OWN, REST, SCHED)
SUBMIT, COMPLETE = "submit", "complete"
# What an idle processor does depends on how long it waits.
NOISE_SYMBOLS = re.compile(r"(asm_|__)?sysvec_.*|do_idle|cpu_startup_entry")
INTERRUPT = "asm_"      # what its entry begins with
ENTRIES = (INTERRUPT, "entry_")     # and a system call's: nothing called it
DEVICE_IRQ = "common_interrupt"
IPIS = re.compile(r"sysvec_(reschedule_ipi|call_function.*)")
COUNTED = {LOCKED: "locked", FENCE: "fences", MSR: "msr"}

Record = tuple[int, int, int, int, int]     # address, number, kind, flags, size
Frame = tuple[int, str, str]    # place of a return address; who called, and which function


@dataclass
class Insn:
    """An instruction of the kernel. who: None: whoever called the function."""

    symbol: str
    who: str | None
    flags: int
    target: str = ""    # of a direct call: the function's name


def who_is(symbol: str) -> str | None:
    """To whom a function belongs."""
    if NOISE_SYMBOLS.fullmatch(symbol):
        return NOISE
    group = group_of(symbol)
    if group in OWN_SHARE:
        return OWN
    return {"sched": SCHED, "other": None}.get(group, REST)


@dataclass
class Turn:
    """What happened on a processor from one mark to the next."""

    counts: Counter[str] = field(default_factory=Counter)
    symbols: Counter[tuple[str, str]] = field(default_factory=Counter)  # figure, function
    # Lines, by phase and by who touched them.
    lines: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    wrote: set[int] = field(default_factory=set)

    def count(self, figure: str, where: str) -> None:
        self.counts[figure] += 1
        self.symbols[figure, where] += 1

    def touched(self, who: str) -> set[int]:
        return self.lines.get((SUBMIT, who), set()) | self.lines.get((COMPLETE, who), set())

    def all_touched(self) -> set[int]:
        return set().union(*self.lines.values())

    def figures(self) -> dict[str, int]:
        """All figures of the batch. A line that the driver touches is its own, even if others
        touch it, too; the scheduler has those that nobody else touches."""
        found = {name: self.counts[name] for name in TURN_COUNTS}
        own = self.touched(OWN)
        rest = self.touched(REST)
        for phase in (SUBMIT, COMPLETE):
            mine = self.lines.get((phase, OWN), set())
            found[f"{phase}_own"] = len(mine)
            found[f"{phase}_rest"] = len(self.lines.get((phase, REST), set()) - mine)
        found["lines_own"] = len(own)
        found["lines_rest"] = len(rest - own)
        found["lines_sched"] = len(self.touched(SCHED) - own - rest)
        return found


TURN_COUNTS = tuple(f"{name}_{who}" for name in (*COUNTED.values(), "mmio") for who in WHO) + ("irqs", "ipis")


class Processor:
    """Follows what one processor does. Who does something is found by its function; of
    one that belongs to nobody (a lock, an allocation), by the function that called it, for
    which calls and returns are followed by the places of their return addresses."""

    def __init__(self, insns: Mapping[int, Insn]) -> None:
        self.insns = insns
        self.turns: list[Turn] = []
        self.turn: Turn | None = None
        self.phase = SUBMIT
        self.stacks: dict[int, list[Frame]] = {}
        self.frames: list[Frame] = []
        self.left: list[Frame] = []     # of the stack from which a call went to another one
        self.stack_pages: set[int] = set()

    def mark(self) -> None:
        """The loop begins a batch, or the interval ends."""
        if self.turn:
            self.turns.append(self.turn)
        self.turn = Turn()
        self.phase = SUBMIT

    def who(self, insn: Insn) -> str:
        if insn.symbol.startswith(ENTRIES):
            return insn.who or REST
        caller = self.frames[-1][1] if self.frames else REST
        return caller if caller == NOISE or insn.who is None else insn.who

    def where(self, insn: Insn) -> str:
        """The function, and who called it if it could be anybody."""
        return f"{insn.symbol} < {self.frames[-1][2]}" if self.frames and insn.who is None else insn.symbol

    def executed(self, insn: Insn) -> None:
        """A locked instruction, a fence, an access to an MSR or a return from an interrupt or
        from its stack."""
        if insn.flags & IRET:
            self.interrupt_ended()
        if insn.flags & POP_RSP:
            self.frames = self.left
        who = self.who(insn)
        if self.turn and who != NOISE:
            for flag, name in COUNTED.items():
                if insn.flags & flag:
                    self.turn.count(f"{name}_{who}", self.where(insn))

    def unwind(self, place: int) -> None:
        """Return addresses below this place are no longer on the stack."""
        self.frames = self.stacks.setdefault(place >> STACK_SHIFT, [])
        while self.frames and self.frames[-1][0] <= place:
            self.frames.pop()

    def interrupt_ended(self) -> None:
        """Its entry moves return addresses, so not all of its calls have been unwound."""
        entry = next((i for i in reversed(range(len(self.frames)))
                      if self.frames[i][2].startswith(INTERRUPT)), None)
        if entry is None:
            return
        while entry and self.frames[entry - 1][2] == self.frames[entry][2]:
            entry -= 1
        del self.frames[entry:]

    def called(self, insn: Insn, place: int) -> None:
        who, frames = self.who(insn), self.frames
        self.unwind(place)
        if self.frames is not frames:
            self.left = frames
        self.frames.append((place, who, insn.symbol))
        self.stack_pages.add(place >> PAGE_SHIFT)
        if not self.turn or not insn.target:
            return
        if insn.target == DEVICE_IRQ:
            self.turn.counts["irqs"] += 1
            self.phase = COMPLETE
        elif IPIS.fullmatch(insn.target):
            self.turn.counts["ipis"] += 1

    def accessed(self, insn: Insn, address: int, flags: int, size: int) -> None:
        if insn.flags & CALL and flags & STORE:
            self.called(insn, address)
        elif insn.flags & RET and not flags & STORE:
            self.unwind(address)
        elif self.turn and (address >> PAGE_SHIFT) not in self.stack_pages:
            self.data(insn, address, flags, size)

    def data(self, insn: Insn, address: int, flags: int, size: int) -> None:
        assert self.turn
        who = self.who(insn)
        if who == NOISE:
            return
        if flags & IO:
            self.turn.count(f"mmio_{who}", self.where(insn))
            return
        lines = self.turn.lines.setdefault((self.phase, who), set())
        for line in {address >> LINE_SHIFT, (address + size - 1) >> LINE_SHIFT}:
            lines.add(line)
            if flags & STORE:
                self.turn.wrote.add(line)


def quartile(values: Iterable[int]) -> int:
    """The lower one."""
    ordered = sorted(values)
    return ordered[len(ordered) // 4]


def regular(turns: Sequence[Turn], of: Callable[[Turn], set[int]]) -> set[int]:
    """The lines that are there in at least a quarter of the batches."""
    seen = Counter(line for t in turns for line in of(t))
    return {line for line, n in seen.items() if n * 4 >= len(turns)}


@dataclass
class Interval:
    """The batches of each processor that had any."""

    processors: list[list[Turn]] = field(default_factory=list)

    def usual(self) -> dict[str, int]:
        """Of each figure the lower quartile."""
        figures = [t.figures() for turns in self.processors for t in turns]
        return {n: quartile(f[n] for f in figures) for n in figures[0]}

    def symbols(self) -> dict[str, dict[str, int]]:
        """Of each figure that counts instructions, where those of a batch are."""
        turns = [t for turns in self.processors for t in turns]
        found: dict[str, dict[str, int]] = {}
        for figure, where in sorted({key for t in turns for key in t.symbols}):
            n = quartile(t.symbols[figure, where] for t in turns)
            if n:
                found.setdefault(figure, {})[where] = n
        return found

    def shared(self) -> dict[str, int]:
        """Lines that one processor writes and another one accesses, each in at least a quarter
        of its batches, by who touches them."""
        wrote = [regular(turns, lambda t: t.wrote) for turns in self.processors]
        touched = [regular(turns, Turn.all_touched) for turns in self.processors]
        common = {line for i, w in enumerate(wrote) for j, r in enumerate(touched) if i != j
                  for line in w & r}
        found = {}
        for who in WHO:
            of = functools.partial(Turn.touched, who=who)
            mine = set().union(*(regular(turns, of) for turns in self.processors)) & common
            found[f"shared_{who}"] = len(mine)
            common -= mine
        return found


class Reader:
    """Of what the plugin wrote."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.owner = functools.cache(who_is)
        self.insns: dict[int, Insn] = {}
        self.intervals: dict[int, Interval] = {}
        self.current = Interval()
        self.processor = Processor(self.insns)

    def end_processor(self) -> None:
        """What is before the first mark and after the last one is in no batch. The first
        batch is left out: until then it is not known where all stacks are."""
        turns = self.processor.turns[1:]
        if turns:
            self.current.processors.append(turns)
        self.processor = Processor(self.insns)

    def insn(self, address: int, flags: int) -> Insn:
        symbol = self.symbols.at(address)
        return Insn(symbol, self.owner(symbol), flags)

    def other(self, address: int, number: int, kind: int, flags: int) -> None:
        """A record that is rare."""
        if kind == TURN:
            self.processor.mark()
        elif kind == INSN:
            self.insns[number] = self.insn(address, flags)
        elif kind == TARGET:
            self.insns[number].target = self.symbols.at(address)
        elif kind == VCPU:
            self.end_processor()
        elif kind == INTERVAL:
            self.current, self.processor = Interval(), Processor(self.insns)
        elif kind == END:
            self.end_processor()
            self.intervals[number] = self.current
        else:
            raise ValueError(f"processor {number} did more than the plugin can write down"
                             if kind == LOST else f"record of kind {kind}")

    def read(self, records: Iterable[Record]) -> dict[int, Interval]:
        """All intervals, by number. One that has no end is left out."""
        for address, number, kind, flags, size in records:
            if kind == ACCESS:
                self.processor.accessed(self.insns[number], address, flags, size)
            elif kind == EXEC:
                self.processor.executed(self.insns[number])
            else:
                self.other(address, number, kind, flags)
        return self.intervals


def records(f: BinaryIO) -> Iterator[Record]:
    """The plugin's file."""
    while True:
        data = f.read(RECORD.size << 12)
        if not data:
            return
        yield from RECORD.iter_unpack(data[:len(data) // RECORD.size * RECORD.size])


def row_of(dev: str, small: tuple[Job, Interval], large: tuple[Job, Interval]) -> TracedRow:
    """From batches of two sizes."""
    (few, a), (many, b) = (small[0].batch, small[1].usual()), (large[0].batch, large[1].usual())
    if not (b["submit_own"] and b["complete_own"]):
        raise ValueError(f"{large[0].label()}: nothing of the driver's was seen")
    each = {n: (b[n] - a[n]) / (many - few) for n in b}
    return TracedRow(job=large[0], dev=dev, each={n: round(v, 3) for n, v in each.items()},
                     batch={n: round(b[n] - each[n] * many, 2) for n in b},
                     shared=large[1].shared(), symbols=large[1].symbols())


def rows_of(numbered: Sequence[Run], intervals: Mapping[int, Interval]) -> list[TracedRow]:
    """One row for each mode and kind of node, which has been measured with two sizes of
    batches, the larger one second. numbered: see Plan.numbered()."""
    found: dict[tuple[str, str], list[tuple[Job, Interval]]] = {}
    for number, run in enumerate(numbered, 1):
        if run.kind == NONE:
            continue
        if number not in intervals or not intervals[number].processors:
            raise ValueError(f"no trace of interval {number}")
        found.setdefault((run.kind, run.job.mode), []).append((run.job, intervals[number]))
    return [row_of(kind, small, large) for (kind, _), (small, large) in found.items()]
