"""Archives from outside, read without harm: within bounds, no path leads out, nothing is written and
nothing is followed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".gz", ".bz2", ".xz")
CANNOT_OPEN = {b"7z\xbc\xaf\x27\x1c": "7z", b"Rar!": "RAR"}
_LITTER = ("__macosx", ".ds_store", "thumbs.db", "desktop.ini", "__pycache__")
_CHUNK = 1 << 16
MAX_NOTES = 200
_FREE_OUTPUT = 8 << 20  # below this no ratio is suspicious: zeros compress a thousandfold


@dataclass(frozen=True)
class Bounds:
    """What an archive may hold, all archives inside it together; `archives` is how many those may be.

    `ratio` is unpacked to packed size of one member.
    """

    entries: int = 500
    file_bytes: int = 64 << 20
    total_bytes: int = 256 << 20
    ratio: int = 300
    depth: int = 3
    folders: int = 12
    archives: int = 50
    read_bytes: int = 512 << 20  # that come out of all of them, kept or not


@dataclass
class Unpacked:
    """The files of an archive by their safe path, and a sentence for all that was left out or mended."""

    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    total: int = 0  # bytes of the files that were kept
    read: int = 0  # bytes that came out of this archive and of those inside it, kept or not
    members: int = 0
    archives: int = 0

    def note(self, text: str) -> None:
        """Add a sentence, as long as somebody would read them all."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(text)
        elif len(self.notes) == MAX_NOTES:
            self.notes.append("more was left out or mended; it is not listed")


@dataclass(frozen=True)
class Entry:
    """One file of a large archive, to be read when its turn comes. `read` gives the bytes and a note, never
    raises.
    """

    path: str
    modified: datetime | None
    read: Callable[[], tuple[bytes | None, str]]


def archive_kind(data: bytes) -> str:
    """zip, gzip, bz2, xz, tar, or one that can't be opened here (7z, RAR); empty if it is no archive."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if data.startswith(b"\x1f\x8b"):
        return "gzip"
    if data.startswith(b"BZh"):
        return "bz2"
    if data.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if data[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in CANNOT_OPEN.items() if data.startswith(magic)), "")


def is_archive(path: str, data: bytes) -> bool:
    """Whether a handed-in file is an archive of files, by its first bytes; documents that are zips inside
    are not.
    """
    name = path.lower()
    return bool(archive_kind(data)) and (
        name.endswith((*SUFFIXES, ".7z", ".rar", ".ipynb")) or "." not in name.rsplit("/", 1)[-1]
    )


def safe_path(name: str, folders: int = Bounds.folders) -> str | None:
    """The path inside the hand-in, or None for one that leads out of it, is absolute, or has no name left."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return None
    parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".")]
    if not parts or ".." in parts or len(parts) > folders:
        return None
    cleaned = [_safe_part(p) for p in parts]
    return "/".join(cleaned) if all(cleaned) else None


def _safe_part(part: str) -> str:
    text = unicodedata.normalize("NFC", part.encode("utf-8", "replace").decode())
    text = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in text).strip().rstrip(".")
    while len(text.encode()) > 180:
        stem, dot, ending = text.rpartition(".")
        text = f"{stem[:-1]}.{ending}" if dot and len(stem) > 1 and len(ending) < 20 else text[:-1]
    return text if text != "~" else "_"


def is_litter(path: str) -> bool:
    """What operating systems and Jupyter add to archives by themselves."""
    parts = path.lower().replace("\\", "/").split("/")
    return any(p in _LITTER or p.startswith("._") or p == ".ipynb_checkpoints" for p in parts)


def unpack(data: bytes, name: str, bounds: Bounds | None = None, before: Unpacked | None = None) -> Unpacked:
    """All files of an archive, archives inside it included. Never raises: what can't be read is a note.

    What was read of archives of the same hand-in `before` counts in the bounds.
    """
    bounds = bounds or Bounds()
    found = Unpacked()
    if before is not None:
        found.read, found.members, found.archives = before.read, before.members, before.archives
    _unpack(data, name, "", bounds, 1, found)
    return found


def _unpack(data: bytes, name: str, inside: str, bounds: Bounds, depth: int, found: Unpacked) -> None:
    kind = archive_kind(data)
    if kind in CANNOT_OPEN.values():
        found.note(f"{name} is a {kind} archive, which can't be opened here: ask for a zip")
        return
    if not kind:
        found.note(f"{name} is not an archive")
        return
    found.archives += 1
    if found.archives > bounds.archives:
        found.note(f"{name} was left out: there are more than {bounds.archives} archives")
        return
    reader = _zip_files if kind == "zip" else _tar_files
    for path, content in reader(data, name, kind, bounds, found):
        found.members += 1
        found.read += len(content)
        if found.members > 4 * bounds.entries or found.read > bounds.read_bytes:
            found.note(f"{name} holds too much, archives inside it counted; the rest was left out")
            return
        if is_litter(path):
            continue
        safe = safe_path(path, bounds.folders)
        member = shown(path)
        if safe is None:
            found.note(f"{member} in {name} was left out: its path leads out of the hand-in")
            continue
        if len(found.files) >= bounds.entries:
            found.note(f"{name} holds more than {bounds.entries} files; the rest was left out")
            return
        if found.total + len(content) > bounds.total_bytes:
            found.note(f"{name} unpacks to more than {bounds.total_bytes >> 20} MB; the rest was left out")
            return
        where = f"{inside}/{safe}" if inside else safe
        if is_archive(safe, content):
            if depth >= bounds.depth:
                found.note(f"{member} in {name} was left out: archives lie too deep in archives")
                continue
            found.note(f"{member} was an archive inside an archive and was opened")
            _unpack(content, safe, where.rpartition("/")[0], bounds, depth + 1, found)
            continue
        if where in found.files:
            found.note(f"{member} occurs twice in {name}; the last one counts")
        found.files[where] = content
        found.total += len(content)


def without_common_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files with the one folder that holds them all taken away, as often as there is one."""
    while (
        files and all("/" in path for path in files) and len({path.split("/", 1)[0] for path in files}) == 1
    ):
        files = {path.split("/", 1)[1]: data for path, data in files.items()}
    return files


def shown(text: str) -> str:
    """A name from outside, as it may be printed on a terminal: short, and without control characters."""
    plain = "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


def _zip_files(
    data: bytes, name: str, kind: str, bounds: Bounds, found: Unpacked
) -> Iterator[tuple[str, bytes]]:
    if data.count(b"PK\x01\x02") > 20 * bounds.entries:
        found.note(f"{name} was left out: it holds many thousands of entries")
        return
    archive = _open_zip(io.BytesIO(data))
    if archive is None:
        found.note(f"{name} is a broken zip; what could be read of it was read")
        yield from _salvaged(data, bounds)
        return
    budget = bounds.total_bytes
    for info in _files_of(archive.infolist()[: 4 * bounds.entries]):
        path = zip_name(info)
        if is_litter(path):
            continue
        content, note = read_member(archive, info, bounds, min(budget, bounds.file_bytes))
        if note:
            found.note(f"{shown(path)} in {name} {note}")
        if content is not None:
            budget -= len(content)
            yield path, content


def _open_zip(file: io.BytesIO | str) -> zipfile.ZipFile | None:
    try:
        return zipfile.ZipFile(file)
    except (
        zipfile.BadZipFile,
        ValueError,
        OSError,
        struct.error,
        NotImplementedError,
        OverflowError,
        EOFError,
        UnicodeError,
    ):
        return None


def _files_of(members: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """Those members that are files; damage can leave one without a name, and that is none."""
    return [info for info in members if info.filename and not info.is_dir()]


def zip_name(info: zipfile.ZipInfo) -> str:
    """The member's name; UTF-8 that was not marked as such is read as UTF-8 all the same."""
    name = info.orig_filename.split("\0", 1)[0] if "\0" in info.orig_filename else info.filename
    if not info.flag_bits & 0x800:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name


def read_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, bounds: Bounds, room: int
) -> tuple[bytes | None, str]:
    """The bytes of one member, and what to say about it. Counts what comes out, whatever headers claim."""
    if info.flag_bits & 0x1:
        return None, "was left out: it is locked with a password"
    mode = info.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        return None, "was left out: it is a link or a device, not a file"
    data = bytearray()
    try:
        with archive.open(info) as stream:
            while piece := stream.read(_CHUNK):
                data += piece
                if len(data) > room:
                    return None, f"was left out: it is larger than {max(room, 1 << 20) >> 20} MB"
                if len(data) > _FREE_OUTPUT and len(data) > bounds.ratio * max(info.compress_size, 1):
                    return None, f"was left out: it unpacks to more than {bounds.ratio} times its size"
    except MemoryError:
        return None, "was left out: unpacking it takes too much memory"
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, lzma.LZMAError):
        return (
            (bytes(data), "is damaged; it was read as far as it goes")
            if data
            else (None, "is damaged and could not be read")
        )
    except (NotImplementedError, RuntimeError, ValueError, struct.error, OverflowError, UnicodeError):
        return None, "was left out: it is packed in a way that can't be opened here"
    return bytes(data), ""


_LOCAL = struct.Struct("<4s5H3L2H")


def _salvaged(data: bytes, bounds: Bounds) -> Iterator[tuple[str, bytes]]:
    """Files of a zip whose table of contents is lost, by the header before each of them."""
    position = count = 0
    room = bounds.total_bytes
    while count < bounds.entries and room > 0:
        position = data.find(b"PK\x03\x04", position)
        if position < 0 or position + _LOCAL.size > len(data):
            return
        count += 1
        _, _, flags, method, _, _, _, packed, _, name_length, extra = _LOCAL.unpack_from(data, position)
        start = position + _LOCAL.size + name_length + extra
        raw = data[position + _LOCAL.size : position + _LOCAL.size + name_length]
        position += 4
        name = raw.decode("utf-8", "replace")
        if flags & 0x1 or name.endswith("/") or start >= len(data):
            continue
        if method == 0:
            content = data[start : start + (packed or len(data))][: min(room, bounds.file_bytes)]
            position = start + packed
        elif method == 8:
            inflate = zlib.decompressobj(-15)
            try:
                content = inflate.decompress(
                    data[start : start + bounds.file_bytes], min(room, bounds.file_bytes)
                )
            except zlib.error:
                content = _inflate_what_goes(
                    data[start : start + bounds.file_bytes], min(room, bounds.file_bytes)
                )
            if inflate.eof:
                position = (
                    len(data) - len(inflate.unused_data) if start + bounds.file_bytes >= len(data) else start
                )
        else:
            continue
        if content:
            room -= len(content)
            yield name, content


def _inflate_what_goes(packed: bytes, room: int) -> bytes:
    inflate, out = zlib.decompressobj(-15), bytearray()
    try:
        for at in range(0, len(packed), 512):
            out += inflate.decompress(packed[at : at + 512], max(1, room - len(out)))
            if inflate.eof or len(out) >= room:
                break
    except zlib.error:
        pass
    return bytes(out)


def _tar_files(
    data: bytes, name: str, kind: str, bounds: Bounds, found: Unpacked
) -> Iterator[tuple[str, bytes]]:
    if kind != "tar":
        plain, note = _decompressed(data, kind, bounds)
        if note:
            found.note(f"{name} {note}")
        if plain is None:
            return
        found.read += len(plain)
        if archive_kind(plain) != "tar":
            inner = re.sub(r"\.(gz|bz2|xz)$", "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)
            yield (inner if inner != name else f"{inner}.unpacked"), plain
            return
        data = plain
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for count, member in enumerate(archive):
                if count >= 4 * bounds.entries:
                    found.note(f"{name} holds many thousands of entries; the rest was left out")
                    return
                if member.isdir() or is_litter(member.name):
                    continue
                if not member.isreg() or member.issparse():
                    found.note(
                        f"{shown(member.name)} in {name} was left out: it is a link or a device, not a file"
                    )
                    continue
                stream = archive.extractfile(member) if member.size <= bounds.file_bytes else None
                if stream is None:
                    found.note(
                        f"{shown(member.name)} in {name} was left out: it is larger than "
                        f"{bounds.file_bytes >> 20} MB"
                    )
                    continue
                yield member.name, stream.read(bounds.file_bytes)
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError, UnicodeError, RecursionError):
        found.note(f"{name} is a broken archive; what could be read of it was read")


def _decompressed(data: bytes, kind: str, bounds: Bounds) -> tuple[bytes | None, str]:
    file = io.BytesIO(data)
    openers: dict[str, Callable[[io.BytesIO], Any]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    out = bytearray()
    try:
        with openers[kind](file) as stream:
            while piece := stream.read(_CHUNK):
                out += piece
                if len(out) > bounds.total_bytes:
                    return None, f"was left out: it unpacks to more than {bounds.total_bytes >> 20} MB"
                if len(out) > _FREE_OUTPUT and len(out) > bounds.ratio * len(data):
                    return None, f"was left out: it unpacks to more than {bounds.ratio} times its size"
    except MemoryError:  # xz can ask for gigabytes in a few bytes
        return None, "was left out: unpacking it takes too much memory"
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError):
        return (
            (bytes(out), "is damaged; it was read as far as it goes")
            if out
            else (None, "is damaged and could not be read")
        )
    return bytes(out), ""


def class_entries(path: Path, bounds: Bounds, notes: list[str]) -> Iterator[Entry]:
    """The files of a whole class's archive, one at a time: only one is in memory. `notes` tells what was
    wrong with the archive.
    """
    archive = _open_zip(str(path))
    if archive is None:
        if path.stat().st_size > 2 << 30:
            notes.append(f"{path.name} is not a readable zip; download it again")
            return
        data = path.read_bytes()
        if archive_kind(data) in ("", "zip") and b"PK\x03\x04" not in data[:4]:
            notes.append(f"{path.name} is not a zip; download it again")
            return
        notes.append(
            f"{path.name} is broken; some hand-ins may be missing or cut off: download it "
            "again and collect once more"
        )
        for name, content in _salvaged(data, Bounds(entries=bounds.entries, total_bytes=8 << 30)):
            yield Entry(name, None, _given(content))
        return
    with archive:
        for info in _files_of(archive.infolist()):
            yield Entry(zip_name(info), _zip_time(info), _reader(archive, info, bounds))


def _given(content: bytes) -> Callable[[], tuple[bytes | None, str]]:
    return lambda: (content, "came from a broken archive")


def _reader(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, bounds: Bounds
) -> Callable[[], tuple[bytes | None, str]]:
    return lambda: read_member(archive, info, bounds, bounds.file_bytes)


def _zip_time(info: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*info.date_time)
    except ValueError:
        return None
