# SPDX-License-Identifier: GPL-2.0
"""The part of lab/vm that runs inside the lab root: starts QEMU, carries the
command's output, watches the clock and the kernel's log.

usage: vm.py plan|run OPTIONS     (the options of lab/vm)

"plan" checks the options and writes into the file "plan" of the run's directory the kernel
that nvdio.ko has to be built for, or an empty line, the kernel that lab/arch has to provide,
or an empty line, and the directories to share; lab/vm sees to these on the host.
Directories as lab/sh mounts them: /src checkout, /build build cache, /lab whole cache.
"""

import contextlib
import os
import re
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

import arch
import options
import vfu
import watch
from initramfs import OWN_KERNELS, modules_of, own_kernel, read
from machine import Machine
from messages import LAB_ERROR, Fatal, say
from options import Options
from session import Action, Ending, Session, Verdict, judge
from stream import Stream

SHELL = """\
echo "nvdio lab, kernel $(uname -r). The checkout is here, in /src; \\"exit\\" leaves."
ls -d /sys/class/nvdio/* 2>/dev/null | sed 's|/sys/class/nvdio|  nvdio: /dev|'
ls /dev/nvme*n* /dev/ng* 2>/dev/null | sed 's|^|  stock: |'
exec bash -i
"""

# A file of the guest for each stream of the command, and one for messages to and from
# guest-init.
OUTPUTS = {"out": 1, "err": 2}
CONTROL = "ctl"


class Batch:
    """A machine that runs one command."""

    stdin: int | None = subprocess.DEVNULL
    qemu: list[str] = []

    def __init__(self, command: str) -> None:
        self.command = command

    def variables(self) -> dict[str, object]:
        """For guest-init."""
        return {"LAB_INTERACTIVE": ""}

    @contextlib.contextmanager
    def terminal(self) -> Iterator[None]:
        """Around the life of QEMU."""
        yield


class Shell(Batch):
    """A machine whose terminal is ours."""

    stdin = None
    qemu = ["-chardev", "stdio,id=tty,signal=off", "-device", "virtconsole,chardev=tty"]

    def __init__(self) -> None:
        super().__init__(SHELL)

    def variables(self) -> dict[str, object]:
        cols: object = ""
        rows: object = ""
        if sys.stdin.isatty():
            cols, rows = (n or "" for n in os.get_terminal_size(sys.stdin.fileno()))
        return {"LAB_INTERACTIVE": "1", "LAB_ROWS": rows, "LAB_COLS": cols,
                "LAB_TERM": os.environ.get("TERM", "vt100")}

    @contextlib.contextmanager
    def terminal(self) -> Iterator[None]:
        if not sys.stdin.isatty():
            yield
            return
        before: list[Any] = termios.tcgetattr(sys.stdin.fileno())
        try:
            yield
        finally:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def host_path(name: str) -> str:
    """A path that the caller gave, as it is inside the lab root."""
    path = os.path.normpath(os.path.join(os.environ["LAB_CWD"], name))
    for outside, inside in ((os.environ["LAB_TOP"], "/src"),
                            (os.environ["NVDIO_LAB"], "/lab"), ("/tmp", "/tmp")):
        if path == outside or path.startswith(outside + "/"):
            return inside + path[len(outside):]
    if path.startswith(("/src/", "/build/", "/lab/")):
        return path
    raise Fatal(f"{name}: must be in the checkout, in /tmp or in the lab's cache")


def kernel_version(name: str) -> str:
    """The release of the kernel that --kernel names."""
    if name in OWN_KERNELS:
        path = f"{own_kernel(name)}/version"
        if not os.path.exists(path):
            raise Fatal(f"there is no kernel {name!r}: lab/kernel-debug {name} makes it")
        return read(path).strip()
    if name in arch.KERNELS:
        return read(f"{arch.place()}/version").strip()
    known = sorted(os.listdir("/usr/lib/nvdio-lab/kernel"))
    if name not in known:
        raise Fatal(f"no kernel {name!r} in the lab (there are: {' '.join(known)})")
    return read(f"/usr/lib/nvdio-lab/kernel/{name}").strip()


def module_path(args: Options) -> str:
    """nvdio.ko as the guest sees it."""
    if args.ko is None:
        return os.environ["LAB_KO"]
    path = host_path(args.ko)
    if not path.startswith(("/src/", "/build/", "/lab/build/")):
        raise Fatal("--ko: the guest sees the checkout and the build cache only")
    return re.sub("^/lab/build/", "/build/", path)


def run_dir() -> str:
    return "/lab/run/" + os.environ["LAB_RUN_NAME"]


def write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data):]


class Console:
    """The kernel's log, which QEMU appends to a file."""

    def __init__(self, path: str, show: bool) -> None:
        with open(path, "wb"):
            pass
        self.file: BinaryIO = open(path, "rb")
        self.show = show
        self.log = b""

    def poll(self) -> bool:
        """Reads what is new, and prints it if asked for. False: nothing is."""
        data = self.file.read()
        if data and self.show:
            sys.stderr.buffer.write(data.replace(b"\r", b""))
            sys.stderr.buffer.flush()
        self.log += data
        return bool(data)

    def close(self) -> None:
        self.file.close()

    def lines(self) -> list[str]:
        return self.log.decode("utf-8", "replace").replace("\r", "").splitlines()


class Ports:
    """Our ends of the guest's ports: what arrives goes to the session."""

    def __init__(self, mark: bytes) -> None:
        self.ours: dict[str, socket.socket] = {}
        self.theirs: dict[str, socket.socket] = {}
        for name in (*OUTPUTS, CONTROL):
            self.ours[name], self.theirs[name] = socket.socketpair()
            self.theirs[name].set_inheritable(True)
        self.streams = {name: Stream(mark) for name in OUTPUTS}
        self.selector = selectors.DefaultSelector()
        for name, sock in self.ours.items():
            self.selector.register(sock, selectors.EVENT_READ, name)

    def close_theirs(self) -> None:
        for sock in self.theirs.values():
            sock.close()

    def open(self) -> bool:
        """Whether QEMU still holds a port."""
        return bool(self.selector.get_map())

    def complete(self) -> bool:
        return all(s.complete for s in self.streams.values())

    def poll(self, session: Session) -> None:
        """Waits a moment for something to arrive."""
        for key, _ in self.selector.select(0.2):
            name: str = key.data
            try:
                data = self.ours[name].recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                self.selector.unregister(key.fileobj)
            elif name == CONTROL:
                session.control(data, time.monotonic())
            else:
                write_all(OUTPUTS[name], self.streams[name].feed(data))
                session.output(time.monotonic())

    def send(self, word: str) -> bool:
        """A word for guest-init. False: it cannot be reached."""
        try:
            self.ours[CONTROL].send(word.encode() + b"\n")
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Once QEMU ended: what looked like the beginning of a mark was output."""
        for name, fd in OUTPUTS.items():
            write_all(fd, self.streams[name].rest())
        self.selector.close()
        for sock in self.ours.values():
            sock.close()


def serve(session: Session, ports: Ports, console: Console, qemu: subprocess.Popen[bytes]) -> None:
    """Carries data and obeys the session until QEMU ended or was killed."""
    while ports.open():
        ports.poll(session)
        now = time.monotonic()
        if console.poll():
            session.console(now)
        if session.wants_look(now):
            session.look(now, watch.threads_of(qemu.pid))
        for action in session.step(now, ports.complete()):
            if action == Action.KILL:
                qemu.kill()
                return
            if not ports.send(action.value) and action == Action.ASK_DUMP:
                session.unreachable()


def run_qemu(args: Options, kind: Batch, machine: Machine, ports: Ports, last: bool) -> Verdict:
    """One QEMU, from start to end."""
    console = Console(machine.console_log, args.console)
    qemu_err = os.path.join(machine.dir, "qemu.err")
    session = Session(args.timeout, args.quiet_limit, time.monotonic(), args.silent_limit)
    exit_status = None
    with kind.terminal():
        with open(qemu_err, "wb") as err:
            qemu = subprocess.Popen(
                machine.qemu, stderr=err, stdin=kind.stdin,
                pass_fds=[s.fileno() for s in ports.theirs.values()])
        ports.close_theirs()
        try:
            serve(session, ports, console, qemu)
            with contextlib.suppress(subprocess.TimeoutExpired):
                exit_status = qemu.wait(10)
        finally:
            if qemu.poll() is None:
                qemu.kill()
            qemu.wait()
    ports.close()
    console.poll()
    console.close()
    if args.times and session.ready_at and session.told_at:
        say(f"boot {session.ready_at - session.start:.1f} s, "
            f"command {session.told_at - session.ready_at:.1f} s, "
            f"shutdown {time.monotonic() - session.told_at:.1f} s, "
            f"longest silence {session.longest_silence():.0f} s of processor time")
    ending = Ending(session.stage, session.status, session.given_up,
                    None if session.given_up else exit_status)
    return judge(ending, session, console.lines(), read(qemu_err).splitlines(),
                 args.allow_log, last)


def start(args: Options, kind: Batch, machine: Machine, ko: str, last: bool) -> Verdict:
    """One machine, from start to end."""
    mark = secrets.token_hex(16)
    ports = Ports(b"\0" + mark.encode())
    machine.build(ports.theirs, kind.qemu)
    machine.write_initrd({
        "LAB_MARK": mark,
        "LAB_NVDIO_SLOTS": " ".join(machine.nvdio_slots),
        "LAB_PEER_SLOT": machine.peer_slot,
        "LAB_SHARES": " ".join(machine.shares),
        "LAB_NVME_ARGS": args.peer_args,
        "LAB_LOAD": "" if args.no_module or args.system else "1",
        "LAB_SYSTEM": "1" if args.system else "",
        "LAB_MODARGS": args.modargs,
        "LAB_MAY_FAIL": "1" if args.may_fail else "",
        "LAB_MODULES": modules_of(machine.version),
        "LAB_COVERAGE": os.environ.get("NVDIO_COVERAGE", ""),
        "NVDIO_KO": ko,
        "NVDIO_VFU": machine.vfu_programs,
        **kind.variables(),
    }, kind.command)
    return run_qemu(args, kind, machine, ports, last)


def run(args: Options) -> int:
    """The machine, and a second one if the first did not come up."""
    version = kernel_version(args.kernel)
    ko = module_path(args)
    keep_log = host_path(args.keep_log) if args.keep_log else None
    kind = Shell() if args.run is None else Batch(args.run)
    for last in (False, True):
        if args.system:
            args.system = host_path(args.system)
        machine = Machine(args, run_dir(), version)
        try:
            verdict = start(args, kind, machine, ko, last)
        finally:
            for line in vfu.stop(machine.vfus):
                say(line)
            if keep_log and os.path.exists(machine.console_log):
                shutil.copyfile(machine.console_log, keep_log)
            machine.remove_temp_files()
        for message, shown in verdict.messages:
            say(message)
            for line in shown:
                print(f"  | {line}", file=sys.stderr)
        if not verdict.again:
            break
        # tests/run looks for this line.
        say(f"started once more: {verdict.again}")
    return verdict.status


def plan(args: Options) -> int:
    """Writes which kernel the module is to be built for."""
    other = args.kernel in arch.KERNELS
    if not other:
        kernel_version(args.kernel)
    with open(f"{run_dir()}/plan", "w", encoding="utf-8") as f:
        print(args.kernel if args.builds_module else "", file=f)
        print(args.kernel if other else "", file=f)
        for path in args.share:
            print(os.path.normpath(os.path.join(os.environ["LAB_CWD"], path)), file=f)
    return 0


def main() -> int:
    mode, *argv = sys.argv[1:]
    args = options.parse(argv)
    # The PID namespace makes this the end of everything that was started here.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return {"plan": plan, "run": run}[mode](args)
    except Fatal as e:
        say(str(e))
        return LAB_ERROR


if __name__ == "__main__":
    sys.exit(main())
