"""Prints which edition a container image holds; a free choice of plugins is written into the menu first.

The image's build works on a copy of the repository, so the menu of the checkout stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from editions.toolchain.json_fault import fault

CUSTOM = "custom"
"""The name of the edition of a free choice."""

NO_CHOICE = "none"


class ChoiceError(ValueError):
    """The choice cannot be built; the message says what to write instead."""


def choose(menu: dict[str, Any], edition: str, plugins: str) -> str:
    """Return the name of the edition to build; ``menu`` has an entry for it afterwards.

    Args:
        menu: the content of editions.json.
        edition: an edition of the menu; it does not count beside a free choice.
        plugins: labels separated by commas, or ``none``.

    Raises:
        ChoiceError: the menu has no such edition, or what is listed are no labels.
    """
    editions = menu["editions"]
    if plugins == NO_CHOICE:
        if edition not in editions:
            raise ChoiceError(f"EDITION is {edition!r}, but editions/editions.json has {', '.join(sorted(editions))}")
        return edition
    labels = [label.strip() for label in plugins.split(",") if label.strip()]
    wrong = [label for label in labels if "//" not in label]
    if wrong or not labels:
        problem = f"{wrong[0]!r} is no label" if wrong else "it is empty"
        raise ChoiceError(f"PLUGINS is {plugins!r}, and {problem}; write //plugins/jwt,//plugins/audit_log or none")
    editions[CUSTOM] = {"description": f"Chosen for one image: {', '.join(labels)}", "plugins": labels}
    return CUSTOM


def main(arguments: list[str]) -> int:
    """Run in the build of an image; 1 and one message when there is nothing to build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--menu", type=Path, default=Path("editions/editions.json"))
    parser.add_argument("--edition", required=True)
    parser.add_argument("--plugins", required=True)
    options = parser.parse_args(arguments)
    text = options.menu.read_text(encoding="utf-8")
    broken = fault(text)
    if broken:
        print(f"{options.menu}:{broken}", file=sys.stderr)
        return 1
    menu = json.loads(text)
    try:
        chosen = choose(menu, options.edition, options.plugins)
    except ChoiceError as error:
        print(error, file=sys.stderr)
        return 1
    options.menu.write_text(json.dumps(menu, indent=2) + "\n", encoding="utf-8")
    print(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
