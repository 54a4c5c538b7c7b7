# SPDX-License-Identifier: GPL-2.0
"""The kinds of faults of tests/faults, one row each.

A row's steps are lines of the controller's script (lab/vm --vfu, "vfu help"), or, with @,
what the guest does itself (Steps in tests/guest/run_faults):

    @wait N          until N faults were injected since the row began
    @saw COUNTER N   until the controller has counted so many
    @sleep S         I/O goes on for S seconds
    @state STATE     until the controller is in one of these states (live, dead: STATE,STATE)
    @sh COMMAND      a command of the guest; @sh? may fail. $PCI and $CTRL are set
    @master off      PCI Command and MSI-X registers: master, memory, msix on|off
    @unbind, @rescan (of PCI), @zeroout
    @timeout         until the driver has noticed a command that does not end; @reset
"""

from dataclasses import dataclass

# Statuses, as the host sees them: passthrough reports the number, other calls the errno.
ERRNO = {
    0x02: "EOPNOTSUPP", 0x04: "EIO", 0x06: "EIO", 0x07: "EIO", 0x08: "EIO", 0x20: "EIO",
    0x21: "EREMOTEIO", 0x80: "EREMOTEIO", 0x81: "ENOSPC", 0x82: "EREMOTEIO", 0x83: "EBADE",
    0x1c: "EIO", 0x280: "ENODATA", 0x281: "ENODATA", 0x282: "EILSEQ", 0x301: "EIO", 0x302: "EIO",
    0x303: "EIO", 0x7c0: "EIO", 0x5ff: "EIO",
}

# Does the driver send reads and writes again after a reset, and after a status without DNR?
# Passthrough is not sent again: it gets EINTR, or the status, which after an Abort is 0x7.
SENT_AGAIN = True

# With what I/O in flight ends in a reset, and when the controller is given up or removed.
BY_RESET = ("EINTR", "sc:0x7") if SENT_AGAIN else ("EIO", "EINTR")
BY_REMOVAL = ("ENODEV", "EIO", "EINTR")


@dataclass(frozen=True)
class Fault:
    """A row of the table: what goes wrong, and what may come of it."""

    name: str
    steps: tuple[str, ...]
    failed: tuple[str, ...] = ()    # with which errno or status I/O may fail
    end: str = "live"               # state of the controller afterwards; "gone": unbound
    short: bool = False             # also in the short form
    strict: bool = False            # also behind a strict IOMMU
    # Behind a strict IOMMU without the copy path, whose buffers stay mapped: when all has
    # ended, the controller tries to write to the memory of what did not end for it.
    direct: bool = False
    lies: bool = False              # the controller says that it succeeded, and it did not
    only_strict: bool = False


def status(name: str, code: int, rule: str, *, short: bool = False, dnr: int = 1,
           times: int = 20) -> Fault:
    """Commands that fail with a status, every third one."""
    return Fault(f"{name} ({code:#x}{', DNR' if dnr else ''})",
                 (f"status {rule} sc={code:#x} dnr={dnr} count={times} every=3", f"@wait {times}"),
                 failed=by_status(code, dnr), short=short)


def by_status(code: int, dnr: int) -> tuple[str, ...]:
    """With what I/O ends that gets this status."""
    passthrough = f"sc:{code:#x}"
    return (passthrough,) if SENT_AGAIN and not dnr else (ERRNO[code], passthrough)


def lost(name: str, rule: str, *, short: bool = False, strict: bool = False,
         direct: bool = False) -> Fault:
    """Commands whose end the driver does not hear of."""
    return Fault(name, (rule, "@wait 1", "@timeout"), failed=BY_RESET, short=short,
                 strict=strict, direct=direct)


COMPLETIONS = (
    lost("completions of Reads are lost", "drop read count=3 every=5", short=True, strict=True),
    lost("completions of Writes are lost", "drop write count=3 every=5"),
    lost("completions of Flushes are lost", "drop flush"),
    lost("Reads are never executed", "hold read count=5 every=3", strict=True),
    lost("Writes are never executed", "hold write count=5 every=3"),
    Fault("Writes are never executed, and Abort fails",
          ("status abort sc=6 dnr=1 count=all", "hold write count=5 every=3", "@timeout", "@reset"),
          failed=BY_RESET),
    Fault("Writes are never executed, and Abort is lost",
          ("drop abort count=all", "hold write count=5 every=3", "@timeout", "@reset"),
          failed=BY_RESET),
    Fault("completions come twice", ("dup io count=200 every=2", "@wait 200")),
    Fault("completions come again behind eight others", ("again io count=50 every=20", "@wait 50"),
          short=True),
    Fault("completions are 1.5 s late", ("late io ms=1500 count=40 every=2", "@wait 40",
                                         "@sleep 2")),
    lost("completions are later than the timeout", "late write ms=60000 count=3 every=3"),
    lost("completions of commands that nobody sent", "badid io count=3 every=9"),
    lost("completions with the phase of the last round", "badphase io qid=1 count=1"),
    Fault("completions that name another queue", ("badsq io count=50 every=3", "@wait 50")),
    Fault("completions with an impossible SQ head", ("badsqhd io count=50 every=3", "@wait 50")),
    Fault("the last come first", ("hold read count=12 every=2", "hold write count=12 every=2",
                                  "@wait 24", "@sleep 1", "release reverse"), short=True),
    Fault("one queue's completions wait for 2 s", ("hold io qid=1 count=30", "@wait 10",
                                                   "@sleep 2", "release")),
    Fault("no command is fetched for 2 s", ("pause 2000", "@sleep 2.5")),
    Fault("completions without an interrupt", ("noirq io count=20 every=4", "@wait 20",
                                               "@sleep 1"), short=True),
    Fault("interrupts of another queue", ("badirq io count=20 every=4", "@wait 20", "@sleep 1")),
    Fault("interrupts without a completion", ("storm 0 20000", "storm 1 20000", "storm 2 20000",
                                              "@sleep 0.5")),
)

STATUSES = (
    status("Unrecovered Read Error", 0x281, "read", short=True),
    status("Unrecovered Read Error", 0x281, "read", dnr=0, times=5),
    status("Write Fault", 0x280, "write"),
    status("Namespace Not Ready", 0x82, "io", dnr=0, short=True),
    Fault("Namespace Not Ready, Retry Delay", ("status io sc=0x82 crd=1 count=20 every=3",
                                               "@wait 20"), failed=by_status(0x82, 0)),
    status("Command Interrupted", 0x21, "io", dnr=0),
    status("Internal Error", 0x06, "io", dnr=0),
    status("Data Transfer Error", 0x04, "io", dnr=0),
    status("Command Abort Requested", 0x07, "io", dnr=0),
    status("Aborted, SQ Deletion", 0x08, "io", dnr=0),
    status("Asymmetric Access Persistent Loss", 0x301, "io"),
    status("Asymmetric Access Inaccessible", 0x302, "io", dnr=0),
    status("Asymmetric Access Transition", 0x303, "io", dnr=0),
    status("LBA Out of Range", 0x80, "io"),
    status("Capacity Exceeded", 0x81, "write"),
    status("Invalid Field", 0x02, "io"),
    status("Reservation Conflict", 0x83, "write"),
    status("End-to-end Guard Check Error", 0x282, "read"),
    status("Sanitize In Progress", 0x1c, "io"),
    status("a vendor's status", 0x7c0, "io"),
    status("a status of a reserved type", 0x5ff, "io", dnr=0),
    Fault("Flush fails", ("status flush sc=0x6 dnr=1 count=10", "@wait 10"),
          failed=("EIO", "sc:0x6")),
    Fault("the namespace is write protected for a second",
          ("ns 1 readonly=1", "@sleep 1", "ns 1 readonly=0"), failed=("EIO", "sc:0x20")),
)

DATA = (
    Fault("a Read moves half of its data, then fails",
          ("status read sc=0x281 dnr=1 after=1 short=1 count=30 every=2", "@wait 30"),
          failed=("ENODATA", "sc:0x281")),
    Fault("a Read moves other data, then fails",
          ("status read sc=0x281 dnr=1 after=1 garbage=1 count=30 every=2", "@wait 30"),
          failed=("ENODATA", "sc:0x281")),
    Fault("a Write stores half of its data, then fails",
          ("status write sc=0x280 dnr=1 after=1 short=1 count=30 every=2", "@wait 30"),
          failed=("ENODATA", "sc:0x280"), short=True),
    Fault("a Write stores all of its data, then fails",
          ("status write sc=0x280 dnr=1 after=1 count=30 every=2", "@wait 30"),
          failed=("ENODATA", "sc:0x280")),
)

# The driver looks at CSTS only where nothing ends any more.
CONTROLLER = (
    Fault("CSTS reads as all ones, once", ("hold io count=all", "@wait 20", "csts once", "@reset"),
          failed=BY_RESET, strict=True, direct=True),
    Fault("CSTS reads as all ones for good", ("hold io count=all", "@wait 2", "csts ones",
                                              "@state dead"), failed=BY_REMOVAL, end="dead",
          short=True, strict=True),
    Fault("all registers read as ones for good", ("hold io count=all", "@wait 2", "mmio ones",
                                                  "@state dead"), failed=BY_REMOVAL, end="dead"),
    Fault("CSTS.CFS, once", ("hold io count=all", "@wait 20", "cfs once", "@reset"),
          failed=BY_RESET, short=True),
    Fault("a fatal error while a command is executed", ("fatal write", "@wait 1", "@reset"),
          failed=BY_RESET),
    Fault("CSTS.RDY stays 1 in a reset", ("rdy stuck 1", "hold read count=2", "@wait 2",
                                          "@sh? nvme reset /dev/$CTRL",
                                          "@state dead"),
          failed=BY_REMOVAL, end="dead", strict=True),
    Fault("CSTS.RDY stays 0 after a reset", ("rdy stuck 0", "@sh? nvme reset /dev/$CTRL",
                                             "@state dead"),
          failed=BY_REMOVAL, end="dead"),
    Fault("CSTS.RDY is 2 s late after a reset", ("set rdy-ms 2000", "@sh nvme reset /dev/$CTRL"),
          failed=BY_RESET),
    Fault("an NVM subsystem reset by somebody else", ("hold read count=2", "@wait 2", "nssr",
                                                      "@reset"), failed=BY_RESET),
    Fault("a reset is asked for", ("@sh nvme reset /dev/$CTRL", "@sh nvme reset /dev/$CTRL",
                                   "@sh nvme reset /dev/$CTRL"), failed=BY_RESET, short=True,
          strict=True),
    Fault("a reset, and no command ends", ("hold io count=40", "@wait 20",
                                           "@sh nvme reset /dev/$CTRL"), failed=BY_RESET,
          strict=True, direct=True),
    Fault("function level resets", ("@sh echo 1 >/sys/bus/pci/devices/$PCI/reset",
                                    "@sh echo 1 >/sys/bus/pci/devices/$PCI/reset"),
          failed=BY_RESET),
    Fault("a lost admin command in a reset", ("drop create-sq", "@sh? nvme reset /dev/$CTRL",
                                              "@state dead"), failed=BY_REMOVAL, end="dead"),
    Fault("Identify Controller fails in a reset",
          ("status identify cns=1 sc=6 dnr=1 count=all", "@sh? nvme reset /dev/$CTRL",
           "@state dead"), failed=BY_REMOVAL, end="dead"),
    Fault("Identify Controller is random after a reset",
          ("garbage identify cns=1 count=1", "@sh? nvme reset /dev/$CTRL", "@state live,dead"),
          failed=("ENODEV", "EIO", "EINTR", "EOPNOTSUPP", "sc:0x2"), end="any"),
    Fault("fewer queues after a reset", ("set queues 1", "@sh? nvme reset /dev/$CTRL",
                                         "@state dead"), failed=BY_REMOVAL, end="dead"),
    Fault("a smaller MDTS after a reset", ("on identify cns=1 do set mdts 1",
                                           "@sh nvme reset /dev/$CTRL"),
          failed=BY_REMOVAL + ("EINVAL",), end="any"),
    Fault("another block size after a reset", ("on identify cns=1 do ns 1 lbads=10",
                                               "@sh? nvme reset /dev/$CTRL"),
          failed=BY_REMOVAL, end="any"),
    Fault("Identify is lost in a scan", ("drop identify", "@sh? nvme ns-rescan /dev/$CTRL",
                                         "@saw enables 1", "@state live,dead"),
          failed=BY_RESET, end="any"),
    Fault("Identify is 2 s late in a scan", ("late identify ms=2000",
                                             "@sh nvme ns-rescan /dev/$CTRL")),
    Fault("Identify Namespace fails in a scan", ("status identify cns=0 sc=6 count=all",
                                                 "@sh? nvme ns-rescan /dev/$CTRL")),
    Fault("the list of namespaces fails in a scan", ("status identify cns=2 sc=6 count=all",
                                                     "@sh? nvme ns-rescan /dev/$CTRL")),
)

EVENTS = (
    Fault("a storm of events", ("event ns 1", "event 1 1 2", "event ns 1", "event 7 255 255",
                                "event 6 1 0", "event ns 1", "event 1 0 2", "event ns 1",
                                "@sleep 1")),
    Fault("a Persistent Internal Error event", ("event 0 3 1", "@reset"), failed=BY_RESET),
    Fault("an event, and its log cannot be read", ("status get-log sc=6 count=all", "event ns 1",
                                                   "@sleep 1")),
    Fault("the namespace shrinks and grows", ("ns 1 size=128M", "event ns 1", "@sleep 1",
                                              "ns 1 size=256M", "event ns 1", "@sleep 1")),
    Fault("the namespace is gone, and comes back", ("ns 1 gone=1", "event ns 1", "@sleep 1",
                                                    "ns 1 gone=0", "event ns 1", "@sleep 1"),
          failed=BY_REMOVAL + ("EOPNOTSUPP", "sc:0xb"), end="any"),
)

PCI = (
    Fault("MSI-X is masked for 2 s", ("@msix off", "@sleep 2", "@msix on")),
    Fault("bus mastering is turned off", ("@master off", "@sleep 1", "@master on"),
          failed=BY_REMOVAL, end="any"),
    Fault("memory decode is turned off for 2 s", ("@memory off", "@sleep 2", "@memory on"),
          failed=BY_REMOVAL, end="any"),
    Fault("the device is silent for 0.6 s", ("hold read count=2", "@wait 2", "mmio ones",
                                             "mute 600", "@state live,dead"), failed=BY_REMOVAL,
          end="any"),
    Fault("the link goes down", ("hold io count=all", "@wait 2", "link off", "@state dead"),
          failed=BY_REMOVAL, end="dead", short=True, strict=True),
    Fault("unbind", ("@unbind",), failed=BY_REMOVAL, end="gone", short=True, strict=True),
    Fault("unbind, and no command ends", ("hold io count=40", "@wait 20", "@unbind"),
          failed=BY_REMOVAL, end="gone", strict=True),
    Fault("unbind in a reset", ("set rdy-ms 1000", "@sh& nvme reset /dev/$CTRL",
                                "@saw enables 1", "@unbind"),
          failed=BY_REMOVAL, end="gone"),
    Fault("the device is removed", ("@sh echo 1 >/sys/bus/pci/devices/$PCI/remove", "@rescan"),
          failed=BY_REMOVAL, end="gone"),
    Fault("Write Zeroes is refused", ("status write-zeroes sc=1 dnr=1 count=all", "@zeroout",
                                      "@wait 1")),
)

RANDOM = (
    Fault("random faults, 1 % of commands", ("fuzz 1 10 honest", "@sleep 12"),
          failed=("any",), end="any"),
)

LIES = (
    Fault("control: a Read succeeds, its data are random",
          ("garbage read count=20", "@wait 20"), lies=True),
    Fault("control: a Read succeeds, half of its data are missing",
          ("short read count=20", "@wait 20"), lies=True),
    Fault("control: a Write succeeds, half of its data are missing",
          ("short write count=20", "@wait 20"), lies=True, short=True),
)

GHOSTS = (
    Fault("the controller writes to memory of commands that have ended",
          ("ghost read count=500", "@wait 500"),
          strict=True, direct=True, only_strict=True),
)

FAULTS = COMPLETIONS + STATUSES + DATA + CONTROLLER + EVENTS + PCI + RANDOM + GHOSTS + LIES
