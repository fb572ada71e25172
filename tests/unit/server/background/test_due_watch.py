"""The leader's look at what is due: overdue work is done, busy work is tried again ever more rarely."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest

from server.background.due_watch import DueWatch
from server.storage.due import Outlook

DueIn = Mapping[str, float | None]


class Deployment:
    """A database with due work, touched by no other process: answers with ``moments``, then ends the watch.

    It records how long the watch slept between its looks.
    """

    def __init__(self, *moments: DueIn) -> None:
        self._moments: Iterator[DueIn] = iter(moments)
        self.done: list[str] = []
        self.slept: list[float] = []

    async def look(self) -> Outlook:
        """Say what is due, or end."""
        try:
            return Outlook(next(self._moments), is_work_pending=False)
        except StopIteration:
            raise EOFError from None

    async def timers(self) -> tuple[int, bool]:
        """Do one."""
        self.done.append("timers")
        return 1, False

    async def busy(self) -> tuple[int, bool]:
        """Do none: the rows are locked."""
        self.done.append("busy")
        return 0, True

    async def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Watch until the moments are used up, without sleeping."""

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(EOFError):
            await DueWatch(self.look, {"timers": self.timers, "busy": self.busy}, asyncio.Event()).run()


async def test_with_nothing_to_come_it_looks_when_it_must_announce_the_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause is the longest one, also when the next moment is far away."""
    deployment = Deployment({"timers": None, "busy": None}, {"timers": 3600.0, "busy": None})
    await deployment.run(monkeypatch)
    assert (deployment.done, deployment.slept) == ([], [2.0, 2.0])


async def test_it_sleeps_until_shortly_after_the_nearest_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the process that made it may do it first; what it did is not due any more."""
    deployment = Deployment(
        {"timers": 0.5, "busy": 1.0}, {"timers": None, "busy": 0.48}, {"timers": -0.01, "busy": None}
    )
    await deployment.run(monkeypatch)
    assert not deployment.done
    assert deployment.slept == pytest.approx([0.52, 0.5, 0.02])


async def test_overdue_work_is_done_and_looked_for_again_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be more of it."""
    deployment = Deployment({"timers": -5.0}, {"timers": -1.0}, {"timers": None})
    await deployment.run(monkeypatch)
    assert (deployment.done, deployment.slept) == (["timers", "timers"], [2.0])


async def test_work_that_stays_busy_is_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses double up to a second; other work shortens them again."""
    stuck: DueIn = {"busy": -5.0}
    deployment = Deployment(*[stuck] * 8, {"timers": -1.0, "busy": -5.0}, stuck)
    await deployment.run(monkeypatch)
    assert deployment.slept == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0, 0.02])
