# SPDX-License-Identifier: GPL-2.0
"""Machines that lab/vm knows: x86-64, and those whose kernels lab/arch downloads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

# The kernels that lab/arch provides, and their machine.
KERNELS = {"arm64": "arm64", "arm64-16k": "arm64", "s390x": "s390x", "riscv64": "riscv64"}

# Names of the kernel's file in /boot, where it is not vmlinuz.
IMAGES = {"riscv64": "vmlinux"}


@dataclass(frozen=True)
class Arch:
    """One kind of machine, as QEMU and its kernel want it."""

    machine: str
    cpu: str
    # Name of the kernel's console, and QEMU's arguments for it.
    tty: str
    console: tuple[str, ...] = ("-serial", "chardev:console")
    # The bus of its virtio devices, and whether PCI devices sit behind root ports.
    virtio: str = "pci"
    pcie: bool = True
    # What starts the kernel, if QEMU does not, in the directory that its package was unpacked to.
    firmware: str = ""
    # Kernel parameters of this machine only.
    words: tuple[str, ...] = ()
    # --iommu: what the kernel is told; and for the machine, or as a device.
    iommu: dict[str, list[str]] = field(default_factory=lambda: {"off": []})
    iommu_machine: str = ""
    iommu_device: str = ""


X86 = Arch(
    # Five levels of page tables only make TCG slower.
    machine="q35,hpet=off", cpu="max,la57=off", tty="ttyS0",
    # no_timer_check: the boot would panic if the timer did not tick soon enough.
    words=("tsc=reliable", "no_timer_check"),
    iommu={
        "off": [],
        "pt": ["intel_iommu=on", "iommu=pt"],
        "lazy": ["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=0"],
        "strict": ["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=1"],
    },
    iommu_device="intel-iommu,intremap=on")

OTHERS = {
    # The processor: one with pages of 16 KiB, and without pointer authentication, which is slow.
    "arm64": Arch(
        machine="virt,gic-version=3", cpu="neoverse-n1", tty="ttyAMA0",
        iommu={
            "off": [],
            "pt": ["iommu.passthrough=1"],
            "lazy": ["iommu.passthrough=0", "iommu.strict=0"],
            "strict": ["iommu.passthrough=0", "iommu.strict=1"],
        },
        iommu_machine=",iommu=smmuv3"),
    # The kernel always translates for PCI here: "off" is what other machines call strict.
    "s390x": Arch(
        machine="s390-ccw-virtio", cpu="max", tty="ttysclp0", virtio="ccw", pcie=False,
        console=("-device", "sclpconsole,chardev=console"),
        iommu={"off": [], "lazy": ["iommu.strict=0"], "strict": ["iommu.strict=1"]}),
    # With the interrupt controllers that take messages: without, PCI has only lines.
    "riscv64": Arch(
        machine="virt,aia=aplic-imsic", cpu="rv64", tty="ttyS0",
        firmware="usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin"),
}


def of(kernel: str) -> Arch:
    """The machine that a kernel of --kernel is for."""
    return OTHERS[KERNELS[kernel]] if kernel in KERNELS else X86


def place() -> str:
    """Where lab/arch has put the kernel of this run and what belongs to it; "" with x86-64."""
    return os.environ.get("LAB_ARCH", "")


def variable(name: str) -> str:
    """One of those that lab/arch keeps."""
    with open(f"{place()}/machine", encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("=", 1) for line in f)[name]


def qemu(kernel: str) -> str:
    """The program that is the machine."""
    if kernel not in KERNELS:
        return "qemu-system-x86_64"
    return f"{variable('host')}/usr/bin/{variable('qemu')}"


def root() -> str:
    """The directory that the guest's root was made of."""
    return f"{place()}/root" if place() else ""


def root_image() -> str:
    """The guest's root."""
    return f"{place()}/guest.erofs" if place() else "/guest.erofs"
