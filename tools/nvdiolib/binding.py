# SPDX-License-Identifier: GPL-2.0
"""nvdio bind, unbind and restore: which driver a controller has."""

import contextlib
import errno
import fcntl
import os
import shlex
import subprocess
import sys
import syslog
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from . import disks, persist, stop, uses
from .disks import Controller, controller, driver_of, find
from .errors import FAILED, Busy, Failure, Interrupted, NoDevice, Refused
from .listing import size_text
from .uses import Use

# Seconds: nodes are made by devtmpfs and udev, and nvme looks for its namespaces in the background.
PATIENCE = 10.0
# A controller may take long to become ready.
PROBE = 60.0
# Udev's workers, udisks and smartd have a disk open for a moment, not longer.
MOMENT = 2.0


def write(path: Path, text: str) -> None:
    """To an attribute."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def wait_for(condition: Callable[[], bool], seconds: float | None = None) -> bool:
    """Does it hold before long?"""
    end = time.monotonic() + (PATIENCE if seconds is None else seconds)
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def need_root() -> None:
    """The kernel would say so later, of some file in sysfs."""
    if os.geteuid():
        raise Failure("only root can do this")


def load(module: str) -> None:
    """Unless the driver is there."""
    if (disks.SYS / "bus/pci/drivers" / module).is_dir():
        return
    try:
        done = subprocess.run(["modprobe", module], capture_output=True, text=True, check=False,
                              env={**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    except OSError as error:
        raise Failure(f"modprobe: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it failed"]
        raise Failure(f"modprobe {module}: {said[-1].removeprefix('modprobe: ')}")


def probe(address: str) -> None:
    """Let the kernel look for a driver. Whether it found one shows afterwards."""
    with contextlib.suppress(Failure):
        write(disks.SYS / "bus/pci/drivers_probe", address)


def set_override(address: str, driver: str) -> None:
    """Which driver may bind, or "": any that knows the device."""
    write(disks.pci(address) / "driver_override", f"{driver}\n")


def release(address: str) -> None:
    """From the driver that has it, if any."""
    driver = driver_of(address)
    if driver:
        write(disks.SYS / "bus/pci/drivers" / driver / "unbind", address)


@contextlib.contextmanager
def locked(address: str, seconds: float = PROBE) -> Iterator[None]:
    """No other of these programs moves the controller meanwhile."""
    try:
        fd = os.open(disks.pci(address), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        raise NoDevice(f"{address}: there is no such device now") from None

    def taken() -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    try:
        if not wait_for(taken, seconds):
            raise Failure(f"{address}: another nvdio is just moving it")
        yield
    finally:
        os.close(fd)


def give_back(address: str) -> None:
    """To the nvme driver, or to whichever knows the device."""
    if not disks.pci(address).is_dir():
        return
    set_override(address, "")
    if driver_of(address) == "nvdio":
        release(address)
    if not driver_of(address):
        with contextlib.suppress(Failure):
            load("nvme")
        probe(address)


@contextlib.contextmanager
def exclusively(target: Controller, reasons: list[Use]) -> Iterator[None]:
    """Keeps the block devices open with O_EXCL: what is mounted, swapped on or held by anything
    else in the kernel cannot be opened so, and what is open so cannot be mounted."""
    opened = []
    try:
        for disk in target.disks:
            for name in [b for b in disk.blocks if not disks.is_partition(b)]:
                try:
                    opened.append(os.open(disks.DEV / name, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
                except OSError as error:
                    busy = error.errno == errno.EBUSY
                    reasons.append(Use("busy" if busy else "unknown", name,
                                       "(by the kernel or a program)" if busy else error.strerror or ""))
        yield
    finally:
        for fd in opened:
            os.close(fd)


def need_free(target: Controller, busy: list[Use], wipe_ok: bool) -> None:
    """Raises Refused with all reasons; Busy if they may be gone in a moment."""
    used = uses.in_use(target)
    # Whoever has it exclusively was found, as a rule.
    named = {u.node for u in used}
    for disk in target.disks:
        if not named & set(disk.blocks):
            used += [u for u in busy if u.node in disk.blocks and u.kind == "busy"]
    used += [u for u in busy if u.kind != "busy"]
    written = [] if wipe_ok else [u for d in target.disks for u in uses.disk_signatures(d)]
    if not used and not written:
        return
    known = shlex.quote(target.serial or target.address)
    hint = f"--wipe-ok {known} binds it all the same, and wipes nothing by itself"
    passing = all(u.kind in ("open", "busy") for u in used + written)
    refusal = Busy if passing else Refused
    raise refusal(*(f"{target.address}: {u}" for u in dict.fromkeys(used + written)),
                  *([f"{target.address}: {hint}"] if not used else []))


def need_serial(target: Controller, wipe_ok: str | None) -> None:
    """What --wipe-ok repeats is the serial number, or the address of a disk that has none."""
    known = target.serial or target.address
    if wipe_ok is not None and wipe_ok != known:
        why = "the serial number is" if target.serial else "it has no serial number; give"
        raise Refused(f"{target.address}: --wipe-ok {wipe_ok}: {why} {known}")


@contextlib.contextmanager
def kept_free(target: Controller, wipe_ok: bool) -> Iterator[None]:
    """Nothing uses it, and nothing can while this lasts."""
    end = time.monotonic() + MOMENT
    while True:
        reasons: list[Use] = []
        with exclusively(target, reasons):
            try:
                need_free(target, reasons, wipe_ok)
            except Refused as refused:
                if not disks.pci(target.address).is_dir():
                    raise NoDevice(f"{target.address}: it has gone") from None
                if not isinstance(refused, Busy) or time.monotonic() > end:
                    raise
            else:
                yield
                return
        time.sleep(0.1)


def move(target: Controller, wipe_ok: str | None, persistent: bool = False) -> None:
    """From nvme, or from no driver, to nvdio; for good, if wanted. On failure all is as it was
    before. A signal waits, and is a failure."""
    address, before = target.address, target.override
    with kept_free(target, wipe_ok is not None):
        with stop.by_signal() as stopped:
            try:
                set_override(address, "nvdio")
                release(address)
                probe(address)
                # Whoever finds it so knows that it was not looked at to the end: unchecked().
                set_override(address, "")
                check(target, wipe_ok)
                set_override(address, "nvdio")
                if stopped.pending():
                    raise Interrupted(f"{address}: interrupted; nothing was changed")
                if persistent:
                    bound = controller(address)
                    persist.keep(address, bound.serial, bound.model)
            except BaseException:
                if not disks.pci(address).is_dir():
                    raise NoDevice(f"{address}: it has gone") from None
                if target.driver:
                    give_back(address)
                else:
                    set_override(address, before)
                    release(address)
                raise


def check(target: Controller, wipe_ok: str | None) -> None:
    """What nvdio has bound is what was meant, and nothing is on what could not be looked at before:
    without a driver, while nvme had not found all, or because nvme has no block device for it."""
    address = target.address
    wait_for(lambda: bool(driver_of(address)))
    if driver_of(address) != "nvdio":
        raise Failure(f"{address}: nvdio did not bind it (the kernel's log says why: dmesg)")
    now = controller(address)
    if target.serial and now.serial != target.serial:
        raise Failure(f"{address}: it has serial number {now.serial}, not {target.serial}; it was given back")
    wait_for(lambda: all((disks.DEV / d.name).exists() for d in now.disks))
    seen = {d.nsid for d in target.disks} if target.serial else set()
    unseen = [d for d in now.disks if d.nsid not in seen]
    if unseen or not target.serial:
        need_serial(now, wipe_ok)
        # By another controller nvme may have it; what move() keeps free would seem to be in use.
        held = {b for d in target.disks for b in d.blocks}
        for disk in unseen:
            disk.blocks = [b for b in disk.blocks if b not in held]
        with kept_free(replace(now, disks=unseen), wipe_ok is not None):
            pass


def unchecked(target: Controller) -> bool:
    """Has nvdio got it without all that bind does? That one was killed, or it was somebody else."""
    return target.driver == "nvdio" and target.override != "nvdio"


def check_late(target: Controller, wipe_ok: str | None) -> None:
    """What a bind that was killed has not looked at."""
    address = target.address
    try:
        check(replace(target, serial="", disks=[]), wipe_ok)
    except Refused as refused:
        raise Refused(*refused.lines, f"{address}: nvdio has it all the same: a bind was cut short, or it "
                      f"was another program; nvdio unbind {address} gives it back") from None
    set_override(address, "nvdio")


def load_checked(address: str) -> None:
    """Loads nvdio. It binds what has an override at once; of the disks that are kept, other than
    this one, it must be the right one."""
    others = [a for a in persist.kept() if a != address and disks.pci(a).is_dir() and not driver_of(a)]
    load("nvdio")
    for other in others:
        if driver_of(other) == "nvdio":
            try:
                # Whoever else has the lock looks at it.
                restore_one(other, 0)
            except Failure as failure:
                print(*failure.lines, sep="\n", file=sys.stderr)


def need_unshared(target: Controller) -> None:
    """Of a disk that was bound while nvme had it by another controller: nothing uses it by that, or
    it is given back."""
    shared = [replace(d, chars=[]) for d in target.disks if d.blocks]
    if not shared:
        return
    try:
        with kept_free(replace(target, name="", disks=shared), True):
            pass
    except Refused:
        give_back(target.address)
        raise


def warned(target: Controller) -> list[str]:
    """What there is to say of a controller that has been bound. It is no reason to refuse: nothing
    uses the other node, and controllers that share a namespace can only be bound one by one."""
    return [f"{target.address}: /dev/{d.name} is also {', '.join(f'/dev/{n}' for n in d.same_as())}, by "
            "another controller: to write by both destroys data" for d in target.disks if d.same_as()]


def told(target: Controller) -> str:
    """A controller that has been bound, in a line."""
    size = sum(d.size for d in target.disks)
    return (f"{target.address}: {target.driver or 'no driver'}: {' '.join(target.nodes()) or 'no disk'} "
            f"({target.model or '-'}, serial {target.serial or '-'}, {size_text(size)})")


def bind(device: str, persistent: bool, wipe_ok: str | None) -> int:
    """nvdio bind."""
    need_root()
    address = find(device).address
    with locked(address):
        return bind_one(controller(address), persistent, wipe_ok)


def bind_one(target: Controller, persistent: bool, wipe_ok: str | None) -> int:
    """The same, of a controller that nobody else moves."""
    need_ours(target)
    if target.serial:
        # Otherwise it shows when nvdio has it.
        need_serial(target, wipe_ok)
    if persistent:
        persist.need_rule()
        persist.need_place(target.address)
    if target.driver != "nvdio":
        load_checked(target.address)
        # Loading may have bound it, by its override: that is not what was checked.
        move(target, wipe_ok, persistent)
    elif unchecked(target):
        check_late(target, wipe_ok)
    bound = controller(target.address)
    if persistent and target.driver == "nvdio":
        persist.keep(bound.address, bound.serial, bound.model)
    print(told(bound))
    print(f"undo: nvdio unbind {bound.address}")
    for line in warned(bound):
        print(f"nvdio bind: {line}", file=sys.stderr)
    return 0


def unbind(device: str, force: bool, keep: bool) -> int:
    """nvdio unbind."""
    need_root()
    gone = disks.full_address(device)
    if gone and not disks.pci(gone).is_dir() and not keep and persist.forget(gone):
        print(f"{gone}: no longer bound at boot; there is no such device now")
        return 0
    address = find(device).address
    with locked(address):
        return unbind_one(controller(address), force, keep)


def unbind_one(target: Controller, force: bool, keep: bool) -> int:
    """The same, of a controller that nobody else moves."""
    if target.driver != "nvdio" and target.override != "nvdio" and not persist.is_kept(target.address):
        raise Failure(f"{target.address}: not bound to nvdio (driver: {target.driver or 'none'})")
    if target.driver == "nvdio" and not force:
        own = {target.name, *(d.name for d in target.disks)}
        used = [u for u in uses.in_use(target) if u.kind == "open" and u.node in own]
        if used:
            raise Refused(*(f"{target.address}: {u}" for u in used),
                          f"{target.address}: with --force these get ENODEV")
    if not keep and persist.forget(target.address):
        print(f"{target.address}: no longer bound at boot")
    if target.driver in ("nvdio", ""):
        with stop.by_signal():
            give_back(target.address)
        # All of them: who binds it again at once wants them looked at.
        wait_for(lambda: bool(driver_of(target.address)) and
                 len(controller(target.address).disks) >= len(target.disks))
    elif target.override == "nvdio":
        set_override(target.address, "")
    if not disks.pci(target.address).is_dir():
        raise NoDevice(f"{target.address}: it has gone")
    print(told(controller(target.address)))
    if not driver_of(target.address):
        raise Failure(f"{target.address}: no driver took it")
    return 0


def need_ours(target: Controller) -> None:
    """Some other driver's controllers are its own business."""
    if target.driver not in ("", "nvme", "nvdio"):
        raise Refused(f"{target.address}: the driver {target.driver} has it: unbind it from that first")


def settled(address: str) -> Controller:
    """A controller that nvdio is not just about to bind: whoever else has loaded the module, or has
    called "restore" as well. The driver shows before it knows anything."""
    wait_for(lambda: driver_of(address) != "nvdio" or
             any((disks.pci(address) / "nvdio").glob("nvdio*/serial")), PROBE)
    return controller(address)


def another(address: str, serial: str, kept: str) -> str:
    """What there is to say of a disk that is not nvdio's."""
    return f"{address}: serial number {serial or 'unknown'}, not {kept}: another disk; left to nvme"


def kept_serial(address: str) -> str:
    """The serial number that it must have; if none is known, nvme gets it back."""
    try:
        return persist.serial_of(address)
    except Failure:
        # Udev has kept it from nvme already.
        if persist.is_kept(address) and not driver_of(address):
            give_back(address)
        raise


def without_module(address: str, serial: str) -> str:
    """Udev has kept whatever is at this address from nvme. Only a driver can tell its serial number:
    nvme gets it, and for good unless it is nvdio's disk. Returns what there is to say."""
    with stop.by_signal():
        give_back(address)
        wait_for(lambda: bool(controller(address).serial or controller(address).disks), PROBE)
        now = controller(address)
        if now.driver and now.serial != serial:
            return another(address, now.serial, serial)
        try:
            with kept_free(now, True):
                set_override(address, "nvdio")
                release(address)
        except Refused as refused:
            return f"{refused.lines[0]}; left to nvme"
    return f"{address}: it has no driver until the module is there"


def restore_one(address: str, seconds: float = PROBE) -> str:
    """Binds what is to be bound at boot. Returns what there is to say."""
    if not disks.pci(address).is_dir():
        raise NoDevice(f"{address}: the disk with serial number {persist.serial_of(address)} is not there")
    with locked(address, seconds):
        return restore_locked(address)


def restore_locked(address: str) -> str:
    """The same, of a controller that nobody else moves."""
    serial = kept_serial(address)
    before = driver_of(address)
    try:
        load("nvdio")
    except Failure as failure:
        if not driver_of(address):
            failure.lines += (without_module(address, serial),)
        raise
    with stop.by_signal():
        if not driver_of(address):
            # The serial number of a disk without a driver is known when nvdio has it.
            set_override(address, "nvdio")
            probe(address)
        target = settled(address)
        need_ours(target)
        if target.serial != serial and (target.serial or target.driver == "nvdio"):
            give_back(address)
            raise Failure(another(address, target.serial, serial))
    target.serial = serial
    if target.driver != "nvdio":
        # What is on the disk is nvdio's business since it was bound for good, and so is who has it
        # by another controller of nvdio's. What else uses it is not.
        for disk in target.disks:
            disk.chars = [c for c in disk.chars if not c.startswith("nvdio")]
        move(target, serial or address)
    elif before != "nvdio":
        need_unshared(target)
    bound = controller(address)
    return "\n".join([told(bound), *warned(bound)])


def restore(address: str | None) -> int:
    """nvdio restore: run by udev, whose terminal is the log."""
    need_root()
    syslog.openlog("nvdio", 0, syslog.LOG_DAEMON)
    status = 0
    if address and not disks.full_address(address):
        raise NoDevice(f"{address}: not a PCI address")
    for one in [disks.full_address(address)] if address else persist.kept():
        try:
            for line in restore_one(one).split("\n"):
                print(line)
                syslog.syslog(syslog.LOG_INFO, line)
        except Failure as failure:
            if isinstance(failure, Interrupted):
                raise
            status = failure.status if address else FAILED
            for line in failure.lines:
                print(f"nvdio restore: {line}", file=sys.stderr)
                syslog.syslog(syslog.LOG_ERR, line)
    return status
