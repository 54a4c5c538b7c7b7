# SPDX-License-Identifier: GPL-2.0
"""A machine's life from start to end, as a state machine, and the judgement at the end.

The decisions of vm.py without its processes, sockets and clock: what happened goes in
as arguments, what is to be done comes out. tests/unit/session_test.py needs no QEMU.
"""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import kernel_log
import watch
from messages import BAD_LOG, LAB_ERROR, TIMED_OUT

# Seconds that a guest has to power off after its command, and to log which tasks wait.
LEAVING_LIMIT = 30.0
DUMP_LIMIT = 20.0
# Seconds between two looks at the threads of QEMU.
LOOK_EVERY = 2.0
# Processor time of QEMU after which a boot that spins is given up, in seconds.
BOOT_LIMIT = 240.0

# An assertion of QEMU's that fails now and then where one emulated processor changes the
# memory map (a BAR is enabled, or moved) and another one accesses it; no driver is to blame.
QEMU_BUG = "iotlb_to_section: Assertion"


class Stage(enum.IntEnum):
    """How far the guest came, by what it says on its control port."""

    BOOT = 0        # guest-init does not run yet
    INIT = 1        # it runs; nvdio.ko is not loaded
    MODULE = 2      # nvdio.ko is about to be loaded
    COMMAND = 3     # the command was started


WORDS = {"init": Stage.INIT, "module": Stage.MODULE, "ready": Stage.COMMAND}


class State(enum.Enum):
    """What happens; the values say what is waited for."""

    BOOTING = "the command's start"
    RUNNING = "its status"
    LEAVING = "the rest of its output, and the guest's power-off"
    DUMPING = "the guest's list of waiting tasks, after which it is killed"
    KILLED = "QEMU's end"


class GivenUp(enum.Enum):
    """Why a session was ended before its command."""

    STILL = "stood still"
    SPINNING = "boot does not end"
    SILENT = "computes and says nothing"
    TIMEOUT = "out of time"


class Action(enum.Enum):
    """What the caller of Session.step() has to do."""

    SAY_BYE = "bye"     # to the guest: all output arrived, power off
    ASK_DUMP = "dump"   # to the guest: log which tasks wait
    KILL = "kill"       # QEMU


class Session:
    """One machine. Feed it with control(), output(), console() and look(); then call
    step() a few times per second and do what it says."""

    def __init__(self, timeout: float, quiet_limit: float, now: float,
                 silent_limit: float = 0.0) -> None:
        self.timeout = timeout
        self.quiet_limit = quiet_limit
        self.silent_limit = silent_limit
        self.start = now
        self.state = State.BOOTING
        self.stage = Stage.BOOT
        self.status: int | None = None
        self.given_up: GivenUp | None = None
        self.ready_at: float | None = None
        self.told_at: float | None = None
        self._partial = b""
        self._dumped = False
        self._said_bye = False
        self._deadline = float("inf")
        self._still: GivenUp | None = None
        self._watch = watch.Watch(quiet_limit, now)
        self._look_at = now + LOOK_EVERY

    def control(self, data: bytes, now: float) -> None:
        """Bytes from the control port: lines of one word, or "status N"."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            word = line.decode("ascii", "replace")
            status = re.fullmatch(r"status (\d+)", word)
            if word in WORDS:
                self.stage = max(self.stage, WORDS[word])
                if self.stage == Stage.COMMAND and self.ready_at is None:
                    self.ready_at = now
                    if self.state == State.BOOTING:
                        self.state = State.RUNNING
            elif word == "dumped":
                self._dumped = True
            elif status and self.status is None:
                self.status, self.told_at = int(status.group(1)), now
                if self.state in (State.BOOTING, State.RUNNING):
                    self.state = State.LEAVING
                    self._deadline = now + LEAVING_LIMIT

    def output(self, now: float) -> None:
        """The command printed something."""
        self._watch.output(now)

    def console(self, now: float) -> None:
        """The kernel printed something. Later than at boot this may be how long a task
        has been waiting, and says nothing about progress."""
        if self.stage == Stage.BOOT:
            self._watch.output(now)

    def wants_look(self, now: float) -> bool:
        """Whether it is time for look()."""
        return now > self._look_at

    def look(self, now: float, threads: watch.Threads) -> None:
        """threads: watch.threads_of() QEMU."""
        self._look_at = now + LOOK_EVERY
        self._still = None
        if self._watch.look(now, threads):
            self._still = GivenUp.STILL
        elif self.quiet_limit and self.stage == Stage.BOOT and self._watch.ran() > BOOT_LIMIT:
            self._still = GivenUp.SPINNING
        elif self.silent_limit and self._watch.silent() > self.silent_limit:
            self._still = GivenUp.SILENT

    def longest_silence(self) -> float:
        """The most processor time that QEMU took between two outputs, in seconds."""
        return self._watch.longest

    def step(self, now: float, output_complete: bool) -> list[Action]:
        """What to do next. output_complete: both streams of the command ended."""
        if self.state in (State.BOOTING, State.RUNNING):
            reason = self._still
            if reason is None and now - self.start > self.timeout:
                reason = GivenUp.TIMEOUT
            return self._give_up(now, reason) if reason else []
        if self.state == State.LEAVING:
            if now > self._deadline:
                return self._kill()
            if output_complete and not self._said_bye:
                self._said_bye = True
                return [Action.SAY_BYE]
        elif self.state == State.DUMPING and (self._dumped or now > self._deadline):
            return self._kill()
        return []

    def unreachable(self) -> None:
        """The guest could not be asked for a dump."""
        self._deadline = float("-inf")

    def _give_up(self, now: float, reason: GivenUp) -> list[Action]:
        self.given_up = reason
        if self.stage == Stage.BOOT:
            return self._kill()     # there is no guest-init that could be asked
        self.state = State.DUMPING
        self._deadline = now + DUMP_LIMIT
        return [Action.ASK_DUMP]

    def _kill(self) -> list[Action]:
        self.state = State.KILLED
        return [Action.KILL]


@dataclass(frozen=True)
class Ending:
    """How a machine ended. exit_status: QEMU's, negative for a signal, or None if it did
    not end by itself."""

    stage: Stage
    status: int | None
    given_up: GivenUp | None
    exit_status: int | None


def why_again(ending: Ending, trouble: bool, qemu_said: Sequence[str] = ()) -> str:
    """Why a machine without a status is to be started once more, or "". trouble: in the
    kernel's log. What nvdio may have caused is not tried again: that would hide it."""
    crashed = ending.exit_status is not None and ending.exit_status < 0
    if ending.status is None and crashed and not trouble and \
            any(QEMU_BUG in line for line in qemu_said):
        return f"QEMU ended by signal {-(ending.exit_status or 0)}"
    if ending.status is not None or ending.stage == Stage.COMMAND:
        return ""
    if ending.stage == Stage.MODULE and (trouble or not crashed):
        return ""
    if ending.exit_status is not None:
        return f"QEMU ended by signal {-ending.exit_status}" if crashed else "it ended at boot"
    if ending.given_up == GivenUp.STILL:
        return "it stood still at boot"
    if ending.given_up == GivenUp.SPINNING:
        return "its boot did not end"
    return ""


@dataclass
class Verdict:
    """The exit status of lab/vm, and what it says: (message, lines to show under it).
    again: why the machine is to be started once more instead, or ""."""

    status: int
    again: str = ""
    messages: list[tuple[str, list[str]]] = field(default_factory=list)


def why_given_up(reason: GivenUp, session: Session) -> str:
    return {GivenUp.STILL: f"stood still for {session.quiet_limit:g} s",
            GivenUp.SILENT: f"nothing said for {session.silent_limit:g} s of processor time",
            GivenUp.SPINNING: f"no end of the boot after {BOOT_LIMIT:g} s of processor time",
            GivenUp.TIMEOUT: f"no end after {session.timeout:g} s"}[reason]


def given_up_verdict(why: str, lines: Sequence[str]) -> Verdict:
    """Shows the log around the guest's list of waiting tasks, or the log's end."""
    at = next((i for i, line in enumerate(lines) if "lab: time is up" in line), len(lines))
    return Verdict(TIMED_OUT, "", [(f"{why}; killed. The last lines of the kernel's log:",
                                    list(lines[max(0, at - 25):at + 100]))])


def judge(ending: Ending, session: Session, lines: Sequence[str], qemu_said: Sequence[str],
          allow: Sequence[re.Pattern[str]], last: bool) -> Verdict:
    """lines: the kernel's log; qemu_said: QEMU's stderr; last: it may not be started
    once more."""
    bad = kernel_log.trouble(lines, allow)
    if not last:
        again = why_again(ending, bool(bad), qemu_said)
        if again:
            return Verdict(LAB_ERROR, "; ".join([again, *qemu_said[-1:]]))
    if ending.given_up:
        return given_up_verdict(why_given_up(ending.given_up, session), lines)
    verdict = Verdict(LAB_ERROR if ending.status is None else ending.status)
    if bad:
        verdict.messages.append((
            f"trouble in the kernel's log, {len(bad)} lines, the first at line "
            f"{bad[0] + 1} of {len(lines)}:", list(lines[max(0, bad[0] - 3):bad[0] + 40])))
        if ending.status == 0:
            verdict.status = BAD_LOG
    if ending.status is None:
        verdict.messages.append((
            "the guest ended without a status. The last lines of its log, and QEMU's own:",
            [*([] if bad else lines[-25:]), *qemu_said[-10:]]))
    return verdict
