# SPDX-License-Identifier: GPL-2.0
"""What counts as trouble in the guest kernel's log."""

import re
from collections.abc import Sequence

# What must not be in a kernel log.
TROUBLE = re.compile(
    r"BUG: |BUG:$|WARNING: |KASAN: |UBSAN: |KCSAN: |KFENCE: |DMA-API: .*"
    r"|possible recursive locking|circular locking|inconsistent lock state"
    r"|possible irq lock inversion|suspicious RCU usage"
    r"|INFO: task .* blocked for more than|self-detected stall|detected (expedited )?stalls"
    r"|general protection fault|Oops|soft lockup|hard LOCKUP|Kernel panic"
    r"|kmemleak: [0-9]+ new suspected|\[ cut here \]|Bad page state"
    r"|sleeping function called|scheduling while atomic|refcount_t: "
    r"|DMAR: .*fault|slab .*(corrupt|Redzone)|list_(add|del) corruption"
    r"|pagealloc: (memory corruption|single bit error)"
    r"|nobody cared|Unable to handle|Object .* freed")

# Lines that the pattern above matches, but that are not errors.
HARMLESS = re.compile(r"DMA-API: preallocated|DMA-API: debugging enabled")

# Reports (from "cut here" to "end trace") that are not errors. DMA API debugging
# reports two mappings of one cache line; but every program may have two reads into
# the same memory in flight. A timer of the scheduler's (dl_task_timer) is started twice
# if a busy host does not run a processor of the guest for long.
HARMLESS_REPORT = re.compile(
    r"cacheline tracking EEXIST|WARNING: .* at kernel/time/hrtimer\.c:\d+ hrtimer_forward\+")

# A report without "end trace" is over after this many lines.
LONGEST_REPORT = 150
# Lines of the tail that DMA API debugging adds to a report, with up to 5 callers.
MAPPED_AT = 6


def excused(lines: Sequence[str], allow: Sequence[re.Pattern[str]]) -> set[int]:
    """Numbers of the lines of reports that are excused, each by a line of its own:
    those of several CPUs may be mixed, and are then excused together or not at all."""
    numbers: set[int] = set()
    start = opened = ended = 0
    tails = 0       # of excused reports: what another CPU prints may come before them
    for i, line in enumerate(lines):
        if "[ cut here ]" in line:
            if not opened:
                start = i
            opened += 1
        elif "DMA-API: Mapped at:" in line and tails and not opened:
            tails -= 1
            numbers.update(range(i, i + MAPPED_AT))
        elif opened:
            ended += "[ end trace" in line
            if ended < opened and i - start <= LONGEST_REPORT * opened:
                continue
            report = lines[start:i + 1]
            if opened <= sum(any(e.search(text) for e in (*allow, HARMLESS_REPORT))
                             for text in report):
                numbers.update(range(start, i + 1))
                tails += sum("DMA-API: Mapped at:" not in text for text in report
                             if "DMA-API: " in text)
                tails -= min(tails, sum("DMA-API: Mapped at:" in text for text in report))
            opened = ended = 0
    return numbers


def trouble(lines: Sequence[str], allow: Sequence[re.Pattern[str]]) -> list[int]:
    """Numbers of the lines that show trouble and that nothing excuses."""
    reports = excused(lines, allow)
    return [i for i, line in enumerate(lines)
            if TROUBLE.search(line) and i not in reports and not HARMLESS.search(line)
            and not any(e.search(line) for e in allow)]
