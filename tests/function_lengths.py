# SPDX-License-Identifier: GPL-2.0
"""tests/function_lengths.py: names the functions of Python files that are too long

usage: function_lengths.py LINES FILE...

Prints a line for each function of more than LINES lines, and for each file without a
docstring; the status is 1 if there is one.
"""

import ast
import sys
from collections.abc import Iterator


def complaints(path: str, source: str, most: int) -> Iterator[str]:
    tree = ast.parse(source, path)
    if not ast.get_docstring(tree):
        yield f"{path}:1: error: the file has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > most:
                yield f"{path}:{node.lineno}: error: {node.name}() has {lines} lines, more than {most}"


def main() -> int:
    if len(sys.argv) < 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 2
    found: list[str] = []
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            found += complaints(path, f.read(), int(sys.argv[1]))
    for text in found:
        print(text)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
