"""Runs every check and every test, each in a process of its own, and says at the end how each one ended.

python scripts/check.py all     everything, going on after a failure
python scripts/check.py lint    formats, lint and types only
"""

# ruff: noqa: T201, INP001 - a script, which talks
from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Step:
    """One command; ``closing`` finds the line of its output in which the runner sums up."""

    name: str
    command: tuple[str, ...]
    closing: str = r"\S"


def pytest(name: str, *arguments: str) -> Step:
    return Step(
        name, (f"{BIN}/python", "-m", "pytest", *arguments), r"^=+ .*(passed|failed|error|skipped|no tests)"
    )


def npm(name: str, script: str, closing: str = r"\S") -> Step:
    return Step(name, ("npm", "--prefix", "js", "run", "--silent", script), closing)


LINT = (
    Step("ruff check", (f"{BIN}/ruff", "check"), r"^(All|Found)"),
    Step("ruff format", (f"{BIN}/ruff", "format", "--check")),
    Step("mypy", (f"{BIN}/mypy",), r"^(Success|Found)"),
    npm("tsc, biome", "check", r"^(Checked|Found|src/.*error)"),
)
# pytest-jupyter and Playwright each want the event loop of their process: they never share one.
TESTS = (
    npm("vitest", "test", r"^Tests "),
    npm("vitest browser", "test:browser", r"^Tests "),
    pytest("pytest", "tests", *(f"--ignore=tests/{part}" for part in ("server_ext", "e2e", "peers"))),
    pytest("pytest server", "-p", "pytest_jupyter.jupyter_server", "tests/server_ext"),
    pytest("pytest e2e", "tests/e2e"),
    pytest("pytest peers", "tests/peers"),
)


def run(step: Step) -> tuple[bool, str]:
    """Run a step, passing its output on as it comes. Returns whether it passed, and its closing line."""
    print(f"\n── {step.name}: {' '.join(step.command)}", flush=True)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(  # noqa: S603 - the commands of this file
        step.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    closing = "no output"
    for line in process.stdout or ():
        print(line, end="", flush=True)
        plain = _STYLE.sub("", line).strip()
        if re.search(step.closing, plain):
            closing = plain
    return process.wait() == 0, closing


def main() -> int:
    wanted = {"lint": LINT, "all": LINT + TESTS}.get(" ".join(sys.argv[1:]))
    if wanted is None:
        print(__doc__)
        return 2
    started = time.monotonic()
    ended = [(step, *run(step)) for step in wanted]
    print(f"\n── How each ended, after {time.monotonic() - started:.0f} s")
    for step, passed, closing in ended:
        print(f"{'ok  ' if passed else 'FAIL'} {step.name:<14} {closing}")
    return 0 if all(passed for _, passed, _ in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
