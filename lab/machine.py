# SPDX-License-Identifier: GPL-2.0
"""The virtual machine as QEMU's command line describes it."""

import os
import re
import shlex
import shutil
import socket
from collections.abc import Mapping

import arch
import vfu
from initramfs import base_initramfs, cpio, kernel_image, read, tsc_khz
from messages import Fatal
from options import Controller, Options


def size_of(text: str) -> int:
    m = re.fullmatch(r"(\d+)([KMGT]?)", text)
    if not m:
        raise Fatal(f"size={text}: a number, with K, M, G or T")
    return int(m.group(1)) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[m.group(2)]


def namespace_props(text: str, backend: str) -> tuple[dict[str, str], list[str]]:
    """Splits the properties of a --ns into lab/vm's own and QEMU's."""
    own = {"size": "", "backend": backend, "latency": "", "iops": ""}
    rest = []
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        if key in own:
            own[key] = value
        else:
            rest.append(item)
    if own["backend"] not in ("file", "mem", "null"):
        raise Fatal(f"backend={own['backend']}: file, mem or null")
    if own["latency"] and own["backend"] != "null":
        raise Fatal("latency= needs backend=null")
    if own["iops"] and own["backend"] == "null":
        raise Fatal("iops= needs another backend than null")
    return own, rest


def has_kvm() -> bool:
    # /dev/kvm may exist and not work where the processor shows neither.
    return os.access("/dev/kvm", os.W_OK) and \
        bool(re.search(r"^flags.*\b(vmx|svm)\b", read("/proc/cpuinfo"), re.M))


class Machine:
    """Collects the arguments of one QEMU in self.qemu; makes the files that they name."""

    def __init__(self, args: Options, run_dir: str, version: str) -> None:
        self.args = args
        self.dir = run_dir
        self.version = version
        self.console_log = os.path.join(run_dir, "console")
        self.arch = arch.of(args.kernel)
        if args.vfu and self.arch is not arch.X86:
            raise Fatal("--vfu: on x86-64 only")
        if args.iommu not in self.arch.iommu:
            raise Fatal(f"--iommu {args.iommu}: not on this machine")
        self.qemu = [arch.qemu(args.kernel), "-nodefaults", "-no-user-config", "-no-reboot",
                     "-display", "none"]
        self.slot = 0x10
        self.nvdio_slots: list[str] = []
        self.peer_slot = ""
        self.temp_files: list[str] = []
        # Names in the guest of what --share gives it.
        self.shares: list[str] = []
        self.vfus: list[vfu.Controller] = []
        self.vfu_programs = vfu.programs() if args.vfu else ""
        for script in args.vfu:
            vfu.check(self.vfu_programs, script)
        self.kvm = not args.tcg and self.arch is arch.X86 and has_kvm()

    def root_port(self, device: str) -> tuple[str, str]:
        """A PCIe root port of its own for each controller, so that it can be
        unplugged; with --no-ports a place on the root bus; on s390x a domain of its own.
        Returns (bus, perhaps with an address; slot as the guest names it)."""
        if not self.arch.pcie:
            self.slot += 1
            self.qemu += ["-device", f"zpci,uid={self.slot},target={device}"]
            return "pci.0", f"{self.slot:04x}:00:00.0"
        if self.args.no_ports:
            self.slot += 1
            return f"pcie.0,addr=0x{self.slot - 1:x}", f"{self.slot - 1:02x}.0"
        bus = f"port{self.slot}"
        self.qemu += ["-device", f"pcie-root-port,id={bus},bus=pcie.0,chassis={self.slot},"
                      f"addr=0x{self.slot:x},io-reserve=0"]
        slot = f"{self.slot:02x}.0"
        self.slot += 1
        return bus, slot

    def blocks(self, name: str, own: Mapping[str, str]) -> None:
        """The block device of a namespace; own: see namespace_props()."""
        if own["backend"] == "null":
            latency = f",latency-ns={own['latency']}" if own["latency"] else ""
            self.qemu += ["-blockdev", f"driver=null-co,node-name={name},"
                          f"size={size_of(own['size'] or '1T')},read-zeroes=on{latency}"]
            return
        if own["backend"] == "mem":
            path = f"/dev/shm/nvdio-{os.path.basename(self.dir)}-{name}"
        else:
            path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.truncate(size_of(own["size"] or "1G"))
        self.temp_files.append(path)
        data = f"{name}-data" if own["iops"] else name
        # The blocks are thrown away, so the host need not write them to its disk at a Flush.
        self.qemu += ["-blockdev",
                      f"driver=raw,node-name={data},discard=unmap,cache.no-flush=on,"
                      f"file.driver=file,file.filename={path},file.discard=unmap,"
                      "file.cache.no-flush=on,file.locking=off"]
        if own["iops"]:
            self.qemu += ["-object", f"throttle-group,id={name}-iops,x-iops-total={own['iops']}",
                          "-blockdev", f"driver=throttle,node-name={name},"
                          f"throttle-group={name}-iops,file={data}"]

    def controller(self, serial: str, spec: Controller) -> str:
        """One NVMe controller. Returns the slot of its root port."""
        bus, slot = self.root_port(serial)
        self.qemu += ["-device", ",".join(filter(None, (
            "nvme", f"id={serial}", f"serial={serial}", f"bus={bus}", spec.props)))]
        if spec.namespaces == ["none"]:
            return slot
        for nsid, text in enumerate(spec.namespaces or [""], 1):
            own, rest = namespace_props(text, self.args.backend)
            node = f"{serial}-n{nsid}"
            self.blocks(node, own)
            if not any(r.startswith("nsid=") for r in rest):
                rest.append(f"nsid={nsid}")
            self.qemu += ["-device", ",".join(["nvme-ns", f"bus={serial}", f"drive={node}", *rest])]
        return slot

    def vfu_controller(self, number: int, script: str) -> str:
        """A controller of lab/vfu; its process runs as soon as this returns."""
        bus, slot = self.root_port(f"vfu{number}")
        controller, path = vfu.start(self.vfu_programs, self.dir, number, script)
        self.vfus.append(controller)
        self.qemu += vfu.device(number, bus, path)
        return slot

    def accelerator(self) -> None:
        if self.kvm:
            self.qemu += ["-machine", "q35,hpet=off,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host"]
        else:
            iommu = "" if self.args.iommu == "off" else self.arch.iommu_machine
            self.qemu += ["-machine", self.arch.machine + iommu, "-accel", "tcg,thread=multi",
                          "-cpu", self.arch.cpu]
        if self.arch.firmware:
            self.qemu += ["-bios", f"{arch.variable('host')}/{self.arch.firmware}"]

    def kernel_parameters(self) -> str:
        words = [
            f"console={self.arch.tty}", "loglevel=5", "panic=-1", "nokaslr",
            "random.trust_cpu=on", "rdinit=/init",
            # Emulated processors on a loaded host can stall for seconds: what would be
            # a stall on a real machine is noise here.
            "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120",
            "workqueue.watchdog_thresh=120",
            *self.arch.words,
        ]
        if self.arch is arch.X86 and not self.kvm:
            words.append(f"tsc_early_khz={tsc_khz()}")
        if self.args.system:
            words += ["systemd.getty_auto=0", "systemd.show_status=0"]
        words += self.arch.iommu[self.args.iommu]
        if self.args.hugepages:
            words.append(f"hugepages={self.args.hugepages}")
        return " ".join(words + self.args.append)

    def root_and_shares(self) -> None:
        """The image of the lab's root, and the directories of the host that the guest sees."""
        image = os.environ["LAB_SYSTEM"] + "/image.erofs" if self.args.system else arch.root_image()
        self.qemu += ["-blockdev", "driver=raw,node-name=root,read-only=on,"
                      f"file.driver=file,file.filename={image},file.locking=off",
                      "-device", f"virtio-blk-{self.arch.virtio},drive=root"]
        if self.args.system:
            self.qemu += ["-blockdev", "driver=raw,node-name=layer,file.driver=file,"
                          f"file.filename={self.args.system}",
                          "-device", f"virtio-blk-{self.arch.virtio},drive=layer"]
        paths = {"src": "/src", "build": "/build"}
        for number, name in enumerate(self.args.share):
            place = re.sub("[^A-Za-z0-9._-]", "_", os.path.basename(os.path.normpath(name)))
            if place in self.shares:
                raise Fatal(f"--share: two directories of the name {place}")
            self.shares.append(place)
            paths[f"share{number}"] = f"/mnt/{number}"
        for tag, path in paths.items():
            self.qemu += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap",
                          "-device", f"virtio-9p-{self.arch.virtio},fsdev={tag},mount_tag={tag}"]

    def monitor(self) -> None:
        """QEMU's monitor, at the other end of a port of the guest (lab/hmp)."""
        path = os.path.join(self.dir, "monitor")
        self.qemu += ["-chardev", f"socket,id=monitor,path={path},server=on,wait=off",
                      "-mon", "chardev=monitor",
                      "-chardev", f"socket,id=hmp,path={path}",
                      "-device", "virtserialport,chardev=hmp,name=nvdio.hmp"]

    def translation(self) -> None:
        """The IOMMU, if it is a device."""
        if self.args.iommu != "off" and self.arch.iommu_device:
            # Has to come before the devices that it is to translate for. Not with
            # caching-mode=on: the kernel would then flush at each map, which no hardware
            # needs, and refuse to be lazy. But --vfu learns of mappings by that.
            caching = ",caching-mode=on" if self.args.vfu else ""
            self.qemu += ["-device", self.arch.iommu_device + caching]

    def build(self, ports: Mapping[str, socket.socket], terminal: list[str]) -> None:
        """The whole command line. ports: name -> socket that QEMU gets; terminal: the
        arguments for an interactive machine."""
        a = self.args
        self.accelerator()
        if a.vfu:
            self.qemu[0] = vfu.qemu()
            self.qemu += vfu.machine_arguments(a.memory)
        self.translation()
        self.qemu += ["-smp", str(a.cpus), "-m", a.memory,
                      "-kernel", kernel_image(self.version),
                      "-initrd", os.path.join(self.dir, "initrd"),
                      "-append", self.kernel_parameters(),
                      "-chardev", f"file,id=console,path={self.console_log}",
                      *self.arch.console]
        self.root_and_shares()
        self.qemu += ["-device", f"virtio-serial-{self.arch.virtio},id=serial"]
        for name, sock in ports.items():
            self.qemu += ["-chardev", f"socket,id={name},fd={sock.fileno()}",
                          "-device", f"virtserialport,chardev={name},name=nvdio.{name}"]
        if a.monitor:
            self.monitor()
        self.qemu += terminal
        self.qemu += ["-device", f"virtio-rng-{self.arch.virtio}"]
        for i, spec in enumerate(a.controllers):
            self.nvdio_slots.append(self.controller(f"nvdio{i}", spec))
        for i, script in enumerate(a.vfu):
            self.nvdio_slots.append(self.vfu_controller(i, script))
        if a.peer:
            self.peer_slot = self.controller("nvme-peer", Controller())
        for extra in a.qemu:
            self.qemu += shlex.split(extra)

    def write_initrd(self, variables: Mapping[str, object], command: str) -> None:
        """Puts the variables and the command of this run behind the common initramfs."""
        env = "".join(f"{k}={shlex.quote(str(v))}\n" for k, v in variables.items())
        extra = cpio([("run.env", 0o100644, env.encode()),
                      ("run.cmd", 0o100644, command.encode())])
        path = os.path.join(self.dir, "initrd")
        shutil.copyfile(base_initramfs(self.version, bool(self.args.system)), path)
        with open(path, "ab") as f:
            f.write(extra)

    def remove_temp_files(self) -> None:
        for path in self.temp_files:
            if os.path.exists(path):
                os.unlink(path)
