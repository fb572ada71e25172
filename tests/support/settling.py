"""Waiting until nothing moves, in place of a number of turns of the event loop."""

from __future__ import annotations

import asyncio


async def settle() -> None:
    """Wait until every other task waits for an event, a time or the outside: each has run as far as it can.

    A number of turns (``asyncio.sleep(0)``) would depend on how many awaits the tested code has. A task that never
    stops running, such as a second one that settles, would make this wait forever.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)
    while loop._ready:  # type: ignore[attr-defined]
        await asyncio.sleep(0)
