"""Answers of a megabyte are made in memory that the process has already."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from wk_jupyter.store.allocator import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(7)
def answer():
    whole = b"".join([bytearray(32_000) for _ in range(32)])
    return len(b"head" + whole)
answer()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    answer()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 7:
        pytest.skip("this C library has no settings for its allocator")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_used_again() -> None:
    pages = 3 * 32 * 32_000 // 4096  # of one answer and what it is made of
    assert page_faults("keep") < 5 * pages  # 100 answers; all of them mapped anew are 100 times that
