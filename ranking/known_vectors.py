"""Vectors that were computed before: the newest in memory, and all of them in a file that the next start reads.

Computing costs 10 to 70 ms a text, which is an hour for a market of 100,000. The file holds numbers under the SHA-256 of what they
were made of, no text; it may be lost or deleted at any time, which costs that time again. Several processes share it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ranking.embedding import DIMENSIONS, WEIGHTS_SHA256, Encoder, Floats

IN_MEMORY = 20_000
MOST_KEPT = 250_000
"""In the file, 1.6 KB each; beyond that the older half is forgotten."""
TOKENS = 128
COMPUTATION = 1
"""Counted up when ranking/embedding.py makes other numbers of the same text."""
_PREFIX = "meanings-"
_NAME = f"{_PREFIX}{WEIGHTS_SHA256[:12]}-{COMPUTATION}.bin"
_RECORD = np.dtype([("key", "V32"), ("vector", "<f4", (DIMENSIONS,)), ("check", "<u4")])
_log = logging.getLogger(__name__)


class VectorFile:
    """Records of one size, appended: key, vector, checksum. Whatever is wrong with the file is told in the log, and then nothing
    more is known; a record that is damaged is none."""

    def __init__(self, directory: Path, *, most: int = MOST_KEPT) -> None:
        self._path = directory / _NAME
        self._most = most
        self._file: int | None = None
        self._places: dict[bytes, int] = {}
        self._seen = 0
        """How many records were looked at."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for old in directory.glob(f"{_PREFIX}*"):
                if old.name != _NAME:
                    old.unlink(missing_ok=True)
            self._open()
        except OSError as error:
            self._give_up(error)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        try:
            return self._found(keys) if keys else {}
        except (OSError, ValueError) as error:
            self._give_up(error)
            return {}

    def keep(self, vectors: Mapping[bytes, Floats]) -> None:
        content = np.zeros(len(vectors), _RECORD)
        content["key"] = np.frombuffer(b"".join(vectors), "V32")
        content["vector"] = np.stack(list(vectors.values()))
        content["check"] = [_check(key, vector) for key, vector in vectors.items()]
        try:
            self._append(content.tobytes())
        except (OSError, ValueError) as error:
            self._give_up(error)

    def _found(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        if self._file is None or not (file := self._look()):
            return {}
        found = {}
        for key in keys:
            place = self._places.get(key)
            if place is not None:
                content = os.pread(file, _RECORD.itemsize, place * _RECORD.itemsize)
                if len(content) < _RECORD.itemsize:
                    continue  # somebody shortened it where it lies
                (record,) = np.frombuffer(content, _RECORD)
                if record["key"].tobytes() == key and record["check"] == _check(key, record["vector"]):
                    found[key] = np.array(record["vector"], np.float32)
        return found

    def _append(self, content: bytes) -> None:
        if self._file is None:
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        while not self._is_current():  # another process shortened it meanwhile
            self._open()
            fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._file).st_size
            if size % _RECORD.itemsize:  # whoever wrote last was ended while writing
                size -= size % _RECORD.itemsize
                os.ftruncate(self._file, size)
            _write_all(self._file, content)
            if (size + len(content)) // _RECORD.itemsize > self._most:
                self._shorten()
        finally:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _look(self) -> int | None:
        """Read the keys of what was written since the last time, by whichever process."""
        if not self._is_current():
            self._open()
        assert self._file is not None
        count = os.fstat(self._file).st_size // _RECORD.itemsize
        if count < self._seen:
            self._places, self._seen = {}, 0
        if count > self._seen:
            # By the descriptor: another file may be at the path by now.
            content = mmap.mmap(self._file, count * _RECORD.itemsize, access=mmap.ACCESS_READ)
            records = np.frombuffer(content, _RECORD)
            for place in range(self._seen, count):
                self._places[records["key"][place].tobytes()] = place
            self._seen = count
        return self._file

    def _shorten(self) -> None:
        """Leave the newer half, in a file of its own, so that nobody who reads the old one is disturbed."""
        assert self._file is not None
        count = os.fstat(self._file).st_size // _RECORD.itemsize
        kept = max(1, self._most // 2)
        records = np.memmap(self._path, _RECORD, "r", shape=(count,))
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(records[count - kept :].tobytes())
        draft.replace(self._path)

    def _is_current(self) -> bool:
        try:
            return self._file is not None and os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._places, self._seen = {}, 0

    def _give_up(self, error: Exception) -> None:
        _log.warning("vectors are not kept any longer: %s", error)
        if self._file is not None:
            os.close(self._file)
            self._file = None


class KnownVectors:
    """An encoder that remembers: what was asked before is computed once. `found` counts what the file knew."""

    def __init__(self, encoder: Encoder, file: VectorFile | None = None) -> None:
        self._encoder = encoder
        self._file = file
        self._known: OrderedDict[bytes, Floats] = OrderedDict()
        self.found = 0

    def recall(self, texts: Sequence[str], *, tokens: int = TOKENS) -> list[Floats | None]:
        """Those that are known, without computing any."""
        keys = [_key(text, tokens) for text in texts]
        known = self._recalled(keys)
        return [known.get(key) for key in keys]

    def encode(self, texts: Sequence[str], *, tokens: int = TOKENS) -> Floats:
        keys = [_key(text, tokens) for text in texts]
        known = self._recalled(keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            made = dict(zip(new, self._encoder.encode(list(new.values()), tokens=tokens), strict=True))
            if self._file is not None:
                self._file.keep(made)
            self._remember(made)
            known |= made
        return np.stack([known[key] for key in keys])

    def _recalled(self, keys: Sequence[bytes]) -> dict[bytes, Floats]:
        known = {}
        for key in dict.fromkeys(keys):
            if key in self._known:
                self._known.move_to_end(key)
                known[key] = self._known[key]
        if self._file is not None:
            kept = self._file.find([key for key in dict.fromkeys(keys) if key not in known])
            self.found += len(kept)
            self._remember(kept)
            known |= kept
        return known

    def _remember(self, vectors: dict[bytes, Floats]) -> None:
        self._known |= vectors
        while len(self._known) > IN_MEMORY:
            self._known.popitem(last=False)


def _key(text: str, tokens: int) -> bytes:
    return hashlib.sha256(f"{tokens}\0{text}".encode(errors="surrogatepass")).digest()


def _check(key: bytes, vector: Floats) -> int:
    return zlib.crc32(np.ascontiguousarray(vector, "<f4").tobytes(), zlib.crc32(key))


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
