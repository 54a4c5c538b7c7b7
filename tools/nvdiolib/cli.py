# SPDX-License-Identifier: GPL-2.0
"""The command line of tools/nvdio."""

import argparse
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from . import binding, latency, listing, regs, stat
from .errors import FAILED, INTERRUPTED, USAGE, Failure

DEVICE = "PCI address (0000:03:00.0), node (/dev/nvme0n1, /dev/nvdio0n1, a controller's) or serial number"
EPILOG = """\
exit status: 0 done; 1 failed; 2 wrong arguments; 3 refused, because a disk is in use or has data
on it (nothing was changed); 4 no such device, or more than one; 130 interrupted. See nvdio(8)."""


class Parser(argparse.ArgumentParser):
    """Whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong, and ends the program."""
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(USAGE)


def version() -> str:
    """Of the module that is loaded, or that these tools were made with."""
    for path, pattern in ((Path("/sys/module/nvdio/version"), r"(.+)"),
                          (Path(__file__).parents[1] / "version", r"(.+)"),
                          (Path(__file__).parents[2] / "driver/main.c", r'MODULE_VERSION\("(.*)"\)')):
        try:
            found = re.search(pattern, path.read_text(encoding="utf-8"))
        except OSError:
            continue
        if found:
            return found[1]
    return "unknown (nvdio is not loaded)"


def seconds(text: str) -> float:
    """A time that is not too short for a table."""
    try:
        found = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds; a disk is given "
                                         "as --node NODE") from None
    if not 0.05 <= found <= 1e6:
        raise ValueError
    return found


def count(text: str) -> int:
    """How often."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def watchers(command: Callable[[str, str, str], Parser]) -> None:
    """Those that take a time."""
    sub = command("stat", "what disks do, each interval", """I/Os a second by path, MB/s, microseconds from
        doorbell to completion, commands in flight; doorbells and interrupts for each I/O, and resets, which
        are the controller's; waits for a tag; commands that were sent again; calls that got EAGAIN; errors.
        "-": the kernel does not say.""")
    sub.add_argument("--json", action="store_true", help="a line of JSON for each interval")
    sub.add_argument("--latency", action="store_true",
                     help="switch the kernel's latency histograms on meanwhile")
    sub.add_argument("--node", metavar="NODE", action="append", default=[],
                     help="only this one, or a controller's")
    sub.add_argument("seconds", metavar="SECONDS", nargs="?", type=seconds, default=1.0,
                     help="of an interval (1)")
    sub.add_argument("count", metavar="COUNT", nargs="?", type=count, help="end after so many")

    sub = command("latency", "how long I/Os take, by stage", """Switches the kernel's histograms on, and off
        again; prints them at the end.""")
    sub.add_argument("--json", action="store_true", help="for programs")
    sub.add_argument("--node", metavar="NODE", action="append", default=[],
                     help="only this one, or a controller's")
    sub.add_argument("seconds", metavar="SECONDS", nargs="?", type=seconds,
                     help="until Ctrl-C, if not given")


def parser() -> Parser:
    """All commands."""
    top = Parser("nvdio", description="Disks of the nvdio driver: list, bind, unbind, watch.", epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"nvdio {version()}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, text: str, more: str = "") -> Parser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}",
                                   epilog=EPILOG, allow_abbrev=False)

    sub = command("list", "NVMe controllers and disks, their drivers, and what uses them")
    sub.add_argument("--json", action="store_true", help="for programs")

    sub = command("bind", "give a controller to nvdio", """All its disks leave their present driver. Refused
        while one of them is mounted, used for swap, held by dm, md, LVM or ZFS, or open in a program, and if
        there is a file system, a partition table or the like on one of them.""")
    sub.add_argument("--persist", action="store_true", help="after each reboot, too")
    sub.add_argument("--wipe-ok", metavar="SERIAL", help="what is on the disks may be lost: repeat the "
                     "serial number. Nothing is wiped. What is in use is still refused")
    sub.add_argument("device", metavar="DEVICE", help=DEVICE)

    sub = command("unbind", "give a controller back to the nvme driver", "Also after a reboot.")
    sub.add_argument("--force", action="store_true", help="even if programs have its nodes open; they get "
                     "ENODEV")
    sub.add_argument("--keep", action="store_true", help="after a reboot, or \"restore\", it is nvdio's "
                     "again, if it was bound with --persist")
    sub.add_argument("device", metavar="DEVICE", help=DEVICE)

    sub = command("restore", "bind what was bound with --persist", "For udev, and after an upgrade.")
    sub.add_argument("address", metavar="ADDRESS", nargs="?", help="only this one")

    watchers(command)
    sub = command("regs", "registers of a controller, decoded")
    form = sub.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", default="text",
                      help="for programs")
    form.add_argument("--raw", dest="form", action="store_const", const="raw", help="all 4096 bytes")
    sub.add_argument("node", metavar="NODE", help="a controller that is bound to nvdio: /dev/nvdio0")
    return top


def run(args: argparse.Namespace) -> int:
    """One command."""
    match args.command:
        case "list":
            return listing.command(args.json)
        case "bind":
            return binding.bind(args.device, args.persist, args.wipe_ok)
        case "unbind":
            return binding.unbind(args.device, args.force, args.keep)
        case "restore":
            return binding.restore(args.address)
        case "stat":
            return stat.command(args.node, args.seconds, args.count, args.json, args.latency)
        case "latency":
            return latency.command(args.node, args.seconds, args.json)
        case _:
            return regs.command(args.node, args.form)


def main(argv: list[str]) -> int:
    """The program."""
    args = parser().parse_args(argv)
    # Names that others have chosen, on a terminal that has no such letters.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = run(args)
        sys.stdout.flush()
        return status
    except Failure as failure:
        sys.stdout.flush()
        for line in failure.lines:
            print(f"nvdio {args.command}: {line}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # Whoever read this wants no more of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # What nobody has thought of: a device that goes while it is looked at.
        print(f"nvdio {args.command}: {error}", file=sys.stderr)
        return FAILED
