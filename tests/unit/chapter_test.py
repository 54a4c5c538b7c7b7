# SPDX-License-Identifier: GPL-2.0
"""docs/chapter-15.md: what it says of the driver is so.

It names functions as `FILE`: `function()`, `function()`, and what they call or use as
`name()`, `NAME` in `FILE`: `function()`; "and in `FILE`: ..." is another place of the same.
"""

import functools
import os
import re
import unittest.mock
from collections.abc import Iterator
from dataclasses import dataclass

from tap import equal, finish, ok

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = r"`\w+(?:\(\))?`(?:, `\w+(?:\(\))?`)*"
PLACE = re.compile(rf"(?:(?P<uses>{NAMES}) in |(?P<also>\band in ))?`(?P<file>driver/[\w/]+\.[ch])`: "
                   rf"(?P<functions>`\w+\(\)`(?:, `\w+\(\)`)*)")


@dataclass(frozen=True)
class Claim:
    """Functions are in a file, and each of them uses some names, if there are any."""

    file: str
    functions: tuple[str, ...]
    uses: tuple[str, ...] = ()


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text))


def claims(text: str) -> Iterator[Claim]:
    uses: tuple[str, ...] = ()
    for m in PLACE.finditer(" ".join(text.split())):
        if not m["also"]:
            uses = words(m["uses"] or "")
        yield Claim(m["file"], words(m["functions"]), uses)


@functools.cache
def content(path: str) -> str:
    try:
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def body(source: str, function: str) -> str | None:
    """The definition of a function in kernel style, or None. Comments are left out."""
    m = re.search(rf"^(?:[a-z][^;{{}}#()]*\W)?{function}\([^;{{}}]*\)\n\{{\n.*?^\}}", source, re.M | re.S)
    return re.sub(r"/\*.*?\*/", "", m[0], flags=re.S) if m else None


def wrong(claim: Claim) -> list[str]:
    """What is not so."""
    source = content(claim.file)
    if not source:
        return [f"no file {claim.file}"]
    found = []
    for function in claim.functions:
        code = body(source, function)
        if code is None:
            found.append(f"{claim.file} has no {function}()")
            continue
        found += [f"{function}() of {claim.file} has no {name}" for name in claim.uses
                  if not re.search(rf"\b{name}\b", code)]
    return found


def test_reader() -> None:
    text = "`a_b()`, `C` in `driver/x/y.c`: `f()`, `g()` and in `driver/z.h`: `h()`. `driver/w.c`: `i()`."
    equal(list(claims(text)),
          [Claim("driver/x/y.c", ("f", "g"), ("a_b", "C")), Claim("driver/z.h", ("h",), ("a_b", "C")),
           Claim("driver/w.c", ("i",))], "claims: functions, files and what is used")
    source = ("int f(void);\n\nstatic __always_inline int\nf(int a,\n  int b)\n{\n\tg(); /* h() */\n}\n"
              "\nvoid *k(void)\n{\n\tf();\n}\n")
    equal([body(source, n) for n in ("g", "h")], [None, None], "body: a call is no definition")
    equal(["g()" in (body(source, "f") or ""), "h()" in (body(source, "f") or ""),
           (body(source, "k") or "").startswith("void *k")], [True, False, True],
          "body: definitions on one line and on several, without comments")
    with unittest.mock.patch(f"{__name__}.content", {"a.c": source}.get):
        equal([wrong(Claim("b.c", ("f",))), wrong(Claim("a.c", ("g", "k"), ("f", "ff")))],
              [["no file b.c"], ["a.c has no g()", "k() of a.c has no ff"]], "claims: those that are not so")


def test_chapter() -> None:
    text = content("docs/chapter-15.md")
    made = list(claims(text))
    equal([w for c in made for w in wrong(c)], [],
          "chapter: functions are where it says, and do what it says")
    named = {f for c in made for f in c.functions}
    ok(len(made) > 80 and sum(bool(c.uses) for c in made) > 45,
       f"chapter: it is read as a whole ({len(made)} places, {len(named)} functions)")
    equal(sorted(set(re.findall(r"`(nvdio_\w+)\(\)`", text)) - named), [],
          "chapter: each function of the driver is named with its file")
    paths = {re.sub(r"[:.,]$", "", p) for p in re.findall(r"`((?:driver|tests)/[\w./-]+)", text)}
    equal(sorted(p for p in paths if not os.path.exists(os.path.join(TOP, p))), [],
          "chapter: its files exist")
    cases = [(w, m[1]) for m in re.finditer(r"cases? (?:`\w+`(?: and )?)+ of `(tests/src/\w+\.c)`", text)
             for w in re.findall(r"`(\w+)`", m[0])]
    equal([c for c, file in cases if f'{{ "{c}",' not in content(file)], [],
          f"chapter: its test cases exist ({len(cases)})")
    runs = {w for m in re.finditer(r"tests/run ((?:[a-z][\w.-]* ?)+)", text) for w in m[1].split()}
    equal(sorted(r for r in runs if not os.path.exists(os.path.join(TOP, f"tests/{r}.t"))), [],
          f"chapter: its tests can be run ({len(runs)})")


test_reader()
test_chapter()
finish()
