# SPDX-License-Identifier: Apache-2.0
"""Text files as spreadsheets and editors leave them: which encoding they are in. It does not know what they say."""

import logging
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE, getincrementaldecoder
from functools import lru_cache
from itertools import chain
from pathlib import Path

from crossmem_hf.errors import CrossmemError

logger = logging.getLogger(__name__)

_MARKS = {
    BOM_UTF8: "utf-8-sig",
    BOM_UTF32_LE: "utf-32",  # before UTF-16, with which it begins
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}
_NO_TEXT = {b"PK\x03\x04": "a ZIP archive, as Excel workbooks are", b"\xd0\xcf\x11\xe0": "an old Excel workbook"}
_WINDOWS = "cp1252"
_BLOCK = 1 << 20
_BAD = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, escaped
_NOT_ASCII = re.compile("[^\x00-\x7f\udc80-\udcff]")
_IMPOSSIBLE = re.compile("[\udc81\udc8d\udc8f\udc90\udc9d]|\udcff\udcfe|\udcfe\udcff")  # the last: joined files


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, or UTF-8, or UTF-16 without a mark, or else Windows-1252.

    The last is what Excel writes as plain CSV in Western Europe and America. That it was taken is logged as a warning,
    with a line to look at, because other old encodings look the same.

    Raises:
        CrossmemError: A workbook; a UTF-8 file with damaged places, the first of which is named; a byte that
            Windows-1252 does not have.
        OSError: The file cannot be read.
    """
    state = path.stat()
    return _encoding(path, state.st_mtime_ns, state.st_size)


def text_of(path: Path, *, windows: bool = True) -> str:
    """The whole of a text file, in its `encoding_of`.

    Args:
        windows: Whether it may be Windows-1252.

    Raises:
        CrossmemError: As `encoding_of`; or it would be Windows-1252 and may not.
        OSError: The file cannot be read.
        UnicodeDecodeError: It breaks the encoding that its byte order mark names.
    """
    state = path.stat()
    return path.read_text(encoding=_encoding(path, state.st_mtime_ns, state.st_size, windows=windows))


@lru_cache(maxsize=1024)
def report_once(path: Path, message: str) -> None:
    """Log a warning about a file; files are read twice, and nobody is told twice."""
    logger.warning("%s", message)


@lru_cache(maxsize=64)
def _encoding(path: Path, _changed: int, _size: int, *, windows: bool = True) -> str:
    with path.open("rb") as stream:
        start = stream.read(4096)
    for sign, what in _NO_TEXT.items():
        if start.startswith(sign):
            raise CrossmemError(f"{path.name!r} is {what}, and no text.", "Export it as CSV UTF-8.")
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    for encoding, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if 3 * zeros.count(0) > len(zeros) and 0 not in others:  # most letters of a header are ASCII
            return encoding
    return _of_bytes(path, windows=windows)


def _of_bytes(path: Path, *, windows: bool) -> str:
    """UTF-8 if it is; Windows-1252 if hardly any of it is."""
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    num_bad = num_other = line = 0
    with path.open("rb") as stream:
        blocks = iter(lambda: stream.read(_BLOCK), b"")
        for text in (decoder.decode(block, final=not block) for block in chain(blocks, [b""])):
            bad = _BAD.search(text)
            if not num_bad:
                line += text.count("\n", 0, bad.start() if bad else len(text))
            num_bad += len(_BAD.findall(text))
            num_other += len(_NOT_ASCII.findall(text))
            impossible = _IMPOSSIBLE.search(text)
            if impossible:
                before = text[max(0, impossible.start() - 20) : impossible.start()]
                raise CrossmemError(
                    f"{path.name!r} cannot be read: byte 0x{ord(impossible[0][0]) - 0xDC00:02x}, which stands after "
                    f"{before!r}, is neither UTF-8 nor Windows-1252.",
                    "Save the file as UTF-8.",
                )
    if not num_bad:
        return "utf-8"
    if num_other > num_bad or not windows:
        raise CrossmemError(
            f"{path.name!r} cannot be read: {num_bad} of its bytes are no UTF-8, the first in line {line + 1}.",
            "Correct that line, and save the file as UTF-8.",
        )
    _report_windows(path, line)
    return _WINDOWS


def _report_windows(path: Path, line: int) -> None:
    with path.open("rb") as stream:
        shown = next(text for number, text in enumerate(stream) if number == line)
    report_once(
        path,
        f"{path.name!r} is not UTF-8 and is read as Windows-1252. Its line {line + 1} is then "
        f"{shown.decode(_WINDOWS, 'replace').strip()[:60]!r}; if that is wrong, save the file as UTF-8.",
    )
