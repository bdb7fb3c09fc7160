"""Models as files: text with checksums, never code. A version is a directory that is written whole or not at all.

<root>/<version>/manifest.json   what it is: when, from which data, what it reached, with which libraries, SHA-256 of each file
<root>/<version>/head-0.txt …    LightGBM's own text format
<root>/CURRENT                   the version in use with the SHA-256 of its manifest; rolling back is writing another one here

Nothing is ever unpickled. What the manifest does not name is not read, and what differs from it is not used.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from ranking.learning import Learned, Training
from ranking.trees import Trees

CURRENT, MANIFEST, LOCK = "CURRENT", "manifest.json", "LOCK"
FORMAT = 2
LIBRARIES = ("lightgbm", "numpy", "scipy", "scikit-learn")
KEPT = 10
"""Versions; older ones are deleted when another is written, but never the one in use."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_FILE = re.compile(r"head-[0-9]\.txt")
log = logging.getLogger(__name__)


class ArtifactDamaged(Exception):
    """A file is missing, of another format, or not what its checksum says."""


class NothingToRollBackTo(Exception):
    """No version was written before the one in use."""


@dataclass(frozen=True, slots=True)
class Span:
    """What a model was trained on: from and until when (days, as `Gig.at`), and how much."""

    first: float = 0.0
    last: float = 0.0
    gigs: int = 0
    outcomes: int = 0
    people: int = 0


@dataclass(frozen=True, slots=True)
class Artifact:
    """`made_at` is a time as text, for people; `libraries` are the versions it was made with."""

    version: str
    training: Training
    made_at: str = ""
    span: Span = Span()
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def trees(self) -> Trees:
        order = self.training.order
        if not isinstance(order, Learned):
            raise ValueError("only what was learnt is kept; other orders need no files")
        return order.trees


def save(root: Path, artifact: Artifact) -> None:
    """Write the version whole, then make it the current one. Whether it is better was asked before (ranking/training.py)."""
    trees = artifact.trees
    if not _VERSION.fullmatch(artifact.version):
        raise ValueError(f"{artifact.version!r} is no name of a version")
    files = {f"head-{number}.txt": text.encode() for number, text in enumerate(trees.texts)}
    span = artifact.span
    manifest = {
        "format": FORMAT,
        "version": artifact.version,
        "made_at": artifact.made_at,
        "data": {name: getattr(span, name) for name in Span.__slots__},
        "reached": artifact.training.reached,
        "measured": artifact.training.measured,
        "libraries": {"python": sys.version.split()[0], **{name: version_of(name) for name in LIBRARIES}},
        "model": {
            "names": trees.names,
            "low": trees.low,
            "high": trees.high,
            "weights": [weight for weight, _ in trees.boosters],
        },
        "files": {name: _digest(content) for name, content in files.items()},
    }
    with _alone(root):
        home, draft = root / artifact.version, root / f".{artifact.version}.new"
        if home.exists():
            raise FileExistsError(f"there is a version {artifact.version} already")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, content in files.items():
            _write(draft / name, content)
        _write(draft / MANIFEST, json.dumps(manifest, indent=1).encode())
        draft.rename(home)
        _sync(root)
        _point(root, artifact.version)
        for old in versions(root)[:-KEPT]:
            if old != artifact.version:
                shutil.rmtree(root / old)


def use(root: Path, version: str) -> Artifact:
    """Make a version that is there the current one, at once for whoever looks next. Raises ArtifactDamaged."""
    with _alone(root):
        return _point(root, version)


def roll_back(root: Path) -> Artifact:
    """Make the version before the current one the current one. Raises NothingToRollBackTo."""
    with _alone(root):
        pointer = _pointer(root)
        older = [] if pointer is None else [each for each in versions(root) if each < pointer[0]]
        if not older:
            raise NothingToRollBackTo
        return _point(root, older[-1])


def versions(root: Path) -> list[str]:
    """Oldest first: names rise with time."""
    return sorted(path.parent.name for path in root.glob(f"[!.]*/{MANIFEST}"))


def current(root: Path) -> str | None:
    """The name of the version in use."""
    pointer = _pointer(root)
    return None if pointer is None else pointer[0]


def load(root: Path) -> Artifact | None:
    """The current version, None if there is none. Raises ArtifactDamaged."""
    pointer = _pointer(root)
    return None if pointer is None else read(root, pointer[0], manifest_sha256=pointer[1])


def read(root: Path, version: str, *, manifest_sha256: str | None = None) -> Artifact:
    """Raises ArtifactDamaged, too, if the manifest is not the one meant."""
    if not _VERSION.fullmatch(version):
        raise ArtifactDamaged(f"{version!r} is no name of a version")
    home = root / version
    content = _content(home / MANIFEST, version)
    if manifest_sha256 is not None and _digest(content) != manifest_sha256:
        raise ArtifactDamaged(f"{version}: {MANIFEST} is not what was written")
    try:
        facts = json.loads(content)
        if facts["format"] != FORMAT or facts["version"] != version:
            raise ArtifactDamaged(f"{version}: format {facts['format']} of version {facts['version']}")
        return _artifact(facts, home)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactDamaged(f"{version}: {MANIFEST} makes no sense: {error}") from error


class Artifacts:
    """The model in use, as another process may change it: look at `current` whenever it matters, it costs a few microseconds.

    A version that is damaged, or cannot be read here, is told once in the log, and the last good one stays in use. Safe for many threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: tuple[object, Artifact | None] = ((), None)
        self._loading = threading.Lock()

    @property
    def current(self) -> Artifact | None:
        mark = self._mark()
        if self._seen[0] != mark:
            with self._loading:
                if self._seen[0] != mark:
                    self._seen = (mark, self._loaded())
        return self._seen[1]

    def _mark(self) -> object:
        """Another one for every pointer that was put in its place: it is a file of its own each time."""
        try:
            found = (self._root / CURRENT).stat()
        except OSError:  # mostly that there is none
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _loaded(self) -> Artifact | None:
        try:
            return load(self._root)
        except (ArtifactDamaged, ImportError, OSError) as error:
            log.warning("the model in use stays: %s", error)
            return self._seen[1]


def _artifact(facts: dict[str, Any], home: Path) -> Artifact:
    version, texts = facts["version"], []
    for name, digest in sorted(facts["files"].items()):
        if not _FILE.fullmatch(name):
            raise ArtifactDamaged(f"{version}: {name} is no file of a model")
        content = _content(home / name, version)
        if _digest(content) != digest:
            raise ArtifactDamaged(f"{version}: {name} is not what was written")
        texts.append(content.decode())
    model = facts["model"]
    trees = Trees.read(
        texts,
        model["weights"],
        names=tuple(model["names"]),
        low=float(model["low"]),
        high=float(model["high"]),
    )
    reached = {str(name): float(value) for name, value in facts["reached"].items()}
    training = Training(Learned(trees), reached, measured=int(facts["measured"]))
    return Artifact(version, training, facts["made_at"], Span(**facts["data"]), facts["libraries"])


def _pointer(root: Path) -> tuple[str, str] | None:
    try:
        version, digest = (root / CURRENT).read_text(encoding="utf8").split()
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ArtifactDamaged(f"{CURRENT} names no version with its checksum") from error
    return version, digest


def _point(root: Path, version: str) -> Artifact:
    artifact = read(root, version)
    draft = root / f".{CURRENT}.new"
    _write(draft, f"{version} {_digest((root / version / MANIFEST).read_bytes())}\n".encode())
    draft.replace(root / CURRENT)
    _sync(root)
    return artifact


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """A renaming survives a loss of power only then."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One writer at a time, whatever process it is in."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _content(path: Path, version: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactDamaged(f"{version}: {path.name} cannot be read: {error.strerror}") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
