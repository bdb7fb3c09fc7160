"""Where the bytes of files are kept: a port, and the adapter that keeps them below a directory.

Contents are named by their SHA-256, so that the same one is kept once, whatever it is called. It is written to a draft
first and becomes visible under its name whole or not at all: whoever is killed in the middle leaves a draft, which is
swept away later. Times are told, not taken: they decide what is old enough to be swept.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from models.ids import new_id
from models.media import HEAD

PART = 256 * 1024
"""How many bytes are written or read at once, off the event loop."""


class FileMissing(Exception):
    """The store has no such content."""


@dataclass(slots=True)
class Draft:
    """A file while it comes in. Whoever leaves without keeping it has written nothing."""

    path: Path
    file: BinaryIO
    size: int = 0
    head: bytes = b""
    """How it begins: enough to tell what it is."""
    _sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _waiting: bytearray = field(default_factory=bytearray)

    @property
    def sha256(self) -> str:
        """Of all that was written; only after `finish`."""
        return self._sum.hexdigest()

    async def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self.head) < HEAD:
            self.head += chunk[: HEAD - len(self.head)]
        self._waiting += chunk
        if len(self._waiting) >= PART:
            await self._flush()

    async def finish(self) -> None:
        """Everything is on the disk when this returns."""
        await self._flush()
        await asyncio.to_thread(os.fsync, self.file.fileno())

    async def _flush(self) -> None:
        part, self._waiting = bytes(self._waiting), bytearray()
        await asyncio.to_thread(self._put, part)

    def _put(self, part: bytes) -> None:
        self._sum.update(part)
        self.file.write(part)
        self.file.flush()


class Reading(Protocol):
    """A content that is open."""

    async def part(self, start: int, size: int) -> bytes: ...


class FileStore(Protocol):
    """What the product asks of a place for files."""

    name: str

    def drafting(self, *, at: datetime) -> AbstractAsyncContextManager[Draft]: ...

    async def keep(self, draft: Draft, *, at: datetime) -> None:
        """Let the finished draft be the content of its SHA-256; one that is there already is as good, and new again."""

    def reading(self, sha256: str) -> AbstractAsyncContextManager[Reading]:
        """Raises `FileMissing` on entry. What is open can be read to its end although it is deleted meanwhile."""

    async def delete(self, sha256: str) -> None:
        """Nothing happens if it is not there."""

    def contents(self, *, before: datetime) -> AsyncIterator[list[str]]:
        """The SHA-256 of all that were kept before then, in groups."""

    async def delete_drafts(self, *, before: datetime) -> int:
        """Those that were begun before then and neither kept nor left: of whoever was killed. How many there were."""


@dataclass(frozen=True, slots=True)
class _OpenFile:
    descriptor: int

    async def part(self, start: int, size: int) -> bytes:
        return await asyncio.to_thread(os.pread, self.descriptor, min(size, PART), start)


class DirectoryFiles:
    """Files below a directory, which all processes of a deployment share."""

    name = "directory"

    def __init__(self, root: Path) -> None:
        self._root = root
        self._drafts = root / "drafts"

    @asynccontextmanager
    async def drafting(self, *, at: datetime) -> AsyncIterator[Draft]:
        draft = await asyncio.to_thread(self._begin, at)
        try:
            yield draft
        finally:
            draft.file.close()
            with suppress(FileNotFoundError):  # it was kept
                draft.path.unlink()

    async def keep(self, draft: Draft, *, at: datetime) -> None:
        await asyncio.to_thread(self._keep, draft, at)

    @asynccontextmanager
    async def reading(self, sha256: str) -> AsyncIterator[Reading]:
        try:
            descriptor = await asyncio.to_thread(os.open, self._place(sha256), os.O_RDONLY)
        except FileNotFoundError as error:
            raise FileMissing(sha256) from error
        try:
            yield _OpenFile(descriptor)
        finally:
            os.close(descriptor)

    async def delete(self, sha256: str) -> None:
        await asyncio.to_thread(self._place(sha256).unlink, missing_ok=True)

    async def contents(self, *, before: datetime) -> AsyncIterator[list[str]]:
        for group in await asyncio.to_thread(self._groups):
            names = await asyncio.to_thread(_older, group, before)
            if names:
                yield names

    async def delete_drafts(self, *, before: datetime) -> int:
        return await asyncio.to_thread(self._sweep, before)

    def _place(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256

    def _begin(self, at: datetime) -> Draft:
        self._drafts.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Its name says when: writing to it changes its time.
        path = self._drafts / f"{int(at.timestamp())}-{new_id().hex}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return Draft(path, os.fdopen(descriptor, "wb"))

    def _keep(self, draft: Draft, at: datetime) -> None:
        place = self._place(draft.sha256)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.utime(draft.path, (at.timestamp(), at.timestamp()))
        draft.path.replace(place)
        # The name itself has to reach the disk, too.
        directory = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _groups(self) -> list[Path]:
        if not self._root.is_dir():
            return []
        return sorted(path for path in self._root.iterdir() if len(path.name) == 2)

    def _sweep(self, before: datetime) -> int:
        if not self._drafts.is_dir():
            return 0
        begun = {path: int(path.name.partition("-")[0]) for path in self._drafts.iterdir()}
        outdated = [path for path, second in begun.items() if second < before.timestamp()]
        for path in outdated:
            path.unlink(missing_ok=True)
        return len(outdated)


def _older(directory: Path, before: datetime) -> list[str]:
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # another process was faster
                if entry.stat().st_mtime < before.timestamp():
                    found.append(entry.name)
    return found


def file_store_from(url: str, *, default: Path) -> FileStore:
    """`file:` keeps them in `default`, `file:/a/directory` there. Raises ValueError for anything else."""
    scheme, _, path = url.partition(":")
    if scheme != "file" or (path and not path.startswith("/")):
        raise ValueError(
            "FILES_URL must be file: or file: and a directory (for example file:/var/lib/skillsync/files)."
        )
    return DirectoryFiles(Path(f"/{path.lstrip('/')}") if path else default)
