# SPDX-License-Identifier: GPL-2.0
"""tests/guest/fio_json.py: numbers from fio's output."""

import json
from typing import Any

from tap import equal, finish, ok

import fio_json


def job(name: str, read: int, write: int) -> dict[str, Any]:
    return {"jobname": name, "error": 0, "read": {"total_ios": read, "bw": 1.5},
            "write": {"total_ios": write}}


TEXT = "note: a message\n" + json.dumps({"jobs": [job("a", 5, 2), job("b", 7, 0)]})
READS, WRITES = "read.total_ios", "write.total_ios"

for what, fields, want in (
        ("sum", [READS], "12"), ("sum", [READS, WRITES], "14"), ("sum", ["error"], "0"), ("sum", [], "0"),
        ("count", [], "2"), ("count", [READS], "2"), ("count", [READS, WRITES], "1"),
        ("count", ["error"], "0"),
        ("show", [WRITES], "a: write.total_ios=2\nb: write.total_ios=0")):
    equal(fio_json.answer(TEXT, what, fields), want, f"fio_json: {what} {' '.join(fields)}")
for text, what, fields in (
        (TEXT, "sum", ["trim.total_ios"]), (TEXT, "sum", ["read"]), (TEXT, "sum", ["read.bw"]),
        (TEXT, "sum", ["error.x"]), (TEXT, "eval", ["1"]), ("fio: died", "count", []),
        ("{}", "count", []), (TEXT[:-5], "count", [])):
    try:
        fio_json.answer(text, what, fields)
        ok(False, f"fio_json: {what} {fields} of {text[-20:]!r} is an error")
    except fio_json.Bad:
        ok(True, f"fio_json: {what} {fields} of {text[-20:]!r} is an error")
finish()
