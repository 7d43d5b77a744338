"""Jobs as one sees them in a cell: ``wk.jobs()``, and the one that makes a dataset."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from wk_jupyter.client.connection import Connection, current
from wk_jupyter.client.listed import Listed, time_of
from wk_jupyter.errors import WkError

_POLL_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.5)


class Job:
    """Something that the server does in the background, such as a conversion."""

    def __init__(self, connection: Connection, told: Mapping[str, Any]) -> None:
        self._connection = connection
        self._told = dict(told)

    @property
    def id(self) -> str:
        return str(self._told["id"])

    @property
    def name(self) -> str:
        """By which ``wk.jobs()["…"]`` finds it: that of the dataset."""
        return self.dataset_name

    @property
    def state(self) -> str:
        """``pending``, ``running``, ``succeeded``, ``failed`` or ``cancelled``, when last asked."""
        return str(self._told["state"])

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return float(self._told["progress"])

    @property
    def message(self) -> str:
        """What is being done; of a failed job, why it failed."""
        error = self._told.get("error")
        return f"{error['message']} {error['hint']}".strip() if error else str(self._told["message"])

    @property
    def dataset_id(self) -> str | None:
        found: str | None = self._told["datasetId"]
        return found

    @property
    def dataset_name(self) -> str:
        return str(self._told["datasetName"])

    @property
    def created(self) -> dt.datetime | None:
        return time_of(self._told["created"])

    @property
    def log(self) -> str:
        """What the processes that did it have printed."""
        return str(self._connection.get(f"jobs/{self.id}").get("log") or "")

    @property
    def is_over(self) -> bool:
        return self.state in {"succeeded", "failed", "cancelled"}

    def refresh(self) -> Job:
        """Ask how far it is."""
        self._told = self._connection.get(f"jobs/{self.id}")
        return self

    def wait(self, timeout: float | None = None) -> Job:
        """Wait until it is over. Raises what it failed with; TimeoutError after ``timeout`` seconds."""
        started = time.monotonic()
        for _ in self.follow():
            if timeout is not None and time.monotonic() - started > timeout:
                raise TimeoutError(f"the job for {self.dataset_name!r} is not over after {timeout:g} s")
        self.raise_if_failed()
        return self

    def follow(self) -> Iterator[float]:
        """Yield how far it is, from 0 to 1, a few times a second until it is over."""
        turn = 0
        while not self.refresh().is_over:
            yield self.progress
            time.sleep(_POLL_SECONDS[min(turn, len(_POLL_SECONDS) - 1)])
            turn += 1

    def raise_if_failed(self) -> None:
        """Raise what it failed with."""
        if self.state == "failed":
            error = self._told["error"]
            raise WkError(error["message"], hint=f"{error['hint']} The files are kept: job.retry(…).".strip())
        if self.state == "cancelled":
            raise WkError(f"the job for {self.dataset_name!r} was cancelled.")

    def cancel(self) -> Job:
        """Stop it. What was uploaded is kept until the dataset is deleted."""
        self._told = self._connection.api("POST", f"jobs/{self.id}/cancel")
        return self

    def retry(self, **options: Any) -> Job:
        """Do it again, with options put right: ``voxelSize=(4, 4, 40)``, ``hints={"shape": …}``, …"""
        self._told = self._connection.api("POST", f"jobs/{self.id}/retry", body={"options": options})
        return self

    def _row(self) -> tuple[Any, ...]:
        return (self.dataset_name, self.state, f"{self.progress:.0%}", self.message, self.created, self.id)

    def __repr__(self) -> str:
        detail = f", {self.progress:.0%}" if self.state == "running" else ""
        reason = f": {self.message}" if self.message else ""
        return f"<Job for {self.dataset_name!r}, {self.state}{detail}{reason}>"


class Jobs(Listed[Job]):
    """One's own jobs, and those of the organization for who manages its datasets; the newest first."""

    _noun: ClassVar[str] = "job"
    _columns: ClassVar[tuple[str, ...]] = ("dataset", "state", "done", "what", "begun", "id")

    def _fetch(self) -> list[Job]:
        return [Job(self.connection, told) for told in self.connection.get("jobs")]


def jobs() -> Jobs:
    """Return the jobs that one may see."""
    return Jobs(current())
