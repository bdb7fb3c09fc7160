"""Files over HTTP: what comes in, what goes out, and what is refused."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from auth.viewer import Viewer
from models.contract import EndReason
from models.ids import decode_id, encode_id
from models.store.files import DirectoryFiles
from resolvers import contracts, task_files
from resolvers.operation import Rules
from tests.resolvers.boards import board_stage
from tests.wire.server import Api, until


async def put(api: Api, viewer: Viewer | None, name: str, content: Any, **headers: str) -> httpx.Response:
    if viewer is not None:
        headers["authorization"] = f"Bearer {api.token(viewer)}"
    return await api.client.put("/files", params={"name": name}, content=content, headers=headers)


async def get(
    api: Api, viewer: Viewer | None, id: str, method: str = "GET", **headers: str
) -> httpx.Response:
    if viewer is not None:
        headers["authorization"] = f"Bearer {api.token(viewer)}"
    return await api.client.request(method, f"/files/{id}", headers=headers)


def files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def code(answer: httpx.Response) -> tuple[int, str]:
    (error,) = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    return answer.status_code, error["extensions"]["code"]


async def test_a_file_goes_in_and_comes_out_to_be_saved(api: Api) -> None:
    stage = await board_stage(api.world)
    name = "Grüße & “Pläne”.html"

    taken = await put(
        api, stage.hired.freelancer, name, b"<script>alert(1)</script>", **{"content-type": "text/html"}
    )
    await task_files.attach(stage.freelancer, await stage.task(), decode_id("file", taken.json()["id"]))
    given = await get(api, stage.hired.client, taken.json()["id"])

    assert taken.status_code == 201
    assert {key: taken.json()[key] for key in ("name", "mediaType", "size")} == {
        "name": name,
        "mediaType": "text/plain",
        "size": 25,
    }
    assert (given.status_code, given.content) == (200, b"<script>alert(1)</script>")
    wanted = {
        "content-type": "text/plain",
        "content-length": "25",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "no-store",
        "accept-ranges": "bytes",
        "etag": f'"{taken.json()["sha256"]}"',
    }
    assert {key: given.headers[key] for key in wanted} == wanted


async def test_a_large_file_goes_in_and_out_in_parts(api: Api) -> None:
    me, content = await api.world.client(), bytes(range(256)) * 12_000

    async def parts() -> Any:
        for start in range(0, len(content), 70_000):
            yield content[start : start + 70_000]

    taken = await put(api, me, "large", parts())
    id = taken.json()["id"]
    whole = await get(api, me, id)
    middle = await get(api, me, id, range="bytes=300000-300099")
    rest = await get(api, me, id, range=f"bytes={len(content) - 5}-")
    last = await get(api, me, id, range="bytes=-7")
    odd = await get(api, me, id, range="bytes=1-2,5-6")
    other = await get(api, me, id, range="bytes=0-9", **{"if-range": '"other"'})
    beyond = await get(api, me, id, range=f"bytes={len(content)}-")
    head = await get(api, me, id, "HEAD")

    assert whole.content == content
    assert (middle.status_code, middle.content) == (206, content[300_000:300_100])
    assert middle.headers["content-range"] == f"bytes 300000-300099/{len(content)}"
    assert (rest.content, last.content) == (content[-5:], content[-7:])
    assert (odd.status_code, other.status_code) == (200, 200)
    assert code(beyond) == (416, "RANGE_NOT_SATISFIABLE")
    assert beyond.headers["content-range"] == f"bytes */{len(content)}"
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")


async def test_an_empty_file_is_a_file(api: Api) -> None:
    me = await api.world.client()

    id = (await put(api, me, "empty", b"")).json()["id"]

    assert (await get(api, me, id)).content == b""
    assert code(await get(api, me, id, range="bytes=0-")) == (416, "RANGE_NOT_SATISFIABLE")


async def test_who_may_not_learns_nothing(api: Api) -> None:
    me, stranger = await api.world.client(), await api.world.client()
    id = (await put(api, me, "mine", b"mine")).json()["id"]
    before = await api.world.footprint()

    assert code(await put(api, None, "mine", b"mine")) == (401, "UNAUTHENTICATED")
    assert code(await api.client.put("/files?name=x", headers={"authorization": "Bearer no"})) == (
        401,
        "UNAUTHENTICATED",
    )
    for viewer in (None, stranger):
        assert code(await get(api, viewer, id)) == (404, "NOT_FOUND")
    assert code(await get(api, me, "file_01jd0000000000000000000000")) == (404, "NOT_FOUND")
    assert code(await get(api, me, "nonsense")) == (400, "BAD_REQUEST")
    assert code(await put(api, me, "a/b", b"x")) == (400, "BAD_REQUEST")
    assert code(await api.client.put("/files", headers={"authorization": f"Bearer {api.token(me)}"})) == (
        400,
        "BAD_REQUEST",
    )
    assert code(await put(api, me, "x", b"x", **{"content-encoding": "gzip"})) == (
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    )
    for method, path in (("POST", "/files"), ("DELETE", f"/files/{id}")):
        answer = await api.client.request(method, path)
        assert code(answer) == (405, "METHOD_NOT_ALLOWED")

    assert await api.world.footprint() == before


async def test_a_file_that_is_too_large_is_refused_before_or_while_it_comes(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await api.world.client()
    monkeypatch.setattr(api.world.services, "rules", Rules(file_limit_bytes=1_000, file_quota_bytes=1_500))
    monkeypatch.setattr(api.world.services, "files", DirectoryFiles(tmp_path))

    head = (
        "PUT /files?name=endless HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        f"authorization: Bearer {api.token(me)}\r\n\r\n"
    )

    assert code(await put(api, me, "declared", b"x" * 1_001)) == (413, "PAYLOAD_TOO_LARGE")
    endless = await api.raw(head.encode(), *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 11)
    assert endless.startswith(b"HTTP/1.1 413 ") and b"PAYLOAD_TOO_LARGE" in endless
    assert (await put(api, me, "fits", b"x" * 1_000)).status_code == 201
    assert code(await put(api, me, "quota", b"y" * 501)) == (413, "FILE_QUOTA_REACHED")

    assert len(files_below(tmp_path)) == 1


async def test_whoever_hangs_up_leaves_nothing(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await api.world.client()
    monkeypatch.setattr(api.world.services, "files", DirectoryFiles(tmp_path))
    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(
        f"PUT /files?name=half HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.token(me)}\r\n"
        "content-length: 1000000\r\n\r\n".encode()
        + b"x" * 300_000
    )
    await writer.drain()
    await until(lambda: any(path.stat().st_size for path in files_below(tmp_path)))

    writer.close()
    await until(lambda: not files_below(tmp_path))

    assert await api.world.rows("select id from attachment where uploader_id = :id", id=me.user_id) == []


async def test_a_file_of_a_lost_board_is_lost(api: Api) -> None:
    stage = await board_stage(api.world)
    file_id = await api.world.upload(stage.hired.client, "plan.txt", b"A plan of ours.")
    await task_files.attach(stage.client, await stage.task(), file_id)
    id = encode_id("file", file_id)
    assert (await get(api, stage.hired.freelancer, id)).status_code == 200

    await contracts.end_contract(stage.client, stage.hired.contract_id, reason=EndReason.MUTUAL, note=None)

    assert code(await get(api, stage.hired.freelancer, id)) == (404, "NOT_FOUND")
