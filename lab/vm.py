# SPDX-License-Identifier: GPL-2.0
"""The part of lab/vm that runs inside the lab root: starts QEMU, carries the
command's output, watches the clock and the kernel's log.

Directories as lab/sh mounts them: /src checkout, /build build cache, /lab whole cache.
"""

import argparse
import os
import re
import secrets
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time

import vfu
import watch

LAB_ERROR = 125
TIMED_OUT = 124
BAD_LOG = 123

# What must not be in a kernel log.
TROUBLE = re.compile(
    r"BUG: |BUG:$|WARNING: |KASAN: |UBSAN: |KCSAN: |KFENCE: |DMA-API: .*"
    r"|possible recursive locking|circular locking|inconsistent lock state"
    r"|possible irq lock inversion|suspicious RCU usage"
    r"|INFO: task .* blocked for more than|self-detected stall|detected (expedited )?stalls"
    r"|general protection fault|Oops|soft lockup|hard LOCKUP|Kernel panic"
    r"|kmemleak: [0-9]+ new suspected|\[ cut here \]|Bad page state"
    r"|sleeping function called|scheduling while atomic|refcount_t: "
    r"|DMAR: .*fault|slab .*(corrupt|Redzone)|list_(add|del) corruption"
    r"|nobody cared|Unable to handle|Object .* freed")

# Lines that the pattern above matches and that mean nothing.
HARMLESS = re.compile(r"DMA-API: preallocated|DMA-API: debugging enabled")

# Reports (from "cut here" to "end trace") that mean nothing. DMA API debugging
# holds two mappings of one cache line to be wrong; but every program may have two
# reads into the same memory in flight.
HARMLESS_REPORT = re.compile(r"cacheline tracking EEXIST")

# What lab/kernel-debug made.
DEBUG_KERNEL = "/build/kernel-debug"

# crc32c_generic: a want of libcrc32c that modules.dep does not know; not in every kernel.
MODULES = ("virtio_blk", "crc32c_generic", "erofs", "9pnet_virtio", "9p", "overlay")

HELP = """\
The machine: q35, no network, QEMU's NVMe controllers behind PCIe root ports.
The first is nvdio's: /dev/nvdio0, /dev/nvdio0n1. In the guest the checkout is
/src (read-write, also the working directory) and the build cache is /build.
Everything else that the guest writes is memory and is lost.

Variables in the guest: NVDIO_PCI (address of the first controller), NVDIO_PCIS
(all), NVME_PCI (the stock driver's, with --peer), NVDIO_KO (path of nvdio.ko).

controllers and namespaces:
  --nvme and --ns are taken in order. Each --nvme makes one controller for nvdio
  (serials nvdio0, nvdio1, ...) with these properties of QEMU's "nvme" device
  ("qemu-system-x86_64 -device nvme,help" lists them). Each --ns after it gives it
  one more namespace with these properties of "nvme-ns", and three of lab/vm:
    size=N[KMGT]   (default 1G, with the null backend 1T)
    backend=file|mem|null
    latency=N      nanoseconds for each command, backend null only
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
  One that does so at boot, before nvdio.ko is loaded, is started once more, and so is one
  whose QEMU crashes before the command begins. Later, one that stands still for
  --quiet-limit seconds is ended: no output of the command, and QEMU computes nothing (time
  in which a busy host did not let it does not count). Who waits is in the log then.

exit status: the command's; 123 the command succeeded but the kernel's log shows
trouble; 124 out of time, or stood still; 125 the lab failed (no status came from the guest).
"""


SHELL = """\
echo "nvdio lab, kernel $(uname -r). The checkout is here, in /src; \"exit\" leaves."
ls -d /sys/class/nvdio/* 2>/dev/null | sed 's|/sys/class/nvdio|  nvdio: /dev|'
ls /dev/nvme*n* /dev/ng* 2>/dev/null | sed 's|^|  stock: |'
exec bash -i
"""


class Fatal(Exception):
    """A message for the user; ends the run with LAB_ERROR."""


def say(text):
    sys.stdout.flush()
    print("lab/vm: " + text, file=sys.stderr, flush=True)


# ---- options

class InOrder(argparse.Action):
    """Collects --nvme and --ns into one list of [controller, namespaces]."""

    def __call__(self, parser, args, value, option_string=None):
        if args.controllers is None:
            args.controllers = []
        if option_string == "--nvme":
            args.controllers.append([value, []])
            return
        if not args.controllers:
            args.controllers.append(["", []])
        args.controllers[-1][1].append(value)


def parse(argv):
    p = argparse.ArgumentParser(
        prog="lab/vm", epilog=HELP, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run a command in a fresh virtual machine; without --run, a shell.")
    a = p.add_argument
    a("--run", metavar="COMMAND", help="run by bash in the guest, as root, stdin empty")
    a("--kernel", default="6.12", metavar="K", help="6.12 (default), latest, or debug (see lab/kernel-debug)")
    a("--cpus", type=int, default=2, metavar="N", help="default 2")
    a("--mem", metavar="M", help="default 1G, for the debug kernel 2G")
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
    a("--modargs", default="", metavar="ARGS", help="parameters of nvdio.ko")
    a("--no-module", action="store_true", help="do not build or load nvdio.ko")
    a("--ko", metavar="FILE", help="load this module instead of the checkout's")
    a("--may-fail", action="store_true", help="go on if nvdio does not bind a controller")
    a("--hugepages", type=int, default=0, metavar="N", help="reserve N pages of 2 MiB at boot")
    a("--tcg", action="store_true", help="emulate the processor even where there is KVM")
    a("--qemu", action="append", default=[], metavar="ARGS", help="more arguments for QEMU")
    a("--timeout", type=float, default=300, metavar="S", help="wall time limit (default 300)")
    a("--quiet-limit", type=float, default=60, metavar="S",
      help="end a machine that stands still for so long (default 60, 0: never)")
    a("--console", action="store_true", help="print the kernel's log as it comes")
    a("--keep-log", metavar="FILE", help="copy the kernel's log there")
    a("--allow-log", action="append", default=[], metavar="REGEX",
      help="lines of the log, and reports with such a line, that are no trouble")
    a("--times", action="store_true", help="say how long boot, command and shutdown took")
    args = p.parse_args(argv)
    if args.controllers is None:
        args.controllers = [] if args.vfu else [["", []]]
    if args.mem is None:
        args.mem = "2G" if args.kernel == "debug" else "1G"
    if args.run is None:
        args.peer = True
        args.timeout = float("inf")
        args.quiet_limit = 0
    for expr in args.allow_log:
        try:
            re.compile(expr)
        except re.error as e:
            p.error("--allow-log: %s" % e)
    return args


def host_path(name):
    """A path that the caller gave, as it is inside the lab root."""
    path = os.path.normpath(os.path.join(os.environ["LAB_CWD"], name))
    for outside, inside in ((os.environ["LAB_TOP"], "/src"),
                            (os.environ["NVDIO_LAB"], "/lab"), ("/tmp", "/tmp")):
        if path == outside or path.startswith(outside + "/"):
            return inside + path[len(outside):]
    for inside in ("/src/", "/build/", "/lab/"):
        if path.startswith(inside):
            return path
    raise Fatal("%s: must be in the checkout, in /tmp or in the lab's cache" % name)


# ---- initramfs

def cpio(entries):
    """A "newc" archive. entries: (name, mode, data) or (name, mode, (major, minor))."""
    out = bytearray()

    def add(number, name, mode, data, device=(0, 0)):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        out.extend(b"070701" + b"".join(b"%08X" % f for f in fields) + name + b"\0")
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(data)
        out.extend(b"\0" * (-len(out) % 4))

    for number, (name, mode, data) in enumerate(entries, 1):
        if isinstance(data, tuple):
            add(number, name.encode(), mode, b"", data)
        else:
            add(number, name.encode(), mode, data)
    add(0, b"TRAILER!!!", 0, b"")
    out.extend(b"\0" * (-len(out) % 512))
    return bytes(out)


def read(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


def write_whole(path, data):
    """Writes a cache file so that a reader sees all of it or nothing."""
    # Not the pid: another call, in a pid namespace of its own, may have the same.
    fd, temp = tempfile.mkstemp(prefix=os.path.basename(path) + ".",
                                dir=os.path.dirname(path))
    with open(fd, "wb") as f:
        f.write(data)
    os.rename(temp, path)


def modules_of(version):
    """The directory of a kernel's modules; the debug kernel is not in the root."""
    packaged = "/lib/modules/" + version
    return packaged if os.path.isdir(packaged) else "%s/modules/%s" % (DEBUG_KERNEL, version)


def modules_in_order(version):
    """Files of MODULES and what they depend on, each after its dependencies.
    What is built in is none of them."""
    depends = {}
    for line in read(modules_of(version) + "/modules.dep").splitlines():
        name, rest = line.split(":")
        depends[name] = rest.split()
    order = []

    def visit(name):
        for d in reversed(depends[name]):
            visit(d)
        if name not in order:
            order.append(name)

    for module in MODULES:
        for name in depends:
            if re.search(r"/%s\.ko(\.\w+)?$" % module, name):
                visit(name)
    return order


def base_initramfs(version):
    script = read("/src/lab/guest-initramfs", "rb")
    place = "/lab/initramfs"
    tag = "%x" % (hash_of(script + repr(MODULES).encode()))
    path = "%s/%s-%s-%s.cpio" % (place, version, os.environ["LAB_ROOT_NAME"], tag)
    if os.path.exists(path):
        return path
    entries = [("dev", 0o40755, b""), ("dev/console", 0o20600, (5, 1)),
               ("bin", 0o40755, b""), ("modules", 0o40755, b""),
               ("bin/busybox", 0o100755, read("/bin/busybox", "rb")),
               ("init", 0o100755, script)]
    order = []
    for name in modules_in_order(version):
        full = "%s/%s" % (modules_of(version), name)
        tool = {".xz": "xz", ".zst": "zstd"}.get(os.path.splitext(full)[1])
        if tool:
            data = subprocess.run([tool, "-dc", full], check=True, stdout=subprocess.PIPE).stdout
        else:
            data = read(full, "rb")
        short = os.path.basename(name).split(".")[0] + ".ko"
        entries.append(("modules/" + short, 0o100644, data))
        order.append(short + "\n")
    entries.append(("modules/order", 0o100644, "".join(order).encode()))
    os.makedirs(place, exist_ok=True)
    write_whole(path, cpio(entries))
    return path


def kernel_image(version):
    """The kernel without its compression, which costs a second under TCG; it is
    entered by its PVH note. The file as packaged, if that is not to be had."""
    packaged = "/boot/vmlinuz-" + version
    if not os.path.exists(packaged):
        return DEBUG_KERNEL + "/vmlinux"
    path = "/lab/initramfs/%s-%s.vmlinux" % (version, os.environ["LAB_ROOT_NAME"])
    if os.path.exists(path):
        return path
    data = read(packaged, "rb")
    start = data.find(b"\x28\xb5\x2f\xfd")
    if start < 0 or not re.search(r"^CONFIG_PVH=y$", read("/boot/config-" + version), re.M):
        return packaged
    # zstd complains about what follows the compressed part.
    elf = subprocess.run(["zstd", "-dcq"], input=data[start:], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout
    if not elf.startswith(b"\x7fELF"):
        return packaged
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_whole(path, elf)
    return path


def tsc_khz():
    """The rate of the time stamp counter, which is the host's under TCG. On a busy host
    the guest measures it wrong, and its clock then runs several times too fast."""
    source = "/src/lab/tsc-khz.c"
    path = "/lab/initramfs/tsc-khz-%x" % hash_of(read(source, "rb"))
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd, temp = tempfile.mkstemp(dir=os.path.dirname(path))
        os.close(fd)
        subprocess.run(["gcc", "-O2", "-o", temp, source], check=True)
        os.rename(temp, path)
    return int(subprocess.run([path], check=True, stdout=subprocess.PIPE).stdout)


def hash_of(data):
    import hashlib
    return int(hashlib.sha256(data).hexdigest()[:10], 16)


# ---- the machine

def size_of(text):
    m = re.fullmatch(r"(\d+)([KMGT]?)", text)
    if not m:
        raise Fatal("size=%s: a number, with K, M, G or T" % text)
    return int(m.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m.group(2)]


class Machine:
    def __init__(self, args, run_dir, version):
        self.args = args
        self.dir = run_dir
        self.version = version
        self.qemu = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
                     "-display", "none"]
        self.slot = 0x10
        self.nvdio_slots = []
        self.peer_slot = ""
        self.temp_files = []
        self.vfus = []
        self.vfu_programs = vfu.programs() if args.vfu else ""
        for script in args.vfu:
            vfu.check(self.vfu_programs, script)
        # /dev/kvm may exist and not work where the processor shows neither.
        self.kvm = not args.tcg and os.access("/dev/kvm", os.W_OK) and \
            bool(re.search(r"^flags.*\b(vmx|svm)\b", read("/proc/cpuinfo"), re.M))

    def root_port(self):
        """A PCIe root port of its own for each controller, so that it can be
        unplugged. Returns (bus, slot as the guest names it)."""
        bus = "port%d" % self.slot
        self.qemu += ["-device", "pcie-root-port,id=%s,bus=pcie.0,chassis=%d,addr=0x%x,io-reserve=0"
                      % (bus, self.slot, self.slot)]
        slot = "%02x.0" % self.slot
        self.slot += 1
        return bus, slot

    def blocks(self, name, backend, size, latency):
        if backend == "null":
            self.qemu += ["-blockdev", "driver=null-co,node-name=%s,size=%d,read-zeroes=on%s"
                          % (name, size_of(size or "1T"),
                             ",latency-ns=" + latency if latency else "")]
            return
        if latency:
            raise Fatal("latency= needs backend=null")
        place = self.dir
        if backend == "mem":
            place = "/dev/shm"
            name_ = "nvdio-%s-%s" % (os.path.basename(self.dir), name)
        else:
            name_ = name
        path = os.path.join(place, name_)
        with open(path, "wb") as f:
            f.truncate(size_of(size or "1G"))
        self.temp_files.append(path)
        # The blocks are thrown away, so the host need not write them to its disk at a Flush.
        self.qemu += ["-blockdev",
                      "driver=raw,node-name=%s,discard=unmap,cache.no-flush=on,"
                      "file.driver=file,file.filename=%s,file.discard=unmap,"
                      "file.cache.no-flush=on,file.locking=off" % (name, path)]

    def controller(self, serial, props, namespaces):
        bus, slot = self.root_port()
        self.qemu += ["-device", ",".join(filter(None, (
            "nvme", "id=" + serial, "serial=" + serial, "bus=" + bus, props)))]
        if namespaces == ["none"]:
            return slot
        for i, ns in enumerate(namespaces or [""], 1):
            own = {"size": "", "backend": self.args.backend, "latency": ""}
            rest = []
            for item in filter(None, ns.split(",")):
                key, _, value = item.partition("=")
                if key in own:
                    own[key] = value
                else:
                    rest.append(item)
            if own["backend"] not in ("file", "mem", "null"):
                raise Fatal("backend=%s: file, mem or null" % own["backend"])
            node = "%s-n%d" % (serial, i)
            self.blocks(node, own["backend"], own["size"], own["latency"])
            if not any(r.startswith("nsid=") for r in rest):
                rest.append("nsid=%d" % i)
            self.qemu += ["-device", ",".join(["nvme-ns", "bus=" + serial, "drive=" + node] + rest)]
        return slot

    def vfu_controller(self, number, script):
        """A controller of lab/vfu; its process runs as soon as this returns."""
        bus, slot = self.root_port()
        controller, path = vfu.start(self.vfu_programs, self.dir, number, script)
        self.vfus.append(controller)
        self.qemu += vfu.device(number, bus, path)
        return slot

    def accelerator(self):
        if self.kvm:
            self.qemu += ["-machine", "q35,hpet=off,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host"]
        else:
            # Five levels of page tables only make TCG slower.
            self.qemu += ["-machine", "q35,hpet=off", "-accel", "tcg,thread=multi",
                          "-cpu", "max,la57=off"]

    def kernel_parameters(self):
        a = self.args
        words = [
            "console=ttyS0", "loglevel=5", "panic=-1", "nokaslr", "tsc=reliable",
            "random.trust_cpu=on", "rdinit=/init",
            # Emulated processors on a loaded host stand still for seconds: what would be
            # a stall on a real machine is noise here.
            "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120",
            "workqueue.watchdog_thresh=120",
            # And the boot would panic if the timer did not tick soon enough.
            "no_timer_check",
        ]
        if not self.kvm:
            words.append("tsc_early_khz=%d" % tsc_khz())
        words += {"off": [],
                  "pt": ["intel_iommu=on", "iommu=pt"],
                  "lazy": ["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=0"],
                  "strict": ["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=1"]}[a.iommu]
        if a.hugepages:
            words.append("hugepages=%d" % a.hugepages)
        return " ".join(words + a.append)

    def build(self, ports, console_log):
        """ports: name -> socket that QEMU gets."""
        a = self.args
        self.accelerator()
        if a.vfu:
            self.qemu[0] = vfu.qemu()
            self.qemu += vfu.machine_arguments(a.mem)
        if a.iommu != "off":
            # Has to come before the devices that it is to translate for. Not with
            # caching-mode=on: the kernel would then flush at each map, which no hardware
            # needs, and refuse to be lazy. But --vfu learns of mappings by that.
            self.qemu += ["-device", "intel-iommu,intremap=on" +
                          (",caching-mode=on" if a.vfu else "")]
        self.qemu += ["-smp", str(a.cpus), "-m", a.mem,
                      "-kernel", kernel_image(self.version),
                      "-initrd", os.path.join(self.dir, "initrd"),
                      "-append", self.kernel_parameters(),
                      "-chardev", "file,id=console,path=" + console_log,
                      "-serial", "chardev:console"]
        self.qemu += ["-blockdev", "driver=raw,node-name=root,read-only=on,"
                      "file.driver=file,file.filename=/guest.erofs,file.locking=off",
                      "-device", "virtio-blk-pci,drive=root"]
        for tag in ("src", "build"):
            self.qemu += ["-fsdev", "local,id=%s,path=/%s,security_model=none,multidevs=remap"
                          % (tag, tag),
                          "-device", "virtio-9p-pci,fsdev=%s,mount_tag=%s" % (tag, tag)]
        self.qemu += ["-device", "virtio-serial-pci,id=serial"]
        for name, sock in ports.items():
            self.qemu += ["-chardev", "socket,id=%s,fd=%d" % (name, sock.fileno()),
                          "-device", "virtserialport,chardev=%s,name=nvdio.%s" % (name, name)]
        if a.run is None:
            self.qemu += ["-chardev", "stdio,id=tty,signal=off",
                          "-device", "virtconsole,chardev=tty"]
        self.qemu += ["-device", "virtio-rng-pci"]
        for i, (props, namespaces) in enumerate(a.controllers):
            self.nvdio_slots.append(self.controller("nvdio%d" % i, props, namespaces))
        for i, script in enumerate(a.vfu):
            self.nvdio_slots.append(self.vfu_controller(i, script))
        if a.peer:
            self.peer_slot = self.controller("nvme-peer", "", [])
        for extra in a.qemu:
            self.qemu += shlex.split(extra)

    def write_initrd(self, variables, command):
        env = "".join("%s=%s\n" % (k, shlex.quote(str(v))) for k, v in variables.items())
        extra = cpio([("run.env", 0o100644, env.encode()),
                      ("run.cmd", 0o100644, command.encode())])
        path = os.path.join(self.dir, "initrd")
        shutil.copyfile(base_initramfs(self.version), path)
        with open(path, "ab") as f:
            f.write(extra)


class Stream:
    """One port that carries output up to its end mark."""

    def __init__(self, sock, out, mark):
        self.sock, self.out, self.mark = sock, out, mark
        self.held = b""
        self.complete = False

    def feed(self, data):
        data = self.held + data
        self.held = b""
        at = data.find(self.mark)
        if at >= 0:
            self.complete = True
            data = data[:at]
        else:
            # Keep back what may be the beginning of the mark.
            at = data.rfind(b"\0", max(0, len(data) - len(self.mark) + 1))
            while at >= 0 and not self.mark.startswith(data[at:]):
                at = data.rfind(b"\0", max(0, len(data) - len(self.mark) + 1), at)
            if at >= 0:
                data, self.held = data[:at], data[at:]
        self.write(data)

    def write(self, data):
        while data:
            data = data[os.write(self.out, data):]


def new_lines(f, args, tail):
    """Prints what came to the console, if asked for."""
    data = f.read()
    if data and args.console:
        sys.stderr.buffer.write(data.replace(b"\r", b""))
        sys.stderr.buffer.flush()
    return tail + data


def run(args):
    version_file = "/usr/lib/nvdio-lab/kernel/" + args.kernel
    if args.kernel == "debug":
        version_file = DEBUG_KERNEL + "/version"
        if not os.path.exists(version_file):
            raise Fatal("there is no debug kernel: lab/kernel-debug makes it")
    if not os.path.exists(version_file):
        raise Fatal("no kernel %r in the lab (there are: %s)"
                    % (args.kernel, " ".join(sorted(os.listdir(os.path.dirname(version_file))))))
    version = read(version_file).strip()
    ko = os.environ["LAB_KO"]
    if args.ko:
        ko = host_path(args.ko)
        if not ko.startswith(("/src/", "/lab/build/")):
            raise Fatal("--ko: the guest sees the checkout and the build cache only")
        ko = re.sub("^/lab/build/", "/build/", ko)
    keep_log = host_path(args.keep_log) if args.keep_log else None

    run_dir = "/lab/run/" + os.environ["LAB_RUN_NAME"]
    console_log = os.path.join(run_dir, "console")
    for last in (False, True):
        machine = Machine(args, run_dir, version)
        try:
            status, why = start(args, machine, ko, console_log, last)
        finally:
            for line in vfu.stop(machine.vfus):
                say(line)
            if keep_log and os.path.exists(console_log):
                shutil.copyfile(console_log, keep_log)
            for path in machine.temp_files:
                if os.path.exists(path):
                    os.unlink(path)
        if not why:
            return status
        # tests/run looks for this line.
        say("started once more: " + why)


def start(args, machine, ko, console_log, last):
    """One machine, from start to end: (status, why it is to be started once more)."""
    mark = secrets.token_hex(16)
    ours, theirs = {}, {}
    for name in ("out", "err", "ctl"):
        ours[name], theirs[name] = socket.socketpair()
        theirs[name].set_inheritable(True)
    machine.build(theirs, console_log)
    rows = cols = ""
    if args.run is None and sys.stdin.isatty():
        cols, rows = (n or "" for n in os.get_terminal_size(sys.stdin.fileno()))
    machine.write_initrd({
        "LAB_MARK": mark,
        "LAB_NVDIO_SLOTS": " ".join(machine.nvdio_slots),
        "LAB_PEER_SLOT": machine.peer_slot,
        "LAB_NVME_ARGS": args.peer_args,
        "LAB_LOAD": "" if args.no_module else "1",
        "LAB_MODARGS": args.modargs,
        "LAB_MAY_FAIL": "1" if args.may_fail else "",
        "LAB_INTERACTIVE": "1" if args.run is None else "",
        "LAB_ROWS": rows, "LAB_COLS": cols, "LAB_TERM": os.environ.get("TERM", "vt100"),
        "NVDIO_KO": ko,
        "NVDIO_VFU": machine.vfu_programs,
    }, args.run if args.run is not None else SHELL)
    return run_qemu(args, machine, ours, theirs, console_log, mark, last)


def excused(lines, allow):
    """Numbers of the lines of reports in which some line is excused."""
    numbers = set()
    start = None
    for i, line in enumerate(lines):
        if "[ cut here ]" in line:
            start = i
        elif "DMA-API: Mapped at:" in line and i - 1 in numbers:
            # The tail of a report, with up to 5 callers.
            numbers.update(range(i, i + 6))
        elif start is not None and ("[ end trace" in line or i - start > 150):
            report = lines[start:i + 1]
            if any(e.search(line) for line in report for e in allow + [HARMLESS_REPORT]):
                numbers.update(range(start, i + 1))
            start = None
    return numbers


def stage_of(ctl):
    """How far the guest is (see watch.again)."""
    for stage, word in (("command", b"ready\n"), ("module", b"module\n"), ("init", b"init\n")):
        if word in ctl:
            return stage
    return ""


def run_qemu(args, machine, ours, theirs, console_log, mark, last):
    tty = None
    if args.run is None and sys.stdin.isatty():
        tty = termios.tcgetattr(sys.stdin.fileno())
    open(console_log, "wb").close()
    qemu_err = os.path.join(machine.dir, "qemu.err")
    start = looked = time.monotonic()
    with open(qemu_err, "wb") as err:
        qemu = subprocess.Popen(
            machine.qemu, pass_fds=[s.fileno() for s in theirs.values()], stderr=err,
            stdin=None if args.run is None else subprocess.DEVNULL)
    for s in theirs.values():
        s.close()

    end = b"\0" + mark.encode()
    streams = {ours["out"]: Stream(ours["out"], 1, end), ours["err"]: Stream(ours["err"], 2, end)}
    selector = selectors.DefaultSelector()
    for s in ours.values():
        selector.register(s, selectors.EVENT_READ)
    ctl = b""
    status = ready = told = None
    timed_out = answered = still = ended = False
    kill_at = 0
    moves = watch.Watch(args.quiet_limit, start)
    console = open(console_log, "rb")
    log = b""

    try:
        while selector.get_map():
            for key, _ in selector.select(0.2):
                try:
                    data = key.fileobj.recv(1 << 16)
                except ConnectionResetError:
                    data = b""
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj in streams:
                    streams[key.fileobj].feed(data)
                    moves.output(time.monotonic())
                else:
                    ctl += data
            now = time.monotonic()
            seen = len(log)
            log = new_lines(console, args, log)
            if len(log) != seen and not stage_of(ctl):
                # Later it may be the kernel saying for how long a task waits.
                moves.output(now)
            if ready is None and b"ready\n" in ctl:
                ready = now
            m = re.search(rb"status (\d+)\n", ctl)
            if m and status is None:
                status, told = int(m.group(1)), now
            if told and all(s.complete for s in streams.values()) and not answered:
                answered = True
                try:
                    ours["ctl"].send(b"bye\n")
                except OSError:
                    pass
            if told and now - told > 30:
                qemu.kill()
                break
            if now - looked > 2:
                looked = now
                still = moves.look(now, watch.threads_of(qemu.pid))
                # A boot may also spin for ever.
                still |= bool(args.quiet_limit) and not stage_of(ctl) and moves.ran() > watch.BOOT_LIMIT
            if told is None and not timed_out and (still or now - start > args.timeout):
                timed_out = True
                why_ended = "stood still for %g s" % args.quiet_limit if still \
                    else "no end after %g s" % args.timeout
                kill_at = now + (20 if stage_of(ctl) else 0)
                try:
                    ours["ctl"].send(b"dump\n")
                except OSError:
                    kill_at = now
            if timed_out and (now > kill_at or b"dumped\n" in ctl):
                qemu.kill()
                break
        try:
            qemu.wait(10)
            ended = not timed_out
        except subprocess.TimeoutExpired:
            pass
    finally:
        if qemu.poll() is None:
            qemu.kill()
        qemu.wait()
        if tty:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, tty)
    for s in streams.values():
        if not s.complete:
            s.write(s.held)
    log = new_lines(console, args, log)
    lines = log.decode("utf-8", "replace").replace("\r", "").splitlines()
    stop = time.monotonic()

    def show(which):
        for line in which:
            print("  | " + line, file=sys.stderr)

    if args.times and ready and told:
        say("boot %.1f s, command %.1f s, shutdown %.1f s"
            % (ready - start, told - ready, stop - told))
    allow = [re.compile(e) for e in args.allow_log]
    reports = excused(lines, allow)
    trouble = [i for i, line in enumerate(lines) if TROUBLE.search(line) and i not in reports
               and not HARMLESS.search(line) and not any(e.search(line) for e in allow)]
    if status is None and not last:
        why = watch.again(stage_of(ctl), qemu.returncode if ended else None, timed_out and still,
                          bool(trouble))
        if why:
            said = read(qemu_err).splitlines()[-1:]
            return LAB_ERROR, "; ".join([why] + said)
    if timed_out:
        say(why_ended + "; killed. The last lines of the kernel's log:")
        at = next((i for i, line in enumerate(lines) if "lab: time is up" in line), len(lines))
        show(lines[max(0, at - 25):at + 100])
        return TIMED_OUT, ""
    if trouble:
        say("trouble in the kernel's log, %d lines, the first at line %d of %d:"
            % (len(trouble), trouble[0] + 1, len(lines)))
        show(lines[max(0, trouble[0] - 3):trouble[0] + 40])
    if status is None:
        say("the guest ended without a status. The last lines of its log, and QEMU's own:")
        if not trouble:
            show(lines[-25:])
        show(read(qemu_err).splitlines()[-10:])
        return LAB_ERROR, ""
    if trouble and status == 0:
        return BAD_LOG, ""
    return status, ""


def main():
    args = parse(sys.argv[1:])
    # PID namespaces make this the end of everything that was started here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(args)
    except (Fatal, vfu.Error) as e:
        say(str(e))
        return LAB_ERROR


if __name__ == "__main__":
    sys.exit(main())
