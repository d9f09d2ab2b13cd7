"""Text files as people have them."""

from __future__ import annotations

import codecs
from pathlib import Path


class NotText(OSError):
    """It cannot be read as text."""


def read(path: Path) -> str:
    """UTF-8, or what Windows PowerShell writes: UTF-16 with its mark."""
    content = path.read_bytes()
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise NotText(f"{path}: is not UTF-8. Save it as UTF-8 (a spreadsheet: CSV UTF-8)") from None
