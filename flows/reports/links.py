"""Where a page of the site lies: safe file names for ids that may hold anything.

A name is what is plain in the id, for people, and a digest of all of it, so that two ids never
share a page and no id can lead out of the folder.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from markupsafe import Markup

FOLDERS = ("clinics", "protocols", "rules", "sessions")
_PLAIN = re.compile(r"[^a-z0-9]+")
_LONGEST = 40


@lru_cache(maxsize=4096)
def page_of(folder: str, *ids: str) -> str:
    """The page of a clinic, protocol, rule (protocol, rule) or session (clinic, session), from the
    site's root; `folder` is one of FOLDERS."""
    if folder not in FOLDERS:
        raise ValueError(f"{folder} is no folder of the site")
    digest = hashlib.blake2b("\x1f".join(ids).encode(), digest_size=5).hexdigest()
    plain = _PLAIN.sub("-", " ".join(ids).lower()).strip("-")[:_LONGEST].strip("-")
    return f"{folder}/{plain}-{digest}.html" if plain else f"{folder}/{digest}.html"


@lru_cache(maxsize=4096)
def link(root: str, page: str, text: str) -> Markup:
    """A link to a page of the site; `root` leads up to the site's root from where the link is."""
    return Markup('<a href="{}{}">{}</a>').format(root, page, text)
