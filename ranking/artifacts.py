"""Models as files: text with a checksum, never code. A version is a directory that is written whole or not at all.

<root>/<version>/model.json      what it is: version, kind, names, scale, quality reached, SHA-256 of the trees
<root>/<version>/trees.txt       LightGBM's own text format
<root>/CURRENT                   the version in use; rolling back is writing another name here
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ranking.learning import FirstGuess, Learned, Momentum, Training
from ranking.trees import Trees

CURRENT = "CURRENT"
FORMAT = 1


class ArtifactDamaged(Exception):
    """A file is missing, of another format, or not what its checksum says."""


class NotBetter(Exception):
    """The model in use reached more on the same measure; facts: `before`, `after`."""

    def __init__(self, *, before: float, after: float) -> None:
        super().__init__(f"reached {after:.4f}, the model in use {before:.4f}")
        self.before, self.after = before, after


@dataclass(frozen=True, slots=True)
class Artifact:
    version: str
    training: Training

    @property
    def quality(self) -> float:
        """What the chosen order reached: the last figure is of the last moment, which training has not seen."""
        return max(self.training.reached.values(), default=0.0)


def save(root: Path, artifact: Artifact, *, even_if_worse: bool = False) -> None:
    """Write the version and make it the current one. Raises NotBetter and changes nothing if the current one is better."""
    before = load(root) if (root / CURRENT).exists() else None
    if before is not None and not even_if_worse and artifact.quality < before.quality:
        raise NotBetter(before=before.quality, after=artifact.quality)
    home, draft = root / artifact.version, root / f"{artifact.version}.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    order = artifact.training.order
    facts: dict[str, object] = {
        "format": FORMAT,
        "version": artifact.version,
        "reached": artifact.training.reached,
    }
    if isinstance(order, Learned):
        trees = order.trees
        (draft / "trees.txt").write_text(trees.text, encoding="utf8")
        digest = hashlib.sha256((draft / "trees.txt").read_bytes()).hexdigest()
        facts |= {
            "kind": "learned",
            "names": trees.names,
            "low": trees.low,
            "high": trees.high,
            "sha256": digest,
        }
    elif isinstance(order, Momentum):
        facts |= {"kind": "momentum", "half_life": order.half_life}
    else:
        facts |= {"kind": "first guess"}
    (draft / "model.json").write_text(json.dumps(facts, indent=1), encoding="utf8")
    shutil.rmtree(home, ignore_errors=True)
    draft.rename(home)
    use(root, artifact.version)


def use(root: Path, version: str) -> None:
    """Make a version that is there the current one, at once for whoever loads next."""
    read(root, version)
    draft = root / f"{CURRENT}.new"
    draft.write_text(version, encoding="utf8")
    draft.replace(root / CURRENT)


def versions(root: Path) -> list[str]:
    return sorted(
        path.parent.name for path in root.glob("*/model.json") if not path.parent.name.endswith(".new")
    )


def load(root: Path) -> Artifact | None:
    """The current version, None if there is none."""
    current = root / CURRENT
    return read(root, current.read_text(encoding="utf8").strip()) if current.exists() else None


def read(root: Path, version: str) -> Artifact:
    try:
        facts = json.loads((root / version / "model.json").read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise ArtifactDamaged(f"{version}: {error}") from error
    if facts.get("format") != FORMAT:
        raise ArtifactDamaged(f"{version}: format {facts.get('format')}")
    reached = {str(name): float(value) for name, value in facts["reached"].items()}
    if facts["kind"] == "momentum":
        return Artifact(version, Training(Momentum(float(facts["half_life"])), reached))
    if facts["kind"] == "first guess":
        return Artifact(version, Training(FirstGuess(), reached))
    try:
        content = (root / version / "trees.txt").read_bytes()
    except OSError as error:
        raise ArtifactDamaged(f"{version}: {error}") from error
    if hashlib.sha256(content).hexdigest() != facts["sha256"]:
        raise ArtifactDamaged(f"{version}: trees.txt is not what was written")
    trees = Trees.read(
        content.decode("utf8"), names=tuple(facts["names"]), low=facts["low"], high=facts["high"]
    )
    return Artifact(version, Training(Learned(trees), reached))
