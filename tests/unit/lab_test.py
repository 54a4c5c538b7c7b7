# SPDX-License-Identifier: GPL-2.0
"""lab/: options, properties of namespaces, the kernel's log, end marks, the initramfs."""

import contextlib
import io
import re

from tap import equal, finish, ok

import arch
import initramfs
import kernel_log
import machine
import options
from messages import Fatal
from options import Controller
from stream import Stream


def refused(*argv: str) -> str:
    """The error message for bad options, or "" if they are accepted."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options.parse(argv)
    except SystemExit as e:
        return said.getvalue() if e.code == 2 else ""
    return ""


def test_options() -> None:
    o = options.parse(["--run", "true"])
    equal((o.run, o.kernel, o.memory, o.peer, o.timeout, o.builds_module),
          ("true", "6.12", "1G", False, 300, True), "options: defaults")
    equal(o.controllers, [Controller("", [])], "options: one controller by default")
    equal(options.parse(["--kernel=debug"]).memory, "2G",
          "options: the debug kernel needs more memory")
    equal(options.parse(["--kernel", "debug", "--mem", "3G"]).memory, "3G",
          "options: --mem is what counts")
    o = options.parse([])
    equal((o.run, o.peer, o.timeout, o.quiet_limit), (None, True, float("inf"), 0),
          "options: a shell has both drivers and all the time")
    ok(refused("--run", "--kernel=x"), "options: a value that looks like an option needs '='")


def test_machines() -> None:
    equal([arch.of(k) is arch.X86 for k in ("6.12", "debug", "arm64-16k", "s390x")],
          [True, True, False, False], "machines: the kernel says which")
    ok(all(m in arch.OTHERS for m in arch.KERNELS.values()), "machines: each is described")
    equal(options.parse(["--share", "a", "--share=/b/c"]).share, ["a", "/b/c"],
          "options: --share may be repeated")
    equal(options.parse([]).share, [], "options: nothing is shared by default")


def test_option_values() -> None:
    o = options.parse(["--run=--kernel=5", "--append=--ko"])
    equal((o.run, o.kernel, o.append, o.builds_module), ("--kernel=5", "6.12", ["--ko"], True),
          "options: values are not taken for options")
    for argv in (["--no-module"], ["--ko", "x.ko"], ["--ko=x.ko"]):
        ok(not options.parse(argv).builds_module, f"options: {argv[0]} builds no module")
    o = options.parse("--nvme a=1 --ns x --ns y --nvme= --nvme b --ns none".split())
    equal(o.controllers, [Controller("a=1", ["x", "y"]), Controller(), Controller("b", ["none"])],
          "options: --nvme and --ns are taken in order")
    equal(options.parse(["--ns", "x"]).controllers, [Controller("", ["x"])],
          "options: --ns without --nvme makes a controller")
    equal(options.parse([]).controllers, [Controller()], "options: calls share no list")
    ok("unterminated" in refused("--allow-log", "("),
       "options: a bad --allow-log is refused, and why")
    ok(refused("--iommu", "maybe") and refused("--cpus", "x") and refused("--kern", "6.12"),
       "options: bad values and abbreviations are refused")


def fatal(text: str, backend: str) -> str:
    try:
        machine.namespace_props(text, backend)
    except Fatal as e:
        return str(e)
    return ""


def test_namespaces() -> None:
    equal(machine.namespace_props("ms=8,size=5M,nsid=3", "file"),
          ({"size": "5M", "backend": "file", "latency": "", "iops": ""}, ["ms=8", "nsid=3"]),
          "namespaces: lab/vm's properties are kept from QEMU")
    equal(machine.namespace_props("backend=null,latency=5", "file")[0]["latency"], "5",
          "namespaces: the null backend has a latency")
    ok("needs backend=null" in fatal("latency=5", "mem"), "namespaces: others have none")
    equal(machine.namespace_props("size=1G,iops=7", "file")[0]["iops"], "7",
          "namespaces: a number of commands per second")
    ok("another backend" in fatal("iops=7", "null"), "namespaces: which null does not have")
    ok("file, mem or null" in fatal("backend=disk", "mem"),
       "namespaces: unknown backends are refused")
    equal([machine.size_of(t) for t in ("512", "3K", "2M", "1G", "4T")],
          [512, 3 << 10, 2 << 20, 1 << 30, 4 << 40], "namespaces: sizes")
    for text in ("", "1P", "-1", "1.5G"):
        try:
            machine.size_of(text)
            ok(False, f"namespaces: size={text} is refused")
        except Fatal:
            ok(True, f"namespaces: size={text} is refused")


CUT = "------------[ cut here ]------------"
END = "---[ end trace 0000000000000000 ]---"


def test_trouble() -> None:
    for line in ("BUG: KASAN: use-after-free", "WARNING: CPU: 1", "INFO: task dd blocked for more than 60",
                 "DMAR: [DMA Write] fault", "Oops: 0000", CUT, "list_add corruption", "DMA-API: exceeded",
                 "pagealloc: memory corruption"):
        equal(kernel_log.trouble(["a", line, "b"], []), [1], f"log: '{line}' is trouble")
    for line in ("nvme nvme0: reset", "DMA-API: preallocated 65536 debug entries",
                 "DMA-API: debugging enabled by kernel config"):
        equal(kernel_log.trouble([line], []), [], f"log: '{line}' is not")
    equal(kernel_log.trouble(["BUG: a", "BUG: b"], [re.compile("a$")]), [1],
          "log: a line can be excused")


def test_excused() -> None:
    report = [CUT, "DMA-API: x: cacheline tracking EEXIST, overlapping mappings", "WARNING: y", END]
    equal(kernel_log.excused(["a", *report, "b"], []), {1, 2, 3, 4},
          "log: a report with a harmless line is excused")
    equal(kernel_log.trouble(["a", *report, "BUG: c"], []), [5], "log: but not what follows it")
    timer = [CUT, "WARNING: CPU: 1 PID: 2 at kernel/time/hrtimer.c:1056 hrtimer_forward+0x7b", END]
    equal(kernel_log.trouble(timer, []), [], "log: nor what a busy host does to a timer of the scheduler's")
    tail = ["DMA-API: Mapped at:", *[f" f{n}+0x1" for n in range(5)]]
    equal(kernel_log.excused([*report, *tail, "BUG: d"], []), set(range(10)),
          "log: its tail is, too")
    equal(kernel_log.trouble([*report, "of another CPU", *tail, *tail], []), [5 + len(tail)],
          "log: and when something comes between, once")
    equal(kernel_log.trouble(tail, []), [0], "log: a tail without its report is not")
    other = [CUT, "WARNING: z at foo.c:1", END]
    equal(kernel_log.trouble(other, []), [0, 1], "log: another report is trouble")
    equal(kernel_log.trouble([*other, *report], []), [0, 1], "log: also before one that is excused")
    equal(kernel_log.trouble(other, [re.compile(r"foo\.c")]), [],
          "log: one line excuses the whole report")
    mixed = [CUT, report[1], "WARNING: y", CUT, "regs", END, report[1], "WARNING: y", END]
    equal(kernel_log.trouble([*mixed, *tail, *tail], []), [],
          "log: two reports that are mixed are excused")
    mixed[6:8] = ["WARNING: z at foo.c:1"]
    equal(kernel_log.trouble(mixed, []), [0, 1, 2, 3, 6],
          "log: but not if one of them has no excuse")
    endless = [CUT, "EEXIST cacheline tracking EEXIST", *["x"] * 400, "WARNING: late"]
    equal(kernel_log.trouble(endless, []), [402],
          "log: a report without an end is over after some time")
    equal(kernel_log.excused(endless[:50], []), set(),
          "log: one that the log's end cuts is not excused")


def test_stream() -> None:
    mark = b"\0abcd"
    data = b"one\0two\0ab\0\0abcd"
    for size in range(1, len(data) + 1):
        s = Stream(mark)
        out = b"".join(s.feed(data[i:i + size]) for i in range(0, len(data), size))
        if (out, s.complete) != (b"one\0two\0ab\0", True):
            break
    equal((out, s.complete), (b"one\0two\0ab\0", True),
          "stream: the end mark is found in pieces of any size")
    s = Stream(mark)
    equal(s.feed(b"x\0ab"), b"x", "stream: what may be a mark is held back")
    equal((s.rest(), s.rest(), s.complete), (b"\0ab", b"", False),
          "stream: and is output if no more comes")
    s = Stream(mark)
    equal(s.feed(b"x") + s.feed(b"\0abc") + s.feed(b"e"), b"x\0abce",
          "stream: or if it goes on otherwise")
    s = Stream(mark)
    equal((s.feed(mark + b"junk"), s.rest(), s.complete), (b"", b"", True),
          "stream: nothing follows the mark")


def test_initramfs() -> None:
    dep = ("kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/b.ko.xz\n"
           "kernel/net/9p/9pnet.ko.xz: kernel/b.ko.xz\nkernel/b.ko.xz:\nkernel/a9pnet_virtio.ko.xz:\n")
    equal(initramfs.in_order(dep, ("9pnet_virtio", "builtin")),
          ["kernel/b.ko.xz", "kernel/net/9p/9pnet.ko.xz", "kernel/net/9p/9pnet_virtio.ko.xz"],
          "initramfs: each module comes after what it needs")
    archive = initramfs.cpio([("a", 0o100644, b"12345"), ("c", 0o20600, (5, 1))])
    equal((len(archive) % 512, archive.count(b"070701"), archive[110:112], archive[112:117]),
          (0, 3, b"a\0", b"12345"), "initramfs: a newc archive")
    equal(archive[120 + 78:120 + 94], b"0000000500000001", "initramfs: with the device's numbers")


test_options()
test_machines()
test_option_values()
test_namespaces()
test_trouble()
test_excused()
test_stream()
test_initramfs()
finish()
