"""Who runs jobs is known to be gone when its process is; of others nothing is claimed."""

from __future__ import annotations

import subprocess
import sys

from wk_jupyter.store.runner_names import is_gone, own_name

SCRIPT = "from wk_jupyter.store.runner_names import own_name; print(own_name(), flush=True); input()"


def test_a_process_that_ended_is_gone_even_before_anybody_has_waited_for_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert not is_gone(f"{name}:0")
        process.kill()
        assert process.stdout.read() == ""  # closed: it is dead, and still a zombie
        while not is_gone(f"{name}:0"):  # its pipes close a moment before it is
            pass
    assert is_gone(f"{name}:0")


def test_one_that_lives_is_not_gone_and_names_differ() -> None:
    assert not is_gone(own_name())
    assert own_name() != own_name()


def test_another_process_of_the_same_id_is_not_taken_for_it() -> None:
    machine, pid, started, token = own_name().split(":")
    assert is_gone(f"{machine}:{pid}:{int(started) - 1}:{token}:0")


def test_of_other_machines_and_of_names_that_say_nothing_nothing_is_known() -> None:
    machine, _, started, token = own_name().split(":")
    assert not is_gone(f"elsewhere/{machine}:999999999:{started}:{token}:0")
    assert is_gone(f"{machine}:999999999:{started}:{token}:0")
    for name in ("", "a runner", f"{machine}:x:y:z", "host:12:abcd:0"):
        assert not is_gone(name)
