# SPDX-License-Identifier: GPL-2.0
"""Adds up what the guests of tests/coverage counted, and tells what is not reached.

usage: coverage_report.py DIR

DIR has a directory for each guest, with the .gcda files under the paths of their objects.
Prints a table of files, and writes the lines that are not reached to DIR/coverage.txt.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

# File -> line -> how often.
Counts = dict[str, dict[int, int]]
# File -> first line of a function -> its name.
Names = dict[str, dict[int, str]]


def gcda_files(place: str) -> Iterator[tuple[str, str]]:
    """Each .gcda file, and the object file's path without its suffix."""
    for guest in sorted(os.listdir(place)):
        base = os.path.join(place, guest)
        for directory, _, names in os.walk(base):
            for name in names:
                path = os.path.join(directory, name)
                if name.endswith(".gcda"):
                    yield path, "/" + os.path.relpath(path, base)[:-len(".gcda")]


def add(path: str, built: str, counts: Counts, names: Names) -> None:
    """Adds what gcov says of one .gcda file."""
    notes = path[:-len(".gcda")] + ".gcno"
    if not os.path.exists(notes):
        os.symlink(built + ".gcno", notes)
    text = subprocess.run(["gcov", "--json-format", "--stdout", path], check=True,
                          stdout=subprocess.PIPE, cwd=os.path.dirname(path)).stdout
    for line in text.splitlines():
        for file in json.loads(line)["files"]:
            name = file["file"]
            at = name.find("driver/")
            if at < 0 or name[:at].rstrip("/").endswith("source"):
                continue
            short = name[at:]
            for one in file["lines"]:
                number = one["line_number"]
                counts[short][number] = counts[short].get(number, 0) + one["count"]
            for function in file["functions"]:
                names[short][function["start_line"]] = function["demangled_name"]


def ranges(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbours together: 1 2 3 7 gives (1, 3), (7, 7)."""
    first = last = None
    for n in sorted(numbers):
        if first is not None and last is not None and n == last + 1:
            last = n
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = n
    if first is not None and last is not None:
        yield first, last


def function_of(names: dict[int, str], number: int) -> str:
    """The function that the line is in."""
    starts = [n for n in names if n <= number]
    return names[max(starts)] if starts else ""


def unreached(file: str, counts: dict[int, int], names: dict[int, str]) -> Iterator[str]:
    """The lines of a file that nothing has reached, as text."""
    if os.path.exists(file):
        with open(file, encoding="utf-8") as f:
            source = f.read().splitlines()
    else:
        source = []
    # A gap of lines without code does not end a range.
    code = sorted(counts)
    place = {n: i for i, n in enumerate(code)}
    for first, last in ranges(place[n] for n in code if not counts[n]):
        a, b = code[first], code[last]
        text = source[a - 1].strip() if a <= len(source) else ""
        where = f"{a}" if a == b else f"{a}-{b}"
        yield f"{file}:{where}: {function_of(names, a)}: {text}"


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 2
    place = sys.argv[1]
    counts: Counts = defaultdict(dict)
    names: Names = defaultdict(dict)
    for path, built in list(gcda_files(place)):
        add(path, built, counts, names)
    if not counts:
        print("coverage: no guest has counted anything", file=sys.stderr)
        return 1
    lines = reached = 0
    with open(os.path.join(place, "coverage.txt"), "w", encoding="utf-8") as out:
        for file in sorted(counts):
            n = len(counts[file])
            hit = sum(1 for c in counts[file].values() if c)
            lines += n
            reached += hit
            print(f"{hit:6} of {n:6} lines {100 * hit / n:6.1f} %  {file}")
            for text in unreached(file, counts[file], names[file]):
                print(text, file=out)
    print(f"{reached:6} of {lines:6} lines {100 * reached / lines:6.1f} %  in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
