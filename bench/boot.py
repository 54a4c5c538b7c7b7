# SPDX-License-Identifier: GPL-2.0
"""One machine of bench/run: the lab's guest under the QEMU plugin, which runs the loop
(bench/loop.c) for each job of a plan."""

import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import counts
import traced
from jobs import BLOCK, LINUX_NAMES, NONE, NVDIO, PASSTHROUGH, Plan, Run
from results import Row, TracedRow

BENCH = counts.BENCH
TOP = os.path.dirname(BENCH)
CACHE = os.environ.get("NVDIO_LAB") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "nvdio")
BUILD = os.path.join(CACHE, "build")        # /build in the lab root and in the guest

# A command of the second pair of controllers takes so long that the submitter goes to
# sleep for every batch; those of the first pair answer at once, and it hardly ever does.
LATENCY_NS = 100000
# Of a plan that is traced: every command of a batch is sent before the first one is completed.
TRACED_LATENCY_NS = 20000000
NODES = {NVDIO: "/dev/nvdio{}n1", BLOCK: "/dev/nvme{}n1", PASSTHROUGH: "/dev/ng{}n1"}
# Statuses of lab/vm.
BAD_LOG = 123
LAB_ERROR = 125
# Lines of messages that are shown when a machine fails.
MESSAGES_SHOWN = 60
# Seconds that bench/guest waits at most for the kernel to be done with its boot.
SETTLE = 20

# What is called for each answer: the run, and whether it failed.
Progress = Callable[[Run, bool], None]


class Failed(Exception):
    """Ends bench/run with a message."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def sources() -> list[str]:
    """Of the loop and the plugin."""
    own = [os.path.join(BENCH, name) for name in (
        "insn.c", "trace.c", "plugin.h", "x86.h", "loop.c", "loop_ring.h", "loop_lib.h", "marker.h", "guest")]
    library = sorted(glob.glob(os.path.join(TOP, "lib/nvdio/*.[ch]")))
    return own + library + [os.path.join(TOP, "driver/uapi/nvdio.h")]


def compiled() -> tuple[str, str]:
    """The loop and the plugin, built inside the lab root; the directory's name as
    the host and as the lab sees it."""
    digest = hashlib.sha256()
    for source in sources():
        with open(source, "rb") as f:
            digest.update(f.read())
    name = f"bench-{digest.hexdigest()[:12]}"
    host = os.path.join(BUILD, name)
    if not os.path.exists(os.path.join(host, "loop")):
        say("bench/run: compiling loop and plugin")
        temp = tempfile.mkdtemp(prefix="bench-", dir=BUILD)
        lab = "/build/" + os.path.basename(temp)
        warn = "-O2 -Wall -Wextra -Werror"
        subprocess.run([os.path.join(TOP, "lab/sh"), "--", "sh", "-ec",
                        f"cd bench; for p in insn trace; do gcc {warn} -fvisibility=hidden -shared "
                        f"-fPIC -o {lab}/$p.so $p.c; done;"
                        f"gcc {warn} -I../driver/uapi -o {lab}/loop loop.c ../lib/nvdio/*.c "
                        "-luring -laio -lpthread"],
                       check=True, stdout=sys.stderr)
        try:
            os.rename(temp, host)
        except OSError:         # another process was faster
            shutil.rmtree(temp)
    return host, f"/build/{name}"


def loop_line(number: int, run: Run) -> str:
    """A line of the file "jobs" (see bench/guest)."""
    j = run.job
    args: list[object] = [
        number, "--mode", j.mode, "--bs", j.bs, "--depth", j.depth, "--batch", j.batch,
        "--threads", j.threads, "--count", run.count,
        "--warm", max(j.depth * 4, min(run.count, 1000))]
    if run.kind != NONE:
        args += ["--dev", NODES[run.kind].format(1 if j.sleep else 0)]
    args += [f"--{flag}" for flag in ("huge", "mapped", "buffered", "write", "iopoll", "hist")
             if getattr(j, flag)]
    return " ".join(map(str, args))


@dataclass
class Setup:
    """What all machines of one call of bench/run have in common."""

    work: str               # a directory of the build cache
    modules: dict[str, str]     # nvdio.ko by kernel; empty: the stock driver alone
    modargs: str = ""
    append: str = ""
    timeout: int = 1800


def vm_arguments(plan: Plan, setup: Setup, lab: str) -> list[str]:
    """Of lab/vm. lab: where loop and plugin are, inside the lab root."""
    inside = "/build/" + os.path.basename(setup.work)
    ko = setup.modules.get(plan.kernel)
    args = ["--kernel", plan.kernel, "--cpus", str(plan.cpus), "--mem", "2G", "--tcg",
            "--iommu", plan.iommu, "--backend", "null", "--timeout", str(setup.timeout)]
    latencies = [0]
    if any(run.job.sleep for run in plan.runs):
        latencies.append(TRACED_LATENCY_NS if plan.traced else LATENCY_NS)
    props = f"mdts=9,max_ioqpairs={plan.cpus + 2},msix_qsize={plan.cpus + 3}"
    if not plan.shadow:
        props += ",dbcs=off"
    for latency in latencies * (2 if ko else 1):
        args += ["--nvme", props, "--ns", "size=64G" + (f",latency={latency}" if latency else "")]
    queues = "poll_queues=1" if plan.iopoll else ""
    if ko:
        # Mapped memory in single pages: each command needs a PRP list.
        args += ["--ko", ko, "--modargs",
                 " ".join(filter(None, (queues, "map_order=0", setup.modargs)))]
    else:
        args.append("--no-module")
    # Without autogroup, so that the scheduler's part does not depend on who calls setsid.
    words = "noautogroup nohz=off "
    if plan.traced:
        # With one processor the kernel would remove lock prefixes. Random places on the stack
        # are random lines.
        words += "noreplace-smp randomize_kstack_offset=off "
    args += ["--append", words + setup.append]
    plugin = "trace" if plan.traced else "insn"
    return args + [
        "--qemu", f"-plugin {lab}/{plugin}.so,out={inside}/{plugin}.out",
        "--run", f"NVME_ARGS='{queues}' exec sh bench/guest {inside} {len(latencies)} {SETTLE}"]


@dataclass
class Machine:
    """What one machine said."""

    numbered: Sequence[Run]
    answers: dict[int, counts.Answer] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    # The stock driver has limits of its own (segments of a passthrough command).
    refused: list[str] = field(default_factory=list)
    uname: str | None = None
    status: int = 0

    def line(self, text: str) -> tuple[Run, bool] | None:
        """A line of the guest's output; returns the run that it is about, and whether
        that failed."""
        if text.startswith("# kernel "):
            self.uname = text.split()[2]
        if not text.startswith("{"):
            return None
        answer = json.loads(text)
        number = int(answer["id"])
        run = self.numbered[number - 1]
        failed = bool(answer.get("failed"))
        if failed:
            where = self.refused if run.kind in (BLOCK, PASSTHROUGH) else self.failed
            where.append(f"{run.job.label()} on {LINUX_NAMES[run.kind]}")
        else:
            self.answers[number] = counts.Answer(answer["ios"], answer["irqs"])
        return run, failed

    @property
    def all_done(self) -> bool:
        return len(self.answers) + len(self.failed) + len(self.refused) == len(self.numbered)

    @property
    def died(self) -> bool:
        return self.status == LAB_ERROR or not self.answers

    @property
    def good(self) -> bool:
        return not self.status and not self.failed and self.all_done


def run_machine(plan: Plan, setup: Setup, progress: Progress) -> Machine:
    """Boots and runs all jobs; what the plugin counted is then in setup.work."""
    host, lab = compiled()
    if not os.path.exists(os.path.join(setup.work, "loop")):
        os.link(os.path.join(host, "loop"), os.path.join(setup.work, "loop"))
    machine = Machine(plan.numbered())
    with open(os.path.join(setup.work, "jobs"), "w", encoding="utf-8") as f:
        for number, run in enumerate(machine.numbered, 1):
            print(loop_line(number, run), file=f)
    messages: list[str] = []
    with subprocess.Popen([os.path.join(TOP, "lab/vm"), *vm_arguments(plan, setup, lab)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout and p.stderr
        # A full pipe of messages must not stop the machine.
        reader = threading.Thread(target=messages.extend, args=(p.stderr,))
        reader.start()
        for line in p.stdout:
            told = machine.line(line)
            if told:
                progress(*told)
        machine.status = p.wait()
        reader.join()
    report(machine, messages)
    return machine


def report(machine: Machine, messages: Sequence[str]) -> None:
    """Says what went wrong, if anything did."""
    for r in sorted(set(machine.refused)):
        say(f"bench/run: the stock driver failed: {r}")
    if machine.good:
        return
    sys.stderr.write("".join(messages[-MESSAGES_SHOWN:]))
    for text in machine.failed:
        say(f"bench/run: FAILED: {text}")
    if machine.status == BAD_LOG:
        say("bench/run: the kernel's log shows trouble")


def rows_of(machine: Machine, setup: Setup) -> list[Row]:
    """What the plugin counted in the machine that ran last."""
    if not machine.answers:
        return []
    with open(os.path.join(setup.work, "insn.out"), encoding="utf-8") as f:
        counted = counts.read_counts(f)
    with open(os.path.join(setup.work, "kallsyms"), encoding="utf-8") as f:
        symbols = counts.Symbols(f)
    try:
        return counts.rows_of(machine.numbered, machine.answers, counted, symbols)
    except ValueError as e:
        raise Failed(str(e)) from e


def traced_rows_of(machine: Machine, setup: Setup) -> list[TracedRow]:
    """What the plugin wrote down in the machine that ran last, if its plan was traced. Without
    all of it there is no row: each needs two runs."""
    if not machine.good or machine.refused:
        return []
    with open(os.path.join(setup.work, "kallsyms"), encoding="utf-8") as f:
        reader = traced.Reader(counts.Symbols(f))
    try:
        with open(os.path.join(setup.work, "trace.out"), "rb") as trace:
            return traced.rows_of(machine.numbered, reader.read(traced.records(trace)))
    except ValueError as e:
        raise Failed(str(e)) from e
