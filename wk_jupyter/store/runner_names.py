"""Names of those who run jobs: others on the same machine see by them that one is gone."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from functools import cache
from pathlib import Path
from typing import Final

_STATE, _STARTED = 0, 19  # of the fields after the name of the program in /proc/<pid>/stat
_DEAD: Final = frozenset("ZX")


def own_name() -> str:
    """Return a new name for a runner of this process: the machine, the process, and a random part."""
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_started(pid)}:{secrets.token_hex(4)}"


def is_gone(name: str) -> bool:
    """Whether the process of a runner is known to be dead: it ran on this machine, and runs no more.

    Of other machines and containers nothing is known, nor where the system has no /proc.
    """
    machine, _, rest = name.partition(":")
    pid, _, rest = rest.partition(":")
    started = rest.partition(":")[0]
    if not _machine() or machine != _machine() or not pid.isdecimal() or not started:
        return False
    return _started(int(pid)) != started


@cache
def _machine() -> str:
    """This start of this machine, and the container in which process ids mean something; "": unknown."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        container = Path("/proc/self/ns/pid").readlink().name.strip("pid:[]")
        return f"{socket.gethostname()[:64].replace(':', '_')}/{boot}/{container}"
    return ""


def _started(pid: int) -> str:
    """Return when a process began, so that another with its id is not taken for it; "": it is dead."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[_STATE] in _DEAD else fields[_STARTED]
    return ""
