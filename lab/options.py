# SPDX-License-Identifier: GPL-2.0
"""The command line of lab/vm."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

HELP = """\
The machine: q35, no network, QEMU's NVMe controllers behind PCIe root ports.
The first is nvdio's: /dev/nvdio0, /dev/nvdio0n1. In the guest the checkout is
/src (read-write, also the working directory) and the build cache is /build.
Everything else that the guest writes is memory and is lost.

--share DIR puts a directory of this host at /share/NAME, NAME being the last part of DIR;
the guest may write there. A fio job of your own: lab/vm --share ~/jobs --run 'fio /share/jobs/x.fio'
(filename=/dev/nvdio0n1). "make vm" and the first call of the lab download about 400 MB.

Variables in the guest: NVDIO_PCI (address of the first controller), NVDIO_PCIS
(all), NVME_PCI (the stock driver's, with --peer), NVDIO_KO (path of nvdio.ko).

controllers and namespaces:
  --nvme and --ns are taken in order. Each --nvme makes one controller for nvdio
  (serials nvdio0, nvdio1, ...) with these properties of QEMU's "nvme" device
  ("qemu-system-x86_64 -device nvme,help" lists them). Each --ns after it gives it
  one more namespace with these properties of "nvme-ns", and four of lab/vm:
    size=N[KMGT]   (default 1G, with the null backend 1T)
    backend=file|mem|null
    latency=N      nanoseconds for each command, backend null only
    iops=N         commands per second; data moves when a command has its turn; not with null
  A controller without --ns has one namespace with 512-byte blocks; "--ns none" leaves
  it without. Without --nvme there is one controller.
    lab/vm --nvme mdts=5,max_ioqpairs=4 \\
        --ns logical_block_size=4096,physical_block_size=4096,size=64M \\
        --ns ms=8 --nvme '' --run 'ls /dev/nvdio*'

  --vfu makes a controller that misbehaves when a script says so: a process of lab/vfu,
  attached by vfio-user, with QEMU 11. LINES are of its script language, with ";" between
  them, and carried out before the machine starts; "vfu LINE" does so in the guest, and
  "vfu help" tells what there is. They come behind those of --nvme; with --vfu and
  without --nvme or --ns there are only these. See docs/lab.md.
    lab/vm --vfu 'set mdts 3; ns 2 lbads=12' --run 'vfu drop read; dd ...; vfu log'

a machine that dies or stands still:
  If this happens at boot, before nvdio.ko is loaded, or if QEMU crashes before the
  command begins, the machine is started once more. Later, a machine that stands still
  for --quiet-limit seconds is ended: the command prints nothing, and QEMU does not
  compute (time for which a busy host did not schedule it does not count); and so is one
  that prints nothing for --silent-limit seconds of QEMU's processor time. The log
  then shows the tasks that wait, and what the processors do.

exit status: the command's; 123 the command succeeded but the kernel's log shows
trouble; 124 out of time, or stood still; 125 the lab failed (no status came from the guest).
"""


@dataclass
class Controller:
    """One --nvme and the --ns that follow it, as they were given."""

    props: str = ""
    namespaces: list[str] = field(default_factory=list)


class Options(argparse.Namespace):
    """The options of one call, with their types."""

    run: str | None
    kernel: str
    cpus: int
    mem: str | None
    iommu: str
    append: list[str]
    controllers: list[Controller]
    vfu: list[str]
    backend: str
    peer: bool
    peer_args: str
    share: list[str]
    modargs: str
    no_module: bool
    system: str | None
    ko: str | None
    may_fail: bool
    hugepages: int
    tcg: bool
    qemu: list[str]
    no_ports: bool
    monitor: bool
    timeout: float
    quiet_limit: float
    silent_limit: float
    console: bool
    keep_log: str | None
    allow_log: list[re.Pattern[str]]
    times: bool

    @property
    def memory(self) -> str:
        """--mem, or what the kernel needs."""
        return self.mem or ("2G" if self.kernel == "debug" else "1G")

    @property
    def builds_module(self) -> bool:
        """Whether the checkout's nvdio.ko has to be built first."""
        return not self.no_module and self.ko is None and self.system is None


class InOrder(argparse.Action):
    """Collects --nvme and --ns into one list of controllers."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None, option_string: str | None = None) -> None:
        controllers: list[Controller] = namespace.controllers
        if option_string == "--nvme":
            controllers.append(Controller(str(values)))
            return
        if not controllers:
            controllers.append(Controller())
        controllers[-1].namespaces.append(str(values))


def regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as e:
        raise argparse.ArgumentTypeError(f"{text!r}: {e}") from e


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="lab/vm", epilog=HELP, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run a command in a fresh virtual machine; without --run, a shell.")
    a = p.add_argument
    # lab/vm reads these lines with awk where there is no python3: a( begins one, help= ends it.
    a("--run", metavar="COMMAND", help="run by bash in the guest, as root, stdin empty")
    a("--kernel", default="6.12", metavar="K",
      help="6.12 (default), latest, debug or kcsan (see lab/kernel-debug); of another machine: "
      "arm64, arm64-16k, s390x or riscv64 (see lab/arch)")
    a("--cpus", type=int, default=2, metavar="N", help="default 2")
    a("--mem", metavar="M", help="default 1G, for debug 2G")
    a("--iommu", choices=("off", "pt", "lazy", "strict"), default="off",
      help="an Intel IOMMU, and how the kernel uses it (default off: none)")
    a("--append", action="append", default=[], metavar="ARGS", help="kernel parameters")
    a("--nvme", action=InOrder, dest="controllers", metavar="PROPS",
      help="a controller (see below)")
    a("--ns", action=InOrder, dest="controllers", metavar="PROPS",
      help="a namespace of the last controller (see below)")
    a("--vfu", action="append", default=[], metavar="LINES",
      help="a controller that a script makes misbehave (see below)")
    a("--backend", choices=("file", "mem", "null"), default="file",
      help="where blocks are: sparse file, memory, or nowhere (default file)")
    a("--peer", action="store_true",
      help="one more controller, for the stock driver: /dev/nvme0n1, /dev/ng0n1")
    a("--peer-args", default="", metavar="ARGS", help="parameters of the stock nvme module")
    a("--share", action="append", default=[], metavar="DIR",
      help="a directory of the host that the guest has at /share/NAME, writable; repeatable")
    a("--modargs", default="", metavar="ARGS", help="parameters of nvdio.ko")
    a("--no-module", action="store_true", help="do not build or load nvdio.ko")
    a("--ko", metavar="FILE", help="load this module instead of the checkout's")
    a("--may-fail", action="store_true", help="go on if nvdio does not bind a controller")
    a("--system", metavar="DISK", help="boot lab/system with systemd, its changes on DISK, an ext4 image; "
      "no driver is loaded, no controller bound, but by the system itself")
    a("--hugepages", type=int, default=0, metavar="N", help="reserve N pages of 2 MiB at boot")
    a("--tcg", action="store_true", help="emulate the processor even where there is KVM")
    a("--qemu", action="append", default=[], metavar="ARGS", help="more arguments for QEMU")
    a("--no-ports", action="store_true", help="controllers are on the root bus, not behind ports")
    a("--monitor", action="store_true", help="in the guest, lab/hmp sends lines to QEMU's monitor")
    a("--timeout", type=float, default=300, metavar="S", help="wall time limit (default 300)")
    a("--quiet-limit", type=float, default=60, metavar="S",
      help="end a machine that stands still for so long (default 60, 0: never)")
    a("--silent-limit", type=float, default=600, metavar="S",
      help="end a machine that computes for so long and prints nothing, in seconds of "
      "processor time (default 600, 0: never)")
    a("--console", action="store_true", help="print the kernel's log as it comes")
    a("--keep-log", metavar="FILE", help="copy the kernel's log there")
    a("--allow-log", action="append", default=[], metavar="REGEX", type=regex,
      help="lines of the log, and reports with such a line, that are no trouble")
    a("--times", action="store_true", help="say how long boot, command and shutdown took")
    return p


def parse(argv: Sequence[str]) -> Options:
    """Parses the command line. Ends the program for --help and for bad options."""
    options = parser().parse_args(argv, namespace=Options(controllers=[]))
    if not options.controllers and not options.vfu:
        options.controllers = [Controller()]
    if os.environ.get("NVDIO_COVERAGE"):
        # Of the lab's kernels, this one can count lines at the least cost (tests/coverage).
        options.kernel = "kcsan"
    if options.run is None:
        # A shell: the user ends it, and gets both drivers to compare.
        options.peer = True
        options.timeout = float("inf")
        options.quiet_limit = options.silent_limit = 0
    return options


if __name__ == "__main__":
    # What would fail after the first download is said before it.
    for name in parse(sys.argv[1:]).share:
        if not os.path.isdir(name):
            print(f"lab/vm: --share {name}: not a directory", file=sys.stderr)
            sys.exit(125)
