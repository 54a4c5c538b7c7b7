# SPDX-License-Identifier: GPL-2.0
"""nvdio regs: what registers mean."""

import json
import subprocess
import sys
from pathlib import Path

from tap import equal, finish, ok

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from nvdiolib import regs  # noqa: E402


def controller(**registers: int) -> list[int]:
    """All dwords of a controller; CAP, VS and so on by name."""
    dwords = [0] * 1024
    for register in regs.table():
        value = registers.get(register.name, 0)
        dwords[register.offset // 4] |= value & 0xffffffff
        if register.size == 8:
            dwords[register.offset // 4 + 1] |= value >> 32
    return dwords


def shown(**registers: int) -> dict[str, dict[str, int]]:
    """Names of the registers that are shown, with their fields."""
    return {d.register.name: d.fields for d in regs.decode(controller(**registers))}


def test_table() -> None:
    end = 0
    for r in regs.table():
        ok(r.offset >= end and r.offset % r.size == 0, f"{r.name} overlaps no other, and is aligned")
        end = r.offset + r.size
        bits = [b for f in r.fields for b in range(f.low, f.high + 1)]
        ok(len(bits) == len(set(bits)) and max(bits) < 8 * r.size, f"{r.name}: nor do its fields")
    ok(end <= 0x1000, "all are before the doorbells")


def test_fields() -> None:
    have = shown(CAP=0x0a0100203c0107ff | 1 << 36, VS=0x20100, CC=0x460001, CSTS=0x1,
                 ASQ=0x123456789abcd000, CMBLOC=0x5002, CMBSZ=0x1021f, CMBMSC=0xfedcba9876543003)
    equal((have["CAP"]["MQES"], have["CAP"]["CQR"], have["CAP"]["TO"], have["CAP"]["DSTRD"]),
          (0x7ff, 1, 0x3c, 0), "CAP, the lower half")
    equal((have["CAP"]["NSSRS"], have["CAP"]["CSS"], have["CAP"]["MPSMAX"], have["CAP"]["CMBS"],
           have["CAP"]["PMRS"], have["CAP"]["CRMS"]), (1, 1, 0, 1, 0, 1), "CAP, the upper half")
    equal(have["VS"], {"MJR": 2, "MNR": 1, "TER": 0}, "VS")
    equal((have["CC"]["EN"], have["CC"]["IOSQES"], have["CC"]["IOCQES"]), (1, 6, 4), "CC")
    equal(have["ASQ"], {"ASQB": 0x123456789abcd}, "an address of 64 bits")
    equal((have["CMBLOC"]["BIR"], have["CMBLOC"]["OFST"]), (2, 5), "CMBLOC")
    equal((have["CMBSZ"]["SZU"], have["CMBSZ"]["SZ"], have["CMBSZ"]["WDS"]), (2, 16, 1), "CMBSZ")
    equal(have["CMBMSC"], {"CRE": 1, "CMSE": 1, "CBA": 0xfedcba9876543}, "CMBMSC")


def test_left_out() -> None:
    basic = ["CAP", "VS", "INTMS", "INTMC", "CC", "CSTS", "AQA", "ASQ", "ACQ"]
    equal(list(shown(VS=0x10000)), basic, "NVMe 1.0 has nine registers")
    everything = 1 << 36 | 1 << 45 | 1 << 56 | 1 << 57 | 1 << 58 | 3 << 59
    equal(list(shown(CAP=everything, VS=0x10000)), basic, "whatever CAP says")
    equal(list(shown(VS=0x20000)), basic + ["CMBLOC", "CMBSZ"], "2.0 without options has two more")
    equal(len(shown(CAP=everything, VS=0x20000)), len(regs.table()), "with all options it has all")
    ok("CRTO" not in shown(CAP=everything, VS=0x10400), "1.4 has no CRTO")


def test_output() -> None:
    decoded = regs.decode(controller(CAP=0x20 << 32, VS=0x10300, AQA=0x1f001f))
    have = json.loads(regs.as_json(decoded))
    equal(have["AQA"], {"offset": 0x24, "value": 0x1f001f, "fields": {"ASQS": 31, "ACQS": 31}}, "JSON")
    lines = regs.as_text(decoded).splitlines()
    ok("0x024 AQA      0x001f001f  Admin Queue Attributes" in lines, "text: a register")
    ok("        ASQS             0x1f  Admin Submission Queue Size, 0's based" in lines, "text: a field")


def run(*args: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-B", str(TOOLS / "nvdio"), "regs", *args], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout or done.stderr


def test_program() -> None:
    equal(run("--help")[0], 0, "--help")
    ok("usage: nvdio regs" in run("--help")[1], "says how to use it")
    equal([run()[0], run("--xml", "/dev/null")[0], run("a", "b")[0]], [2, 2, 2], "wrong arguments")
    status, text = run("/nonexistent")
    equal((status, text), (4, "nvdio regs: /nonexistent: No such file or directory\n"), "no such node")


test_table()
test_fields()
test_left_out()
test_output()
test_program()
finish()
