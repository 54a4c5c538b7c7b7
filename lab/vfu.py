# SPDX-License-Identifier: GPL-2.0
"""The --vfu part of lab/vm: NVMe controllers that are processes of their own
(lab/vfu), attached to QEMU by vfio-user. Runs inside the lab root, as vm.py does.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import subprocess
from dataclasses import dataclass

from messages import Fatal

# The backport, which has vfio-user-pci; the root's own QEMU has not (lab/root-hook).
QEMU = "/usr/lib/nvdio-lab/qemu-vfu/usr"


@dataclass
class Controller:
    """A controller's process, and where its complaints go."""

    process: subprocess.Popen[bytes]
    log: str


def programs() -> str:
    """Compiles lab/vfu, unless it is; where the programs are, here and in the guest."""
    checkout = hashlib.sha256(os.environ["LAB_TOP"].encode()).hexdigest()[:8]
    place = f"/build/{checkout}/vfu"
    os.makedirs(place, exist_ok=True)
    with open(place + "/.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(["make", "-s", "-C", "/src/lab/vfu", "O=" + place],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode:
        raise Fatal("lab/vfu does not compile:\n" + made.stdout.decode())
    return place


def check(place: str, script: str) -> None:
    """Is it a script? Said before the machine starts, which would be tried twice."""
    done = subprocess.run([place + "/controller", "check", script], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise Fatal("--vfu: " + done.stdout.decode().strip())


def machine_arguments(mem: str) -> list[str]:
    """QEMU's arguments for a machine whose memory other processes can map."""
    return ["-object", f"memory-backend-memfd,id=mem,size={mem},share=on",
            "-machine", "memory-backend=mem",
            "-L", QEMU + "/share/qemu", "-L", "/usr/share/seabios"]


def qemu() -> str:
    """The program to start instead of the root's own QEMU."""
    return QEMU + "/bin/qemu-system-x86_64"


def start(place: str, run_dir: str, number: int, script: str) -> tuple[Controller, str]:
    """Starts a controller that carries @script out; returns it and its socket's path."""
    path = f"{run_dir}/vfu{number}"
    if os.path.exists(path):
        os.unlink(path)
    log = path + ".log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, open(log, "wb") as err:
        listener.bind(path)
        # It listens before QEMU starts: there is nothing to wait for.
        listener.listen(1)
        process = subprocess.Popen(
            [place + "/controller", str(listener.fileno()), f"set serial {number};" + script],
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    return Controller(process, log), path


def device(number: int, bus: str, path: str) -> list[str]:
    """QEMU's arguments for a controller on @bus, as Machine.root_port() names it."""
    bus, _, addr = bus.partition(",addr=")
    return ["-device", json.dumps({"driver": "vfio-user-pci", "id": f"vfu{number}", "bus": bus,
                                   "socket": {"type": "unix", "path": path},
                                   **({"addr": addr} if addr else {})})]


def stop(controllers: list[Controller]) -> list[str]:
    """Ends controllers whose QEMU has ended; what they have complained of."""
    said = []
    for c in controllers:
        try:
            status = c.process.wait(5)
        except subprocess.TimeoutExpired:
            # QEMU has not even connected.
            c.process.kill()
            c.process.wait()
            status = 0
        with open(c.log, encoding="utf-8", errors="replace") as f:
            said += f.read().splitlines()
        if status:
            said.append(f"the controller of --vfu ended with status {status}")
    return said
