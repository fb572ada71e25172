"""Names licences by their SPDX ids where their authors use other words for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_WORDS = {
    "0bsd": "0BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-3-clause license": "BSD-3-Clause",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "isc license (iscl)": "ISC",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd license": "BSD-3-Clause",
    "python software foundation license": "PSF-2.0",
    "the mit license": "MIT",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng license": "Zlib",
}
"""SPDX ids by words that mean one licence, in small letters and without commas."""

_BSD = {"bsd", "bsd license"}
"""Words for several licences, which only the text tells apart."""


def named(words: str, texts: Iterable[str] = ()) -> str:
    """Return the SPDX id that the words mean, given the licence's texts; the words themselves when that is unknown."""
    key = re.sub(r"\s+", " ", words.replace(",", "")).strip().lower()
    if key in _BSD:
        return next(filter(None, map(_bsd, texts)), words)
    return _WORDS.get(key, words)


def all_of(licenses: Sequence[str]) -> str:
    """Return licences as one expression if each is an SPDX id, else as a list of words."""
    # classifiers do not say whether one licence suffices; all of them do in any case
    return (" AND " if set(licenses) <= set(_WORDS.values()) else ", ").join(licenses)


def _bsd(text: str) -> str:
    plain = re.sub(r"\s+", " ", text).lower()
    if "redistributions in binary form must reproduce" not in plain:
        return ""
    return "BSD-3-Clause" if "neither the name" in plain or "may not be used to endorse" in plain else "BSD-2-Clause"
