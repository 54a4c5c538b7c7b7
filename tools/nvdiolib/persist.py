# SPDX-License-Identifier: GPL-2.0
"""Which disks nvdio gets at boot: a file for each in /etc/nvdio/disks, named by PCI address.

60-nvdio-persist.rules of udev looks for such a file when the PCI device appears; an address is all
that can be known then. The file holds the serial number, which "nvdio restore" compares.
"""

import os
from pathlib import Path

from .disks import full_address
from .errors import Failure

PLACE = Path("/etc/nvdio/disks")
RULE = "60-nvdio-persist.rules"
RULES = [Path(p) for p in ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
                           "/usr/lib/udev/rules.d", "/lib/udev/rules.d")]


def is_kept(address: str) -> bool:
    """Is the controller at this address to be nvdio's after a reboot?"""
    return (PLACE / address).is_file()


def kept() -> list[str]:
    """The addresses of all."""
    return sorted(p.name for p in PLACE.iterdir() if full_address(p.name)) if PLACE.is_dir() else []


def serial_of(address: str) -> str:
    """The serial number that the controller must have."""
    try:
        text = (PLACE / address).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Failure(f"{address}: not bound with --persist") from None
    except (OSError, ValueError) as error:
        raise Failure(f"{PLACE / address}: {getattr(error, 'strerror', None) or 'not text'}") from None
    for line in text.splitlines():
        if line.startswith("serial="):
            return line.removeprefix("serial=").strip()
    raise Failure(f"{PLACE / address}: no line serial=")


def need_rule() -> None:
    """Without the rule a file in /etc would promise too much."""
    if not any((place / RULE).is_file() for place in RULES):
        raise Failure(f"--persist needs {RULE}, which is not installed (see udev/ of nvdio's source)")


def need_place(address: str) -> None:
    """That there will be a file shows before a disk is moved for it."""
    new = PLACE / f".{address}.new"
    try:
        PLACE.mkdir(parents=True, exist_ok=True)
        new.touch()
        new.unlink()
    except OSError as error:
        raise Failure(f"--persist: {new.parent}: {error.strerror}") from None


def keep(address: str, serial: str, model: str) -> None:
    """From the next boot on, too."""
    new = PLACE / f".{address}.new"
    try:
        PLACE.mkdir(parents=True, exist_ok=True)
        with new.open("w", encoding="utf-8") as file:
            file.write(f"# Written by nvdio bind --persist; nvdio unbind removes it.\n"
                       f"serial={serial}\nmodel={model}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, PLACE / address)
        directory = os.open(PLACE, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise Failure(f"{PLACE / address}: {error.strerror}") from None


def forget(address: str) -> bool:
    """No longer. False: it was not kept."""
    try:
        (PLACE / address).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Failure(f"{PLACE / address}: {error.strerror}") from None
    return True
