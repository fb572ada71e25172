"""The version of the Plugin API, and the ranges of it that plugins work with.

The API is all that ``core`` offers in public. Its version has two numbers: the first one changes when a plugin may have
to change, too; the second one when something is added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import PluginError

PLUGIN_API_VERSION = "1.1"
"""Version of the Plugin API, as ``<first>.<second>``."""

_RANGE = re.compile(r">=(?P<first>[0-9]+(\.[0-9]+)?), ?<(?P<end>[0-9]+(\.[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class ApiRange:
    """Versions of the Plugin API that a plugin works with.

    Attributes:
        first: the oldest version, as two numbers.
        end: the first later version that is not among them.
    """

    first: tuple[int, int]
    end: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> ApiRange:
        """Read a range such as ``>=1.0,<2``; an absent second number is 0.

        Raises:
            PluginError: the text is not of this form, or no version lies in the range.
        """
        match = _RANGE.fullmatch(text)
        if match is None:
            raise PluginError(f"{text!r} is no range of versions; write the oldest and an end, such as '>=1.0,<2'")
        found = cls(_numbers(match["first"]), _numbers(match["end"]))
        if found.first >= found.end:
            raise PluginError(f"{text!r} holds no version; the end must be later than the oldest")
        return found

    def __contains__(self, version: str) -> bool:
        return self.first <= _numbers(version) < self.end


def _numbers(version: str) -> tuple[int, int]:
    first, _, second = version.partition(".")
    return int(first), int(second or 0)
