"""The families of workers that exist, as far as a server can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """How a worker speaks.

    Attributes:
        contiguous: commands are numbered on from the history's length; otherwise from 1 in each activation.
        says_suspend: an activation that waits ends with a SuspendWorkflow command.
        unknown_event_is: what an event of an unknown type is taken for.
        cancelled_timers_end: a cancelled timer ends the wait for it.
        repeats_clears: ClearState is sent again in every activation.
        terminal_alone: the batch that ends a workflow holds nothing but the terminal command.
        first_timer: the number of the first timer, and ``timer_prefix`` what stands before it.
    """

    name: str
    contiguous: bool = False
    says_suspend: bool = False
    unknown_event_is: str = "OPERATION_COMPLETED"
    cancelled_timers_end: bool = False
    repeats_clears: bool = True
    terminal_alone: bool = False
    first_timer: int = 0
    timer_prefix: str = "timer-"

    def timer_id(self, index: int) -> str:
        """Return the id of a workflow's n-th timer, counted from 0."""
        return f"{self.timer_prefix}{self.first_timer + index}"


RUST = Style(
    "rust",
    contiguous=True,
    says_suspend=True,
    unknown_event_is="WORKFLOW_STARTED",
    cancelled_timers_end=True,
    repeats_clears=False,
    first_timer=1,
    timer_prefix="sleep-",
)
FFI = Style("ffi")
NAPI = Style("napi", unknown_event_is="WORKFLOW_STARTED", terminal_alone=True)

STYLES = (RUST, FFI, NAPI)
