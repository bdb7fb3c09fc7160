"""What every place for files keeps: contents by their SHA-256, whole or not at all."""

import asyncio
import hashlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.store.files import PART, DirectoryFiles, FileMissing, FileStore, file_store_from

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return DirectoryFiles(tmp_path / "files")


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def kept(store: FileStore, *chunks: bytes, at: datetime = NOW) -> str:
    async with store.drafting(at=at) as draft:
        for chunk in chunks:
            await draft.write(chunk)
        await draft.finish()
        await store.keep(draft, at=at)
    return draft.sha256


async def read(store: FileStore, sha256: str) -> bytes:
    content = b""
    async with store.reading(sha256) as reading:
        while part := await reading.part(len(content), PART):
            content += part
    return content


async def contents(store: FileStore, before: datetime) -> list[str]:
    groups: AsyncIterator[list[str]] = store.contents(before=before)
    return sorted([name async for group in groups for name in group])


@pytest.mark.parametrize("chunks", [(b"",), (b"a", b"b" * 5), (b"x" * PART, b"y", b"z" * (2 * PART + 7))])
async def test_a_content_is_read_as_it_was_written_under_its_sum(
    store: FileStore, chunks: tuple[bytes, ...]
) -> None:
    whole = b"".join(chunks)

    sha256 = await kept(store, *chunks)

    assert sha256 == hashlib.sha256(whole).hexdigest()
    assert await read(store, sha256) == whole
    async with store.reading(sha256) as reading:
        assert await reading.part(2, 3) == whole[2:5]


async def test_a_draft_that_nobody_keeps_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    async with store.drafting(at=NOW) as draft:
        await draft.write(b"half")
        await draft.finish()

    with pytest.raises(FileMissing):
        await read(store, draft.sha256)
    assert files_below(tmp_path) == []


async def test_the_same_content_is_kept_once_and_is_new_again(store: FileStore) -> None:
    first = await kept(store, b"same", at=NOW)
    assert await contents(store, NOW + HOUR) == [first]

    assert await kept(store, b"same", at=NOW + 2 * HOUR) == first

    assert await contents(store, NOW + HOUR) == []
    assert await contents(store, NOW + 3 * HOUR) == [first]


async def test_many_keep_the_same_content_at_once(store: FileStore) -> None:
    sums = await asyncio.gather(*(kept(store, b"x" * 100_000) for _ in range(8)))

    assert len(set(sums)) == 1
    assert await read(store, sums[0]) == b"x" * 100_000


async def test_what_is_open_is_read_to_its_end_although_it_is_deleted(store: FileStore) -> None:
    sha256 = await kept(store, b"going")

    async with store.reading(sha256) as reading:
        await store.delete(sha256)
        assert await reading.part(0, 5) == b"going"

    with pytest.raises(FileMissing):
        await read(store, sha256)
    await store.delete(sha256)


KILLED = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from models.store.files import DirectoryFiles

async def upload():
    at = datetime.fromisoformat(sys.argv[2])
    async with DirectoryFiles(Path(sys.argv[1])).drafting(at=at) as draft:
        for _ in range(3):
            await draft.write(b"x" * 300_000)
        print("written", flush=True)
        await asyncio.sleep(60)

asyncio.run(upload())
"""


async def test_a_server_killed_in_the_middle_leaves_only_a_draft_that_is_swept(
    store: FileStore, tmp_path: Path
) -> None:
    root = tmp_path / "files"
    with subprocess.Popen(  # noqa: ASYNC220  it is killed at once
        [sys.executable, "-c", KILLED, str(root), NOW.isoformat()], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert await asyncio.to_thread(server.stdout.readline) == b"written\n"
        server.send_signal(signal.SIGKILL)

    assert await contents(store, NOW + HOUR) == []
    assert len(files_below(root)) == 1
    assert await store.delete_drafts(before=NOW) == 0
    assert await store.delete_drafts(before=NOW + HOUR) == 1
    assert files_below(root) == []


def test_a_store_is_chosen_by_its_url(tmp_path: Path) -> None:
    assert isinstance(file_store_from("file:", default=tmp_path), DirectoryFiles)
    assert isinstance(file_store_from(f"file:{tmp_path}", default=tmp_path), DirectoryFiles)
    for url in ("s3://bucket", "file:relative", "", "/plain"):
        with pytest.raises(ValueError, match="FILES_URL"):
            file_store_from(url, default=tmp_path)
