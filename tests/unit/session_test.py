# SPDX-License-Identifier: GPL-2.0
"""lab/session.py: the states of a machine, which one is started once more, the status."""

import re

from tap import equal, finish, ok

from messages import BAD_LOG, LAB_ERROR, TIMED_OUT
from session import (BOOT_LIMIT, DUMP_LIMIT, LEAVING_LIMIT, Action, Ending, GivenUp, Session,
                     Stage, State, judge, why_again)

IDLE: dict[str, tuple[float, float]] = {"cpu0": (0.0, 0.0)}


def session(*words: str, timeout: float = 300.0, quiet_limit: float = 60.0,
            silent_limit: float = 0.0) -> Session:
    """A session at second 10, in which the guest said these words."""
    s = Session(timeout, quiet_limit, 0.0, silent_limit)
    for word in words:
        s.control(word.encode() + b"\n", 10.0)
    return s


def look_until(s: Session, end: float, spin: bool = False) -> list[Action]:
    """Looks at QEMU's threads every 2 s until the session wants something."""
    now = 10.0
    while now < end:
        now += 2.1
        if s.wants_look(now):
            s.look(now, {"cpu0": (now, 0.0)} if spin else IDLE)
        actions = s.step(now, False)
        if actions:
            return actions
    return []


def test_states() -> None:
    s = session()
    equal((s.state, s.stage), (State.BOOTING, Stage.BOOT), "session: it begins with the boot")
    for word, state, stage in (("init", State.BOOTING, Stage.INIT),
                               ("module", State.BOOTING, Stage.MODULE),
                               ("ready", State.RUNNING, Stage.COMMAND),
                               ("status 3", State.LEAVING, Stage.COMMAND)):
        s.control(word.encode() + b"\n", 11.0)
        equal((s.state, s.stage), (state, stage), f"session: after '{word}' it is {state.name}")
    equal((s.status, s.ready_at, s.told_at), (3, 11.0, 11.0), "session: status and times are kept")
    s = session()
    for byte in b"init\nmodule\nready\nstatus 12\n":
        s.control(bytes((byte,)), 12.0)
    equal((s.state, s.status), (State.LEAVING, 12), "session: words may come byte by byte")
    s = session("ready", "ready?", "xstatus 4", "status", "status -1")
    equal((s.state, s.status), (State.RUNNING, None), "session: other words are ignored")
    s = session("init", "status 125")
    equal((s.state, s.status), (State.LEAVING, 125),
          "session: a guest that fails before its command leaves, too")


def test_leaving() -> None:
    s = session("ready", "status 0")
    equal(s.step(11.0, False), [], "session: the output of a command that ended is waited for")
    equal(s.step(12.0, True), [Action.SAY_BYE], "session: then the guest may power off")
    equal(s.step(13.0, True), [], "session: which it is told once")
    equal(s.step(10.0 + LEAVING_LIMIT, True), [], "session: it has time for that")
    equal(s.step(10.1 + LEAVING_LIMIT, True), [Action.KILL], "session: but not for ever")
    equal((s.state, s.given_up), (State.KILLED, None), "session: which does not count as given up")
    s = session("ready", "status 0", timeout=20.0)
    equal(s.step(25.0, False), [], "session: a command that ended is not out of time")


def test_timeout() -> None:
    s = session("ready", timeout=100.0)
    equal(s.step(100.0, False), [], "session: nothing happens until the time is over")
    equal(s.step(100.1, False), [Action.ASK_DUMP],
          "session: then the guest is asked which tasks wait")
    equal((s.state, s.given_up), (State.DUMPING, GivenUp.TIMEOUT), "session: and it is given up")
    equal(s.step(101.0, False), [], "session: the dump is waited for")
    s.control(b"dumped\n", 102.0)
    equal(s.step(102.0, False), [Action.KILL], "session: after the dump it is killed")
    s = session("init", timeout=100.0)
    s.step(101.0, False)
    equal(s.step(101.1 + DUMP_LIMIT, False), [Action.KILL],
          "session: a guest that cannot dump is killed, too")
    s = session("init", timeout=100.0)
    s.step(101.0, False)
    s.unreachable()
    equal(s.step(101.0, False), [Action.KILL], "session: at once if it cannot be asked")
    s = session("ready", timeout=100.0)
    s.step(101.0, False)
    s.control(b"status 0\n", 101.5)
    equal((s.state, s.given_up), (State.DUMPING, GivenUp.TIMEOUT),
          "session: a status that comes too late changes nothing")
    equal(session(timeout=100.0).step(101.0, False), [Action.KILL],
          "session: before guest-init runs there is nothing to ask")


def test_still() -> None:
    s = session("ready")
    equal(look_until(s, 200.0), [Action.ASK_DUMP],
          "session: a machine that stands still is given up")
    equal(s.given_up, GivenUp.STILL, "session: for that reason")
    s.look(300.0, {"cpu0": (300.0, 0.0)})
    s.step(300.0, False)
    equal(s.given_up, GivenUp.STILL, "session: which stays the reason while it dumps")
    equal(look_until(session("ready", quiet_limit=0.0), 250.0), [], "session: not without a limit")
    equal(look_until(session("ready"), 290.0, spin=True), [], "session: not one that computes")
    s = session(timeout=1000.0)
    equal(look_until(s, 300.0, spin=True), [Action.KILL],
          f"session: a boot that computes for {BOOT_LIMIT:g} s is given up")
    equal(s.given_up, GivenUp.SPINNING, "session: for that reason")
    s = session("ready")
    for now in range(10, 150, 10):
        s.output(float(now))
        s.look(float(now), IDLE)
    ok(not s.step(150.0, False), "session: output is movement")
    s = session("ready", timeout=1000.0, silent_limit=150.0)
    equal(look_until(s, 100.0, spin=True), [], "session: a command may compute in silence")
    s.output(100.0)
    equal(look_until(s, 180.0, spin=True), [], "session: what it prints begins a new silence")
    equal(look_until(s, 300.0, spin=True), [Action.ASK_DUMP], "session: but not for ever")
    equal(s.given_up, GivenUp.SILENT, "session: for that reason")
    for words, text, want in ((("ready",), "later it is not", [Action.ASK_DUMP]),
                              ((), "what the kernel says at boot is movement", [])):
        s = session(*words)
        for now in range(10, 150, 10):
            s.console(float(now))
            s.look(float(now), IDLE)
        equal(s.step(150.0, False), want, f"session: {text}")


STILL = GivenUp.STILL
AGAIN: tuple[tuple[Stage, int | None, GivenUp | None, bool, bool, str], ...] = (
    (Stage.BOOT, -6, None, False, True, "QEMU's assertion at boot"),
    (Stage.MODULE, -6, None, False, True, "QEMU's assertion while nvdio binds"),
    (Stage.MODULE, -6, None, True, False, "the same, with trouble in the log"),
    (Stage.COMMAND, -6, None, False, False, "QEMU's assertion in a test"),
    (Stage.BOOT, None, STILL, False, True, "standing still at boot"),
    (Stage.INIT, None, STILL, False, True, "standing still in guest-init"),
    (Stage.MODULE, None, STILL, False, False, "standing still while nvdio binds"),
    (Stage.COMMAND, None, STILL, False, False, "standing still in a test"),
    (Stage.BOOT, None, GivenUp.SPINNING, False, True, "a boot that does not end"),
    (Stage.BOOT, 0, None, True, True, "a panic at boot, without nvdio"),
    (Stage.MODULE, 0, None, True, False, "a panic while nvdio binds"),
    (Stage.BOOT, None, GivenUp.TIMEOUT, False, False, "out of time, but not still"))


def test_again() -> None:
    for stage, exit_status, given_up, trouble, want, text in AGAIN:
        why = why_again(Ending(stage, None, given_up, exit_status), trouble)
        ok(bool(why) == want, f"E: {text}: {'started once more' if want else 'not tried again'}")


def test_qemu_bug() -> None:
    said = ["x", "physmem.c:2671: iotlb_to_section: Assertion `i < n' failed."]
    end = Ending(Stage.COMMAND, None, None, -6)
    ok(why_again(end, False, said), "E: QEMU's own assertion in a test: started once more")
    ok(not why_again(end, True, said), "E: not with trouble in the log")
    ok(not why_again(end, False, said[:1]), "E: nor another one")
    ok(not why_again(Ending(Stage.COMMAND, 0, None, -6), False, said),
       "E: nor if there is a status")


def test_judge() -> None:
    clean = ["[    1.0] nvdio: hello"]
    bad = clean * 9 + ["[    2.0] WARNING: CPU: 0 PID: 1 at x.c:1"]
    end = Ending(Stage.COMMAND, 0, None, 0)
    s = session()
    equal(judge(end, s, clean, [], [], True).status, 0,
          "verdict: the command's status, if all is well")
    equal(judge(Ending(Stage.COMMAND, 7, None, 0), s, clean, [], [], True).status, 7,
          "verdict: or its failure")
    v = judge(end, s, bad, [], [], True)
    equal(v.status, BAD_LOG, "verdict: trouble in the kernel's log")
    equal(v.messages, [("trouble in the kernel's log, 1 lines, the first at line 10 of 10:", bad[6:])],
          "verdict: the log is shown from three lines before")
    equal(judge(end, s, bad, [], [re.compile("x.c")], True).status, 0,
          "verdict: unless it is excused")
    equal(judge(Ending(Stage.COMMAND, 7, None, 0), s, bad, [], [], True).status, 7,
          "verdict: a command that failed keeps its status")


def test_judge_no_status() -> None:
    clean = ["[    1.0] nvdio: hello"]
    s = session()
    v = judge(Ending(Stage.COMMAND, None, None, 0), s, clean, ["a", "b"], [], False)
    equal((v.status, v.again), (LAB_ERROR, ""), "verdict: a guest without a status")
    equal(v.messages[0][1], ["[    1.0] nvdio: hello", "a", "b"],
          "verdict: its log is shown, and QEMU's messages")
    ending = Ending(Stage.BOOT, None, None, -6)
    v = judge(ending, s, clean, ["a", "assertion failed"], [], False)
    equal((v.again, v.messages), ("QEMU ended by signal 6; assertion failed", []),
          "verdict: QEMU's last message says why a machine is started once more")
    v = judge(ending, s, clean, ["a"], [], True)
    equal((v.again, v.status), ("", LAB_ERROR), "verdict: the second machine is the last")
    log = [str(n) for n in range(200)] + ["lab: time is up; tasks"] + [str(n) for n in range(200)]
    for given_up, text in ((GivenUp.TIMEOUT, "no end after 300 s"), (STILL, "stood still for 60 s")):
        v = judge(Ending(Stage.COMMAND, None, given_up, None), s, log, [], [], False)
        equal((v.status, v.messages[0][0].split(";")[0], v.messages[0][1]), (TIMED_OUT, text, log[175:300]),
              f"verdict: {text}; the tasks that wait are shown")


test_states()
test_leaving()
test_timeout()
test_still()
test_again()
test_qemu_bug()
test_judge()
test_judge_no_status()
finish()
