# SPDX-License-Identifier: GPL-2.0
"""The budgets (bench/budget.tsv) and the judgement of a result by them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from jobs import Job, from_words
from results import AnyRow, Row, TracedRow, find

# A count may be so much over its limit.
TOLERANCE = 1.03
# Which lines count for a result that is a quick, full or traced one.
WHEN = {"quick": ("quick", "traced"), "full": ("quick", "full", "traced"), "traced": ("traced",)}


@dataclass(frozen=True)
class Budget:
    """One line: a figure of a row is at most a factor, or a factor of another row's."""

    when: str       # "quick": in every result; "full": only in a full one; "traced": of a traced row
    dev: str
    job: Job
    what: str       # one of results.FIGURES, or a figure of bench/traced.py
    factor: float
    other: tuple[str, Job] | None = None    # node and job of the other row


@dataclass(frozen=True)
class Judgement:
    """Of one budget. missing: the row that the result lacks; else have and most are
    the figure and its limit, without the tolerance."""

    budget: Budget
    missing: tuple[str, Job] | None = None
    have: float = 0
    most: float = 0

    @property
    def good(self) -> bool:
        return not self.missing and self.have <= self.most * TOLERANCE


def parse_line(line: str) -> Budget:
    """Raises ValueError if it is not one."""
    when, dev, words, what, limit = line.split("\t")
    like = from_words(words)
    factor, of, rest = limit.partition(" of ")
    if not of:
        return Budget(when, dev, like, what, float(factor))
    node = dev
    fields = []
    for word in rest.split():
        if word.startswith("dev="):
            node = word.removeprefix("dev=")
        else:
            fields.append(word)
    return Budget(when, dev, like, what, float(factor), (node, from_words(" ".join(fields), like)))


def parse(lines: Iterable[str], measured: str) -> Iterator[Budget]:
    """The budgets for a result of this kind (quick, full, traced or mode)."""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            budget = parse_line(line.rstrip("\n"))
        except (KeyError, ValueError) as e:
            raise ValueError(f"line {number}: {e}") from e
        if budget.when in WHEN.get(measured, ("quick",)):
            yield budget


def judge(budget: Budget, rows: Sequence[AnyRow]) -> Judgement:
    row = find(rows, budget.dev, budget.job)
    if not row:
        return Judgement(budget, (budget.dev, budget.job))
    most = budget.factor
    if budget.other:
        other = find(rows, *budget.other)
        if not other:
            return Judgement(budget, budget.other)
        most *= other.figure(budget.what)
    return Judgement(budget, None, row.figure(budget.what), most)


def check(rows: Sequence[Row], lines: Iterable[str], measured: str, out: TextIO,
          traced: Sequence[TracedRow] = ()) -> bool:
    """Prints a line for each budget. True: every one was measured and kept."""
    print("\nbudgets (bench/budget.tsv; a count may be 3 % over):", file=out)
    bad = missing = 0
    for b in parse(lines, measured):
        j = judge(b, traced) if b.when == "traced" else judge(b, rows)
        if j.missing:
            missing += 1
            print(f"  MISSING  {j.missing[1].label()} {j.missing[0]}", file=out)
            continue
        bad += not j.good
        print(f"  {'ok' if j.good else 'OVER':8} {j.budget.job.label():38} {j.budget.dev:6} "
              f"{j.budget.what:11} {j.have:8.2f}, at most {j.most:8.2f}", file=out)
    print(f"  {bad} over budget, {missing} not measured", file=out)
    return bad == 0 and missing == 0
