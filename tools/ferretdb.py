"""Build FerretDB, which speaks MongoDB's protocol, once; say where it is.

The tests' MongoDB: `python tools/ferretdb.py` needs `go`, takes minutes the first time and an instant afterwards, and prints
the program's path. It is built from its module's own source, as `go install` leaves out the version without which it does
not start. The module's checksum is verified by Go.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MODULE, VERSION = "github.com/FerretDB/FerretDB", "v1.24.2"
CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAM = CHECKOUT / ".local" / "ferretdb" / VERSION / "ferretdb"


def main() -> int:
    if PROGRAM.exists():
        print(PROGRAM)
        return 0
    if shutil.which("go") is None:
        print("ferretdb: there is no go on the path, so it cannot be built", file=sys.stderr)
        return 1
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    with (PROGRAM.parent / "lock").open("w") as lock:
        # Whoever comes second finds it built.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PROGRAM.exists():
            try:
                _build()
            except subprocess.CalledProcessError as error:
                print(f"ferretdb: {' '.join(map(str, error.cmd[:3]))} failed", file=sys.stderr)
                return 1
    print(PROGRAM)
    return 0


def _build() -> None:
    print(f"ferretdb: building {VERSION} (some minutes, once)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="skillsync-ferretdb-") as place:
        # Not with -trimpath: it panics when it cannot find its own sources in its paths.
        environment = {**os.environ, "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        found = subprocess.run(
            ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"],
            cwd=place, env=environment, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        source = Path(place) / "source"
        shutil.copytree(json.loads(found.stdout)["Dir"], source)
        for directory in (source, *(path for path in source.rglob("*") if path.is_dir())):
            directory.chmod(0o755)
        (source / "build" / "version" / "version.txt").write_text(VERSION)
        draft = PROGRAM.with_suffix(f".{os.getpid()}")
        subprocess.run(
            ["go", "build", "-o", draft, "./cmd/ferretdb"], cwd=source, env=environment, check=True
        )
        draft.rename(PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
