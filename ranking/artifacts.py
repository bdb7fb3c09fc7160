"""Models as files: text with checksums, never code. A version is a directory that is written whole or not at all.

<root>/<version>/manifest.json   what it is: when, from which data, what it reached, with which libraries, SHA-256 of each file
<root>/<version>/head-0.txt …    the order of people, in LightGBM's own text format
<root>/<version>/skills.txt      the suggester of skills, the same
<root>/CURRENT                   the version in use with the SHA-256 of its manifest; rolling back is writing another one here, or none

A version holds all that is learnt: what was not trained anew is carried over from the one before. So one step back is one for all.

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
from dataclasses import dataclass, field, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from ranking.learning import FirstGuess, Learned, Order, Training
from ranking.skills.suggesting import TrainedSuggester
from ranking.trees import Trees

CURRENT, MANIFEST, LOCK = "CURRENT", "manifest.json", "LOCK"
FORMAT = 3
READABLE = (2, FORMAT)
"""Versions of format 2 hold no suggester, and do not tell what was in use before."""
LIBRARIES = ("lightgbm", "numpy", "scipy", "scikit-learn")
KEPT = 10
"""Versions; older ones are deleted when another is written, but never the one in use."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_FILE = re.compile(r"head-[0-9]\.txt|skills\.txt")
SKILLS = "skills.txt"
log = logging.getLogger(__name__)


class ArtifactDamaged(Exception):
    """A file is missing, of another format, or not what its checksum says."""


class NothingToRollBackTo(Exception):
    """Nothing trained is in use."""


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
    """`made_at` is a time as text, for people; `span` is of what the order was trained on, `libraries` are the versions it was made with.

    Without an order that was learnt, `training.order` is a simple one. `before`, set by `save`, is the version that was in use until then.
    """

    version: str
    training: Training
    made_at: str = ""
    span: Span = Span()
    libraries: Mapping[str, str] = field(default_factory=dict)
    suggester: TrainedSuggester | None = None
    before: str | None = None

    @property
    def orders(self) -> bool:
        """Whether it holds an order."""
        return isinstance(self.training.order, Learned)

    @property
    def trees(self) -> Trees:
        order = self.training.order
        if not isinstance(order, Learned):
            raise ValueError("only what was learnt is kept; other orders need no files")
        return order.trees


def save(root: Path, artifact: Artifact) -> Artifact:
    """Write the version whole, then make it the current one, and answer it. Whether it is better was asked before (ranking/training.py)."""
    trees = artifact.trees if artifact.orders or artifact.suggester is None else None
    if not _VERSION.fullmatch(artifact.version):
        raise ValueError(f"{artifact.version!r} is no name of a version")
    files: dict[str, bytes] = {}
    if trees is not None:
        files |= {f"head-{number}.txt": text.encode() for number, text in enumerate(trees.texts)}
    if (suggester := artifact.suggester) is not None:
        (text,) = suggester.trees.texts
        files[SKILLS] = text.encode()
    span = artifact.span
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": artifact.version,
        "made_at": artifact.made_at,
        "data": {name: getattr(span, name) for name in Span.__slots__},
        "reached": artifact.training.reached,
        "measured": artifact.training.measured,
        "libraries": {"python": sys.version.split()[0], **{name: version_of(name) for name in LIBRARIES}},
        "model": None if trees is None else _facts_of(trees),
        "skills": None
        if suggester is None
        else _facts_of(suggester.trees)
        | {
            "threshold": suggester.threshold,
            "reached": suggester.reached,
            "gigs": suggester.gigs,
            "last": suggester.last,
        },
        "files": {name: _digest(content) for name, content in files.items()},
    }
    with _alone(root):
        manifest["before"] = _in_use(root)
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
    return replace(artifact, before=manifest["before"])


def use(root: Path, version: str) -> Artifact:
    """Make a version that is there the current one, at once for whoever looks next. Raises ArtifactDamaged."""
    with _alone(root):
        return _point(root, version)


def roll_back(root: Path) -> Artifact | None:
    """Make the version that was in use before the current one the current one again; None: nothing trained was, and nothing is now.

    Raises NothingToRollBackTo, and ArtifactDamaged if that version is.
    """
    with _alone(root):
        pointer = _pointer(root)
        if pointer is None:
            raise NothingToRollBackTo
        before = _before(root, pointer[0])
        if before is None:
            (root / CURRENT).unlink()
            _sync(root)
            return None
        return _point(root, before)


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
        if facts["format"] not in READABLE or facts["version"] != version:
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
    version, texts, skills = facts["version"], [], None
    for name, digest in sorted(facts["files"].items()):
        if not _FILE.fullmatch(name):
            raise ArtifactDamaged(f"{version}: {name} is no file of a model")
        content = _content(home / name, version)
        if _digest(content) != digest:
            raise ArtifactDamaged(f"{version}: {name} is not what was written")
        if name == SKILLS:
            skills = content.decode()
        else:
            texts.append(content.decode())
    order: Order = FirstGuess() if facts["model"] is None else Learned(_trees(facts["model"], texts))
    training = Training(order, _reached(facts), measured=int(facts["measured"]))
    suggester = None
    if (told := facts.get("skills")) is not None:
        if skills is None:
            raise ArtifactDamaged(f"{version}: {SKILLS} is missing")
        suggester = TrainedSuggester(
            _trees(told, [skills]), float(told["threshold"]), _reached(told), int(told["gigs"]), float(told["last"])
        )  # fmt: skip
    return Artifact(
        version, training, facts["made_at"], Span(**facts["data"]), facts["libraries"], suggester, facts.get("before")
    )  # fmt: skip


def _facts_of(trees: Trees) -> dict[str, Any]:
    return {
        "names": trees.names,
        "low": trees.low,
        "high": trees.high,
        "weights": [weight for weight, _ in trees.boosters],
    }


def _trees(facts: dict[str, Any], texts: list[str]) -> Trees:
    return Trees.read(
        texts,
        facts["weights"],
        names=tuple(facts["names"]),
        low=float(facts["low"]),
        high=float(facts["high"]),
    )


def _reached(facts: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in facts["reached"].items()}


def _in_use(root: Path) -> str | None:
    try:
        return current(root)
    except ArtifactDamaged:
        return None


def _before(root: Path, version: str) -> str | None:
    """What was in use before it, or the newest that is older where that is not kept or not told."""
    older = [each for each in versions(root) if each < version]
    try:
        facts = json.loads((root / version / MANIFEST).read_bytes())
        before = facts["before"] if facts["format"] == FORMAT else None
        if facts["format"] == FORMAT and (before is None or before in older):
            return before if before is None else str(before)
    except (OSError, KeyError, TypeError, ValueError):
        log.warning("%s does not tell what was in use before it", version)
    return older[-1] if older else None


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
