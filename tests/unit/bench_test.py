# SPDX-License-Identifier: GPL-2.0
"""bench/: what was counted becomes rows, rows are judged, printed, saved and compared.

data/bench-quick.json is a result of bench/run --quick of 2026-11-21 without its symbols;
data/bench-*.txt are what bench/run printed for it, and for the worse one that worse()
makes of it, when it was one program (commit d905f71).
"""

import argparse
import importlib.machinery
import importlib.util
import io
import os
import tempfile
import unittest.mock
from types import ModuleType

from tap import equal, finish, ok

import boot
import budget
import counts
import jobs
import results
import tables
from jobs import Plan, Run, job
from results import Row

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
BENCH = os.path.join(os.path.dirname(os.path.dirname(HERE)), "bench")


def data(name: str) -> str:
    """A file of tests/unit/data without its first line, which names the licence."""
    with open(os.path.join(DATA, name), encoding="utf-8") as f:
        return f.read().split("\n", 1)[1]


def quick_result() -> results.Result:
    return results.load(os.path.join(DATA, "bench-quick.json"))


def script(name: str) -> ModuleType:
    """A program without .py as a module."""
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", os.path.join(BENCH, name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def worse(result: results.Result) -> None:
    result.rows = [r for r in result.rows if (r.dev, r.job.mode) != ("nvdio", "libaio")]
    for r in result.rows:
        if (r.dev, r.job.mode) == ("nvdio", "uring-fixed"):
            r.kernel_insn *= 2
            r.irqs *= 2
            r.own *= 2


def checked(result: results.Result) -> tuple[bool, str]:
    out = io.StringIO()
    good = budget.check(result.rows, data("bench-budget.tsv").splitlines(), result.what, out)
    return good, out.getvalue()


def test_check() -> None:
    result = quick_result()
    equal(checked(result), (True, data("bench-check.txt")),
          "budget: the judgement of a good result is as it was")
    out = io.StringIO()
    tables.table(result.rows, 100, out)
    equal(out.getvalue(), data("bench-table.txt"), "table: it is as it was")
    worse(result)
    equal(checked(result), (False, data("bench-check-bad.txt")), "budget: that of a bad one, too")


def line(text: str, *rows: Row, what: str = "quick") -> tuple[bool, str]:
    """The judgement by one line."""
    out = io.StringIO()
    good = budget.check(rows, [text], what, out)
    words = out.getvalue().splitlines()[2].split()
    return good, words[0]


def row(dev: str, mode: str, insn: float, awake: float = 0, user: float = 0, **fields: object) -> Row:
    return Row(job=job(mode, **fields), dev=dev, kernel_insn=insn, awake=awake, user_insn=user)


def test_budget_lines() -> None:
    text = "quick\tnvdio\tmode=uring\tkernel_insn\t1000"
    equal(line(text, row("nvdio", "uring", 1030.0)), (True, "ok"), "budget: 3 % over is ok")
    equal(line(text, row("nvdio", "uring", 1030.1)), (False, "OVER"), "budget: more is not")
    equal(line(text, row("blk", "uring", 1.0)), (False, "MISSING"),
          "budget: another node's row does not count")
    equal(line(text, row("nvdio", "uring", 1.0, depth=8)), (False, "MISSING"),
          "budget: nor that of another depth")
    text = "quick\tnvdio\tmode=uring\tkernel_insn\t0.5 of dev=ng mode=cmd"
    ng = row("ng", "cmd", 2000.0)
    equal(line(text, row("nvdio", "uring", 1030.0), ng), (True, "ok"),
          "budget: a factor of another row is kept")
    equal(line(text, row("nvdio", "uring", 1031.0), ng), (False, "OVER"), "budget: or exceeded")
    equal(line(text, row("nvdio", "uring", 1.0)), (False, "MISSING"),
          "budget: or that row is missing")


def test_budget_file() -> None:
    text = "full\tnvdio\tmode=pread\tkernel_insn\t10"
    equal([len(list(budget.parse([text], w))) for w in ("quick", "mode", "full")], [0, 0, 1],
          "budget: a line for full results counts there only")
    b = budget.parse_line("quick\tnvdio\tmode=pread depth=4 sleep=1\tsq\t2")
    equal((b.job.depth, b.job.batch, b.job.sleep), (4, 1, 1),
          "budget: a synchronous job has one in flight")
    for bad, why in (("quick\tnvdio\tmode=uring dept=8\tsq\t1", "dept"),
                     ("quick\tnvdio\tdepth=8\tsq\t1", "mode"),
                     ("quick nvdio", "values"), ("quick\tnvdio\tmode=uring\tsq\tmany", "many")):
        try:
            list(budget.parse(["# c", bad], "quick"))
            said = ""
        except ValueError as e:
            said = str(e)
        ok(said.startswith("line 2: ") and why in said, f"budget: a bad line is refused ({said})")
    with open(os.path.join(BENCH, "budget.tsv"), encoding="utf-8") as f:
        budgets = list(budget.parse(f, "full"))
    known = {"traced": [*tables.TRACED_LINES, *tables.SHARED_LINES]}
    ok(len(budgets) > 20 and all(b.what in known.get(b.when, results.FIGURES) for b in budgets),
       "budget: the file is understood")


COUNTED = """interval 1
vcpu 0 100 1000 4 2
vcpu 1 11 300 1 0
k 1000 900
k 1010 400
end 1
interval 2
vcpu 0 50 2000 4 2
k 1000 2000
end 2
interval 3
vcpu 0 5 5 5 5
""".splitlines()
KALLSYMS = ("0000000000000ff8 t nvdio_submit\t[nvdio]", "0000000000001018 T schedule",
            "0000000000001000 d some_data", "0000000000001400 W dma_map_page_attrs")


def test_counts() -> None:
    counted = counts.read_counts(COUNTED)
    equal(sorted(counted), [1, 2], "counts: an interval without an end is left out")
    c = counted[1]
    equal((c.user, c.kernel, c.sq, c.cq, c.blocks), (111, 1300, 5, 2, {0x1000: 900, 0x1010: 400}),
          "counts: processors are added up")
    equal(counts.read_counts([]), {}, "counts: nothing is nothing")
    s = counts.Symbols(KALLSYMS)
    equal([s.name(a) for a in (0x100, 0xff0, 0x1000, 0x1010, 0x2000)],
          ["?", "nvdio_submit [nvdio]", "nvdio_submit [nvdio]", "schedule", "dma_map_page_attrs"],
          "counts: a block belongs to the last function that begins in it or before")
    equal([counts.group_of(n) for n in ("nvdio_submit [nvdio]", "schedule", "dma_map_page_attrs", "nothing")],
          ["driver", "sched", "mapping", "other"], "counts: groups of bench/symbols.tsv")


def test_rows() -> None:
    runs = [Run("nvdio", job("uring"), 10, 1)] * 2
    answers = {1: counts.Answer(10, 5), 2: counts.Answer(10, 1)}
    made = counts.rows_of(runs, answers, counts.read_counts(COUNTED), counts.Symbols(KALLSYMS))
    equal(len(made), 1, "rows: the runs of a job are one row")
    r = made[0]
    equal((r.kernel_insn, r.user_insn, r.runs), (130.0, 11.1, [130.0, 200.0]),
          "rows: the least of the runs counts")
    equal((r.sq, r.cq, r.irqs), (0.45, 0.2, 0.3), "rows: of doorbells and interrupts the median")
    equal((r.own, r.awake, r.groups), (90.0, 90.0, {"driver": 90.0, "sched": 40.0}),
          "rows: the driver's share, and all but the scheduler's")
    for text, bad in (("of no I/O", {1: counts.Answer(0, 0)}), ("without a count", {2: counts.Answer(9, 0)})):
        try:
            counts.rows_of(runs, bad, {1: counts.Interval()}, counts.Symbols([]))
            ok(False, f"rows: an interval {text} is an error")
        except ValueError:
            ok(True, f"rows: an interval {text} is an error")


def test_file() -> None:
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "x.json")
        result = quick_result()
        result.save(path)
        again = results.load(path)
        equal(again, result, "file: a result is read as it was written")
    old = Row.from_json({"mode": "uring", "dev": "blk", "kernel_insn": 5, "added": "later"})
    equal((old.job, old.own), (job("uring"), 0), "file: what an older file lacks has its default")
    equal(list(result.rows[0].to_json())[:6] + list(result.rows[0].to_json())[14:19],
          ["kernel", "iommu", "cpus", "sleep", "mode", "bs", "shadow", "hist", "dev",
           "kernel_insn", "user_insn"],
          "file: the fields have their order")


def test_joined() -> None:
    old = results.Result(tree="a", kernels=["6.12"], complete=True, refused=["x"],
                         rows=[row("nvdio", "uring", 1), row("blk", "uring", 2)])
    new = results.Result(tree="b", kernels=["6.12", "7.3"], complete=True, refused=["x"],
                         rows=[row("nvdio", "uring", 3), row("nvdio", "batch", 4)],
                         traced=[results.TracedRow(job=job("batch"), dev="nvdio")])
    both = results.joined(old, new)
    equal([(r.dev, r.job.mode, r.kernel_insn) for r in both.rows],
          [("nvdio", "uring", 3), ("blk", "uring", 2), ("nvdio", "batch", 4)],
          "joined: the new rows replace the same ones, others are kept or added")
    equal((both.tree, both.kernels, both.refused, len(both.traced), both.complete),
          ("a and b", ["6.12", "7.3"], ["x"], 1, True), "joined: of which trees and kernels is said")
    again = results.joined(both, new)
    equal((again.tree, again.rows), (both.tree, both.rows), "joined: twice is once")
    new.complete = False
    equal(results.joined(old, new).complete, False, "joined: with an incomplete result it is incomplete")


def test_jobs() -> None:
    for j, text in ((job("pread", bs=512), "pread 512"),
                    (job("uring", bs=131072), "uring 128K 4K pages 32/8"),
                    (job("uring", bs=131072, huge=1, write=1), "uring 128K huge 32/8 write"),
                    (job("cmd", cpus=4, iommu="pt", shadow=0, kernel="latest"),
                     "cmd 4K 32/8 4 cpus iommu pt no shadow doorbells kernel latest")):
        equal(j.label(), text, f"jobs: '{text}'")
    for kinds in (jobs.KINDS, ("blk",)):
        for name, plans in (("quick", jobs.quick(kinds)), ("full", jobs.full(kinds))):
            wrong = [r for p in plans for r in p.runs
                     if r.kind not in (*kinds, "none") or r.job.cpus != p.cpus or r.job.kernel != p.kernel
                     or (r.kind == "blk" and r.job.mode in jobs.CMD_MODES)]
            equal(wrong, [],
                  f"jobs: {name} on {','.join(kinds)} has each mode on the nodes that have it")
    measured = [(r.kind, r.job) for p in jobs.full(jobs.KINDS) for r in p.runs]
    with open(os.path.join(BENCH, "budget.tsv"), encoding="utf-8") as f:
        lacks = [b for b in budget.parse(f, "full") if (b.dev, b.job) not in measured or
                 (b.other and b.other not in measured)]
    equal(lacks, [], "jobs: make bench measures whatever has a budget")
    equal([j.label() for k, j in measured if j.mapped and j.iommu in ("off", "strict")
           and j.mode not in (*jobs.BATCH_MODES, *jobs.RING_MODES, *jobs.LIB_MODES)
           and (k, j.but(mapped=0)) not in measured], [],
          "jobs: and each read into mapped memory beside one into ordinary memory")
    equal([r.job.label() for p in jobs.calls(jobs.KINDS) for r in p.runs if (r.kind, r.job) not in measured],
          [], "jobs: --calls is a part of the full plan")
    equal([r.kind for p in jobs.calls(["blk"]) for r in p.runs if r.kind != "blk"], [],
          "jobs: of which only some are the stock driver's")


def test_machine() -> None:
    plan = Plan(cpus=2)
    plan.add(["nvdio", "blk", "none"], job("uring", huge=1, sleep=1), 500, 2)
    setup = boot.Setup("/c/build/work", {"6.12": "/x/nvdio.ko"}, "a=1")
    args = boot.vm_arguments(plan, setup, "/build/b")
    equal((args.count("--nvme"), args[args.index("--modargs") + 1], args[-1].split()[-2:]),
          (4, "map_order=0 a=1", ["2", "20"]),
          "machine: two controllers for each driver, if there are jobs that sleep")
    args = boot.vm_arguments(plan, boot.Setup("/c/build/work", {}), "/build/b")
    equal((args.count("--nvme"), "--no-module" in args), (2, True),
          "machine: or for the stock driver alone")
    equal(boot.loop_line(7, plan.runs[0]),
          "7 --mode uring --bs 4096 --depth 32 --batch 8 --threads 2 --count 500 --warm 500 "
          "--dev /dev/nvdio1n1 --huge", "machine: what the loop is told")
    equal("--dev" in boot.loop_line(7, plan.runs[2]), False, "machine: a no-op has no node")


def machine_of(*lines: str, status: int = 0) -> boot.Machine:
    plan = Plan()
    plan.add(["nvdio", "blk"], job("uring"), 500, 1)
    m = boot.Machine(plan.numbered(), status=status)
    for text in lines:
        m.line(text + "\n")
    return m


def test_machine_said() -> None:
    one, two = '{"id": 1, "ios": 5, "irqs": 2}', '{"id": 2, "ios": 5, "irqs": 2}'
    m = machine_of("# kernel 6.12.1", "# node /dev/x", one, "noise", two)
    equal((m.good, m.died, m.uname, sorted(m.answers)), (True, False, "6.12.1", [1, 2]),
          "machine: all is well")
    m = machine_of(one)
    equal((m.good, m.died, m.all_done), (False, False, False),
          "machine: one that ends early is not good")
    m = machine_of('{"id": 1, "failed": true}', two)
    equal((m.good, m.failed), (False, ["uring 4K 32/8 on nvdioXnY"]),
          "machine: nor one in which nvdio fails")
    m = machine_of(one, '{"id": 2, "failed": true}')
    equal((m.good, m.refused), (True, ["uring 4K 32/8 on nvmeXnY"]),
          "machine: the stock driver may have its limits")
    equal(machine_of(one, two, status=123).good, False, "machine: trouble in the log is not good")
    equal((machine_of().died, machine_of(one, two, status=125).died), (True, True),
          "machine: one that died")


def test_compare() -> None:
    compare = script("compare")
    old, new = quick_result(), quick_result()
    worse(new)
    both = list(compare.pairs(old, new))
    equal(len(both), len(new.rows), "compare: rows that only one has are left out")
    equal({o.job.mode for o, n in both if compare.worse(o, n)}, {"uring-fixed"},
          "compare: what became worse")
    a, b = row("nvdio", "uring", 1), row("nvdio", "uring", 1)
    a.symbols, b.symbols = {"x": 5.0, "y": 1.0}, {"x": 2.0}
    equal(compare.moved(a, b, 9), [(-3.0, "x"), (-1.0, "y")], "compare: the symbols that changed")


def test_report() -> None:
    report = script("report")
    result = quick_result()
    text = report.markdown(result)
    ok("| io_uring, registered, batches of 8 | 2,197 | 4,681 | 3,449 | 0.64 |" in text,
       "report: a line of the tables")
    with unittest.mock.patch.object(report, "gnuplot", side_effect=lambda script: script):
        made = report.pictures(result.rows)
        equal([n for n, picture in made.items() if picture], ["bench-modes.svg"],
              "report: pictures without rows are left out")
        ok('"libaio" 3218 ' in made["bench-modes.svg"], "report: the bars")
        for n in (2, 4):
            result.rows.append(row("blk", "uring-fixed", n, cpus=n, threads=n))
        made = report.pictures(result.rows)
        ok("\n2 2.0\n4 4.0\n" in made["bench-cpus.svg"], "report: the points of a curve")
        rows = [row("nvdio", "uring", 0, awake=n, iommu=iommu, mapped=m)
                for n, iommu, m in ((3, "off", 0), (4, "strict", 0), (1, "off", 1))]
        ok('\n"io_uring\\n4 KiB" 3 4 1 NaN\n' in report.pictures(rows)["bench-mapped.svg"],
           "report: mapped memory beside ordinary memory")
        equal(report.pictures(rows[:2])["bench-mapped.svg"], "", "report: not without it")
        test_report_calls(report)


def test_report_calls(report: ModuleType) -> None:
    rows = [row("blk", "uring-fixed", 0, awake=50, user=6),
            row("nvdio", "batch", 0, awake=3, user=4, mapped=1),
            row("nvdio", "batch", 0, awake=4, user=4, mapped=1, cpus=16, threads=16),
            row("nvdio", "ring-watch", 0, awake=5, user=999, mapped=1)]
    made = report.pictures(rows)["bench-calls.svg"]
    equal(["\n0 50 56\n" in made, "\n5 3 7\n" in made, "\n7 5 5\n" in made, "\n8 90\n" in made],
          [True] * 4, "report: many in one call; the user's part on top, but of one that watches")
    equal(report.pictures(rows[:1])["bench-calls.svg"], "", "report: no such picture without batches")
    text = report.markdown(results.Result(tree="x", rows=rows, traced=[results.TracedRow(
        job=job("batch"), dev="nvdio", each={n: 0.083 for n in tables.TRACED_LINES},
        batch={n: 2.3 for n in tables.TRACED_LINES}, shared={n: 0 for n in tables.SHARED_LINES})]))
    equal([line in text for line in (
        "| nvdio, batch, mapped | 3 + 4 | - | - | - | - | - |",
        "| nvdio, ring, watched | 5 + spins | - | - | - | - | - |",
        "| nvdio, batch, mapped, 32/8 | 3 | - | - | - | 4 | 1.33 |",
        "| locked instructions: rest | 0.1 + 2 |")], [True] * 4, "report: tables of it")


def test_hw() -> None:
    hw = script("hw")
    runs = [hw.Measured(100, n, {"cycles": c}) for n, c in ((1000.0, 50000), (900.0, 30000), (1100.0, 40000))]
    words = hw.Line("/dev/nvdio0n1", "batch", runs, 1).text().split()
    equal(words, ["/dev/nvdio0n1", "batch", "1000", "20.0", "%", "-", "-", "400", "1", "failed"],
          "hw: the median, by how much the runs differ, and how many failed")
    ok(hw.Line("/dev/ng0n1", "cmd", [], 3).text().endswith("failed"), "hw: nothing to show of what failed")
    args = argparse.Namespace(bs=4096, depth=128, batch=32, threads=1, seconds=5, huge=False, iopoll=False)
    equal([hw.loop_arguments(args, "/dev/x", m)[1:2] + hw.loop_arguments(args, "/dev/x", m)[14:]
           for m in ("pread-copied", "uring-mapped", "lib-ring")],
          [["pread", "--buffered"], ["uring", "--mapped"], ["lib-ring"]],
          "hw: what the end of a mode's name means")
    with open(os.path.join(BENCH, "loop.c"), encoding="utf-8") as f:
        loop = f.read()
    for node in ("/dev/nvdio0n1", "/dev/nvme0n1", "/dev/ng0n1"):
        equal([m for m in hw.modes_of(node)
               if f'"{m.removesuffix(hw.COPIED).removesuffix(hw.MAPPED)}"' not in loop], [],
              f"hw: the loop has all modes of {node}")


def test_map_cost() -> None:
    cost = script("map-cost")
    mib = 1 << 20
    counted = {3: counts.Interval(kernel=70, blocks={0x1000: 20, 0x1010: 50}), 4: counts.Interval(kernel=9)}
    symbols = counts.Symbols(["0000000000001000 T clear_page_erms", "0000000000001010 T other"])
    answer = {"id": 3, "method": "alloc", "bytes": 256 * mib, "taken": 258 * mib}
    r = cost.row_of("off", answer, counted, symbols)
    equal((r.make, r.cleared, r.end, r.taken), (200, 80, 36, 8 * mib),
          "map-cost: per GiB, without clearing pages and without the pages of new memory")
    equal(cost.row_of("off", {**answer, "method": "user"}, counted, symbols).taken, 1032 * mib,
          "map-cost: memory of the program's is not new")


test_check()
test_budget_lines()
test_budget_file()
test_counts()
test_rows()
test_file()
test_jobs()
test_machine()
test_machine_said()
test_compare()
test_joined()
test_report()
test_hw()
test_map_cost()
finish()
