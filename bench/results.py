# SPDX-License-Identifier: GPL-2.0
"""A result of bench/run, and its JSON file."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jobs import FIELDS, Job


@dataclass(kw_only=True)
class Row:
    """What a job cost on one kind of node, per I/O."""

    job: Job
    dev: str
    kernel_insn: float      # of the run that took least
    user_insn: float = 0
    sq: float = 0           # doorbell writes
    cq: float = 0
    irqs: float = 0
    runs: list[float] = field(default_factory=list)
    # Without the scheduler's part, which depends on how often the submitter waits.
    awake: float = 0
    own: float = 0          # the driver's own share
    groups: dict[str, float] = field(default_factory=dict)
    symbols: dict[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """One of the figures that a budget may limit."""
        if name not in FIGURES:
            raise ValueError(f"{name!r}: no such figure (there are: {' '.join(FIGURES)})")
        return float(getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        """The job's fields are the row's in the file."""
        return {**dataclasses.asdict(self.job), **{n: getattr(self, n) for n in ROW_FIELDS}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Row":
        """Older files lack what was added since."""
        return cls(job=Job(**{n: data[n] for n in FIELDS if n in data}),
                   **{n: data[n] for n in ROW_FIELDS if n in data})


FIGURES = ("kernel_insn", "user_insn", "sq", "cq", "irqs", "awake", "own")
ROW_FIELDS = tuple(f.name for f in dataclasses.fields(Row) if f.name != "job")


@dataclass(kw_only=True)
class TracedRow:
    """What a count of instructions does not show (bench/traced.py). The job is that of the
    larger batch."""

    job: Job
    dev: str
    each: dict[str, float] = field(default_factory=dict)    # one more I/O in a batch
    batch: dict[str, float] = field(default_factory=dict)   # a batch, besides
    shared: dict[str, int] = field(default_factory=dict)    # lines, of all processors
    # Where the instructions of a batch are, by figure.
    symbols: dict[str, dict[str, int]] = field(default_factory=dict)

    def figure(self, name: str) -> float:
        """One of the figures that a budget may limit."""
        for figures in (self.each, self.shared):
            if name in figures:
                return float(figures[name])
        raise ValueError(f"{name!r}: no such figure (there are: {' '.join([*self.each, *self.shared])})")

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "TracedRow":
        return cls(**{**data, "job": Job(**data["job"])})


AnyRow = TypeVar("AnyRow", Row, TracedRow)


@dataclass(kw_only=True)
class Result:
    """The fields are in the order of the file."""

    tree: str
    kernels: list[str | None] = field(default_factory=list)
    latency_ns: int = 0
    what: str = ""          # quick, full, traced or mode
    complete: bool = False
    refused: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    traced: list[TracedRow] = field(default_factory=list)
    note: str = ""          # for bench/report; written by hand

    def save(self, path: str) -> None:
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["rows"] = [r.to_json() for r in self.rows]
        data["traced"] = [r.to_json() for r in self.traced]
        if not self.note:
            del data["note"]
        with open(path, "w", encoding="utf-8") as f:
            json.dump(data, f, indent=1)
            f.write("\n")


def load(path: str) -> Result:
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    known = {f.name for f in dataclasses.fields(Result)}
    return Result(**{**{k: v for k, v in data.items() if k in known},
                     "rows": [Row.from_json(r) for r in data["rows"]],
                     "traced": [TracedRow.from_json(r) for r in data.get("traced", [])]})


def find(rows: Iterable[AnyRow], dev: str, like: Job) -> AnyRow | None:
    return next((r for r in rows if r.dev == dev and r.job == like), None)


def joined(old: Result, new: Result) -> Result:
    """Both results as one: rows that both have are the new one's."""
    def rows(before: list[AnyRow], after: list[AnyRow]) -> list[AnyRow]:
        return [find(after, r.dev, r.job) or r for r in before] + [
            r for r in after if not find(before, r.dev, r.job)]

    def names(before: Iterable[str | None], after: Iterable[str | None]) -> list[str]:
        return list(dict.fromkeys(n for n in (*before, *after) if n))

    return dataclasses.replace(
        old, tree=" and ".join(names(old.tree.split(" and "), [new.tree])),
        kernels=list(names(old.kernels, new.kernels)), complete=old.complete and new.complete,
        refused=names(old.refused, new.refused),
        rows=rows(old.rows, new.rows), traced=rows(old.traced, new.traced))
