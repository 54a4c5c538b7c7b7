# SPDX-License-Identifier: GPL-2.0
"""nvdio regs: the registers of an NVMe controller, decoded.

They are mapped, read-only (docs/mapped.md), which needs CAP_SYS_RAWIO and a kernel that is
not locked down. Names are those of the NVMe Base Specification 2.1, 3.1.4; what a
controller has no register for reads as 0. Registers that belong to something the
controller does not have, as CAP says, are left out.
"""

import json
import mmap
import os
import re
import sys
from typing import NamedTuple

from . import disks
from .errors import Failure, NoDevice

# As in driver/uapi/nvdio.h; one page.
NVDIO_MMAP_REGS = 0x4000000000000000
SIZE = 4096


class Field(NamedTuple):
    """Bits high to low of a register."""

    name: str
    high: int
    low: int
    text: str


class Register(NamedTuple):
    """Where a register is, and what there must be for it: CAP.needs, VS of at least since."""

    name: str
    offset: int
    size: int
    text: str
    fields: list[Field]
    needs: str = ""
    since: int = 0x10000


class Decoded(NamedTuple):
    """A register that was read."""

    register: Register
    value: int
    fields: dict[str, int]


# NAME OFFSET SIZE NEEDS SINCE TEXT, and a line for each field: NAME HIGH:LOW TEXT.
TABLE = """\
CAP 0x00 8 - 1.0 Controller Capabilities
  MQES 15:0 Maximum Queue Entries Supported, 0's based
  CQR 16:16 Contiguous Queues Required
  AMS 18:17 Arbitration Mechanism Supported
  TO 31:24 Timeout, in 500 ms
  DSTRD 35:32 Doorbell Stride, 2 ^ (2 + n) bytes
  NSSRS 36:36 NVM Subsystem Reset Supported
  CSS 44:37 Command Sets Supported
  BPS 45:45 Boot Partition Support
  CPS 47:46 Controller Power Scope
  MPSMIN 51:48 Memory Page Size Minimum, 2 ^ (12 + n) bytes
  MPSMAX 55:52 Memory Page Size Maximum, 2 ^ (12 + n) bytes
  PMRS 56:56 Persistent Memory Region Supported
  CMBS 57:57 Controller Memory Buffer Supported
  NSSS 58:58 NVM Subsystem Shutdown Supported
  CRMS 60:59 Controller Ready Modes Supported
  NSSES 61:61 NVM Subsystem Shutdown Enhancements Supported
VS 0x08 4 - 1.0 Version
  MJR 31:16 Major Version Number
  MNR 15:8 Minor Version Number
  TER 7:0 Tertiary Version Number
INTMS 0x0c 4 - 1.0 Interrupt Mask Set
  IVMS 31:0 Interrupt Vector Mask Set
INTMC 0x10 4 - 1.0 Interrupt Mask Clear
  IVMC 31:0 Interrupt Vector Mask Clear
CC 0x14 4 - 1.0 Controller Configuration
  EN 0:0 Enable
  CSS 6:4 I/O Command Set Selected
  MPS 10:7 Memory Page Size, 2 ^ (12 + n) bytes
  AMS 13:11 Arbitration Mechanism Selected
  SHN 15:14 Shutdown Notification
  IOSQES 19:16 I/O Submission Queue Entry Size, 2 ^ n bytes
  IOCQES 23:20 I/O Completion Queue Entry Size, 2 ^ n bytes
  CRIME 24:24 Controller Ready Independent of Media Enable
CSTS 0x1c 4 - 1.0 Controller Status
  RDY 0:0 Ready
  CFS 1:1 Controller Fatal Status
  SHST 3:2 Shutdown Status
  NSSRO 4:4 NVM Subsystem Reset Occurred
  PP 5:5 Processing Paused
  ST 6:6 Shutdown Type
NSSR 0x20 4 NSSRS 1.1 NVM Subsystem Reset
  NSSRC 31:0 NVM Subsystem Reset Control
AQA 0x24 4 - 1.0 Admin Queue Attributes
  ASQS 11:0 Admin Submission Queue Size, 0's based
  ACQS 27:16 Admin Completion Queue Size, 0's based
ASQ 0x28 8 - 1.0 Admin Submission Queue Base Address
  ASQB 63:12 Admin Submission Queue Base, in 4 KiB
ACQ 0x30 8 - 1.0 Admin Completion Queue Base Address
  ACQB 63:12 Admin Completion Queue Base, in 4 KiB
CMBLOC 0x38 4 - 1.2 Controller Memory Buffer Location
  BIR 2:0 Base Indicator Register
  CQMMS 3:3 CMB Queue Mixed Memory Support
  CQPDS 4:4 CMB Queue Physically Discontiguous Support
  CDPMLS 5:5 CMB Data Pointer Mixed Locations Support
  CDPCILS 6:6 CMB Data Pointer and Command Independent Locations Support
  CDMMMS 7:7 CMB Data Metadata Mixed Memory Support
  CQDA 8:8 CMB Queue Dword Alignment
  OFST 31:12 Offset, in units of CMBSZ.SZU
CMBSZ 0x3c 4 - 1.2 Controller Memory Buffer Size
  SQS 0:0 Submission Queue Support
  CQS 1:1 Completion Queue Support
  LISTS 2:2 PRP SGL List Support
  RDS 3:3 Read Data Support
  WDS 4:4 Write Data Support
  SZU 11:8 Size Units, 2 ^ (12 + 4 * n) bytes
  SZ 31:12 Size, in units of SZU
BPINFO 0x40 4 BPS 1.3 Boot Partition Information
  BPSZ 14:0 Boot Partition Size, in 128 KiB
  BRS 25:24 Boot Read Status
  ABPID 31:31 Active Boot Partition ID
BPRSEL 0x44 4 BPS 1.3 Boot Partition Read Select
  BPRSZ 9:0 Boot Partition Read Size, in 4 KiB
  BPROF 29:10 Boot Partition Read Offset, in 4 KiB
  BPID 31:31 Boot Partition Identifier
BPMBL 0x48 8 BPS 1.3 Boot Partition Memory Buffer Location
  BMBBA 63:12 Boot Partition Memory Buffer Base Address, in 4 KiB
CMBMSC 0x50 8 CMBS 1.4 Controller Memory Buffer Memory Space Control
  CRE 0:0 Capabilities Registers Enabled
  CMSE 1:1 Controller Memory Space Enable
  CBA 63:12 Controller Base Address, in 4 KiB
CMBSTS 0x58 4 CMBS 1.4 Controller Memory Buffer Status
  CBAI 0:0 Controller Base Address Invalid
CMBEBS 0x5c 4 CMBS 2.0 Controller Memory Buffer Elasticity Buffer Size
  CMBSZU 3:0 CMB Elasticity Buffer Size Units
  CMBRBB 4:4 CMB Read Bypass Behavior
  CMBWBZ 31:8 CMB Elasticity Buffer Size Base
CMBSWTP 0x60 4 CMBS 2.0 Controller Memory Buffer Sustained Write Throughput
  CMBSWTU 3:0 CMB Sustained Write Throughput Units
  CMBSWTV 31:8 CMB Sustained Write Throughput
NSSD 0x64 4 NSSS 2.0 NVM Subsystem Shutdown
  NSSC 31:0 NVM Subsystem Shutdown Control
CRTO 0x68 4 CRMS 2.0 Controller Ready Timeouts
  CRWMT 15:0 Controller Ready With Media Timeout, in 500 ms
  CRIMT 31:16 Controller Ready Independent of Media Timeout, in 500 ms
PMRCAP 0xe00 4 PMRS 1.4 Persistent Memory Region Capabilities
  RDS 3:3 Read Data Support
  WDS 4:4 Write Data Support
  BIR 7:5 Base Indicator Register
  PMRTU 9:8 PMR Time Units
  PMRWBM 13:10 PMR Write Barrier Mechanisms
  PMRTO 23:16 PMR Timeout
  CMSS 24:24 Controller Memory Space Supported
PMRCTL 0xe04 4 PMRS 1.4 Persistent Memory Region Control
  EN 0:0 Enable
PMRSTS 0xe08 4 PMRS 1.4 Persistent Memory Region Status
  ERR 7:0 Error
  NRDY 8:8 Not Ready
  HSTS 11:9 Health Status
  CBAI 12:12 Controller Base Address Invalid
PMREBS 0xe0c 4 PMRS 1.4 Persistent Memory Region Elasticity Buffer Size
  PMRSZU 3:0 PMR Elasticity Buffer Size Units
  PMRRBB 4:4 PMR Read Bypass Behavior
  PMRWBZ 31:8 PMR Elasticity Buffer Size Base
PMRSWTP 0xe10 4 PMRS 1.4 Persistent Memory Region Sustained Write Throughput
  PMRSWTU 3:0 PMR Sustained Write Throughput Units
  PMRSWTV 31:8 PMR Sustained Write Throughput
PMRMSCL 0xe14 4 PMRS 1.4 Persistent Memory Region Memory Space Control Lower
  CMSE 1:1 Controller Memory Space Enable
  CBA 31:12 Controller Base Address, in 4 KiB
PMRMSCU 0xe18 4 PMRS 1.4 Persistent Memory Region Memory Space Control Upper
  CBA 31:0 Controller Base Address, in 16 TiB
"""


def table() -> list[Register]:
    """TABLE as registers."""
    registers: list[Register] = []
    for line in TABLE.splitlines():
        if line.startswith(" "):
            name, bits, text = line.strip().split(" ", 2)
            high, low = bits.split(":")
            registers[-1].fields.append(Field(name, int(high), int(low), text))
            continue
        name, offset, size, needs, since, text = line.split(" ", 5)
        major, minor = since.split(".")
        registers.append(Register(name, int(offset, 0), int(size), text, [],
                                  needs.replace("-", ""), int(major) << 16 | int(minor) << 8))
    return registers


def fields_of(register: Register, value: int) -> dict[str, int]:
    """The value of each field."""
    return {f.name: value >> f.low & ((1 << (f.high - f.low + 1)) - 1) for f in register.fields}


def decode(dwords: list[int]) -> list[Decoded]:
    """The registers that the controller has; dwords are all that there are, in order."""
    found: list[Decoded] = []
    have: dict[str, int] = {}
    version = dwords[2]
    for register in table():
        value = dwords[register.offset // 4]
        if register.size == 8:
            value |= dwords[register.offset // 4 + 1] << 32
        fields = fields_of(register, value)
        if register.name == "CAP":
            have = fields
        if version < register.since or (register.needs and not have[register.needs]):
            continue
        found.append(Decoded(register, value, fields))
    return found


def as_text(registers: list[Decoded]) -> str:
    """For people: a line for each register, and one for each of its fields."""
    lines: list[str] = []
    for register, value, fields in registers:
        lines.append(f"{register.offset:#05x} {register.name:<8} {value:#0{2 + 2 * register.size}x}"
                     f"  {register.text}")
        for field in register.fields:
            number = fields[field.name]
            shown = f"{number:#x}" if number > 9 else str(number)
            lines.append(f"        {field.name:<8} {shown:>12}  {field.text}")
    return "\n".join(lines)


def as_json(registers: list[Decoded]) -> str:
    """For programs."""
    return json.dumps({r.name: {"offset": r.offset, "value": value, "fields": fields}
                       for r, value, fields in registers}, indent=2)


def controller_node(node: str) -> str:
    """The node of the controller that is meant: by a name of it, or of one of its namespaces."""
    path = node if "/" in node else str(disks.DEV / node)
    name = disks.node_name(path)
    if not (disks.SYS / "class/nvdio" / name).is_dir():
        raise NoDevice(f"{node}: not a node of nvdio")
    owner = re.sub(r"n\d+$", "", name)
    return path if owner == name else str(disks.DEV / owner)


def read(node: str) -> list[int]:
    """All registers, each dword by one access of 32 bits, as controllers want it."""
    fd = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with mmap.mmap(fd, SIZE, mmap.MAP_SHARED, mmap.PROT_READ, offset=NVDIO_MMAP_REGS) as page, \
                memoryview(page) as octets, octets.cast("I") as dwords:
            return [dwords[i] for i in range(SIZE // 4)]
    finally:
        os.close(fd)


def command(node: str, form: str) -> int:
    """nvdio regs, of which form is text, json or raw."""
    try:
        dwords = read(controller_node(node))
    except PermissionError as error:
        raise Failure(f"{node}: {error.strerror}: it needs CAP_SYS_RAWIO, and a kernel that is not locked "
                      "down") from None
    except OSError as error:
        raise Failure(f"{node}: {error.strerror}") from None
    if form == "raw":
        sys.stdout.buffer.write(b"".join(d.to_bytes(4, "little") for d in dwords))
    elif dwords[2] == 0xffffffff:
        raise Failure(f"{node}: the controller does not answer (VS 0xffffffff)")
    else:
        registers = decode(dwords)
        print(as_json(registers) if form == "json" else as_text(registers))
    return 0
