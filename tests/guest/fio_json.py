# SPDX-License-Identifier: GPL-2.0
"""tests/guest/fio_json.py: numbers from fio's JSON output

usage: fio_json.py FILE sum FIELD...      the fields' sum over all jobs
       fio_json.py FILE count FIELD...    how many jobs have more than 0 in each field
       fio_json.py FILE show FIELD...     the fields of each job, for a failure's remarks

A FIELD is a path such as write.total_ios. Messages of fio may stand before its JSON.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any


class Bad(Exception):
    """A message for the user."""


def jobs_of(text: str) -> list[dict[str, Any]]:
    start = text.find("{")
    if start < 0:
        raise Bad("no JSON in fio's output")
    try:
        jobs = json.loads(text[start:])["jobs"]
    except (ValueError, KeyError, TypeError) as e:
        raise Bad(f"not fio's JSON: {e!r}") from e
    return list(jobs)


def value(job: dict[str, Any], field: str) -> int:
    found: Any = job
    for name in field.split("."):
        if not isinstance(found, dict) or name not in found:
            raise Bad(f"a job has no field {field}")
        found = found[name]
    if not isinstance(found, int):
        raise Bad(f"{field} is not an integer")
    return found


def answer(text: str, what: str, fields: Sequence[str]) -> str:
    jobs = jobs_of(text)
    if what == "sum":
        return str(sum(value(j, f) for j in jobs for f in fields))
    if what == "count":
        return str(sum(all(value(j, f) > 0 for f in fields) for j in jobs))
    if what == "show":
        return "\n".join(" ".join([f"{j['jobname']}:", *(f"{f}={value(j, f)}" for f in fields)])
                         for j in jobs)
    raise Bad(f"{what}: not sum, count or show")


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    path, what, *fields = sys.argv[1:]
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            print(answer(f.read(), what, fields))
    except (Bad, OSError) as e:
        print(f"fio_json.py: {path}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
