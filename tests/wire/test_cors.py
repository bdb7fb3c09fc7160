"""CORS_ORIGINS: which pages of other origins may call the API, by the headers and in a real browser."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.wire.server import Log, serving, serving_services, token_of
from tests.world import World

SPA = "https://spa.example"
PREFLIGHT = {
    "origin": SPA,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-request-id",
}
CALL = """async ({url, token}) => {
  const headers = {'content-type': 'application/json', authorization: `Bearer ${token}`, 'x-request-id': 'from-the-page'}
  try {
    const answer = await fetch(url, {method: 'POST', headers, body: '{"query": "{ viewer { name } }"}'})
    return {status: answer.status, id: answer.headers.get('x-request-id'), body: await answer.json()}
  } catch (error) {
    return error.name
  }
}"""


async def test_an_allowed_origin_may_send_its_headers_and_read_the_answer(
    world: World, tmp_path: Path
) -> None:
    async with serving_services(
        world.services, tmp_path, CORS_ORIGINS=f"https://other.example, {SPA}"
    ) as client:
        preflight = await client.options("/graphql", headers=PREFLIGHT)
        answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": SPA})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == SPA
    assert preflight.headers["access-control-allow-methods"] == "GET, POST, PUT"
    assert {"authorization", "content-type", "x-request-id"} <= {
        name.strip().lower() for name in preflight.headers["access-control-allow-headers"].split(",")
    }
    assert "access-control-allow-credentials" not in preflight.headers
    assert answer.headers["access-control-allow-origin"] == SPA
    exposed = answer.headers["access-control-expose-headers"]
    assert exposed == "content-disposition, content-range, x-request-id"
    assert "origin" in answer.headers["vary"].lower()
    assert answer.json()["data"] == {"__typename": "Query"}


async def test_another_origin_is_told_nothing(world: World, tmp_path: Path) -> None:
    others = ["https://evil.example", "http://spa.example", f"{SPA}:8443", f"{SPA}.evil.example", "null"]
    async with serving_services(world.services, tmp_path, CORS_ORIGINS=SPA) as client:
        for origin in others:
            preflight = await client.options("/graphql", headers=PREFLIGHT | {"origin": origin})
            answer = await client.post(
                "/graphql", json={"query": "{ __typename }"}, headers={"origin": origin}
            )

            assert preflight.status_code == 400, origin
            assert "access-control-allow-origin" not in preflight.headers, origin
            assert "access-control-allow-origin" not in answer.headers, origin


async def test_a_refusal_is_readable_for_the_allowed_page_as_well(world: World, tmp_path: Path) -> None:
    async with serving_services(world.services, tmp_path, CORS_ORIGINS=SPA) as client:
        answer = await client.post("/graphql", content=b"null", headers={"origin": SPA, "authorization": "x"})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == SPA


async def test_without_the_setting_no_origin_is_allowed(world: World, tmp_path: Path) -> None:
    async with serving_services(world.services, tmp_path) as client:
        preflight = await client.options("/graphql", headers=PREFLIGHT)
        answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers={"origin": SPA})

    assert preflight.status_code == 405
    assert [name for name in (*preflight.headers, *answer.headers) if name.startswith("access-control")] == []


@pytest.mark.long
async def test_in_a_browser_the_page_of_an_allowed_origin_can_query_and_another_cannot(
    world: World, tmp_path: Path, log: Log
) -> None:
    viewer = await world.client("Birgit")
    page = Starlette(routes=[Route("/", lambda _: HTMLResponse("<!doctype html><title>A page</title>"))])
    async with (
        browser() as chromium,
        serving(page) as (allowed, _),
        serving(page) as (foreign, _),
        serving_services(world.services, tmp_path, CORS_ORIGINS=allowed) as api,
    ):
        call = {"url": f"{api.base_url}/graphql", "token": token_of(world, viewer)}
        from_allowed = await called(chromium, allowed, call)
        from_foreign = await called(chromium, foreign, call)

    assert (from_allowed["status"], from_allowed["id"]) == (200, "from-the-page")
    assert from_allowed["body"]["data"] == {"viewer": {"name": "Birgit"}}
    assert from_foreign == "TypeError"
    # The browser asked first and, being refused, never sent the call itself.
    assert [line["request_id"] for line in log.named("request")] == ["from-the-page"]


async def called(chromium: Browser, origin: str, call: dict[str, str]) -> Any:
    page = await chromium.new_page()
    await page.goto(origin)
    outcome = await page.evaluate(CALL, call)
    await page.close()
    return outcome


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if "chromium" in os.environ.get("REQUIRE", ""):
            pytest.fail("REQUIRE asks for chromium, and there is none on the path")
        pytest.skip("no chromium on the path")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            ],
        )
        yield chromium
        await chromium.close()
