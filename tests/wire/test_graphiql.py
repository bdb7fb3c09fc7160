"""GraphiQL in a real browser that can reach nothing but this server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import strawberry
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from strawberry.asgi import GraphQL

from models.ids import encode_id
from resolvers import demo
from tests.wire.test_process import SIGN_IN, Command, own_home
from tests.wire.test_streams import free_port
from transport.graphiql import DemoAccount, DemoLogin, GraphiQLPage

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / ".local" / "graphiql"
CARLA = DemoAccount("Carla, client", "carla@example.org", "carla's password")
FINN = DemoAccount("Finn, freelancer", "finn@example.org", "finn's password")
PASSWORDS = {account.email: account.password for account in (CARLA, FINN)}


@strawberry.type(description="What the greeting is made of.")
class Greeting:
    text: str = strawberry.field(description="The words themselves, without a full stop.")


@strawberry.input
class SessionCreateInput:
    email: str
    password: str


@strawberry.type
class Refusal:
    message: str


@strawberry.type
class SessionTokens:
    access_token: str


@strawberry.type
class SessionCreatePayload:
    tokens: SessionTokens | None
    errors: list[Refusal]


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> Greeting:
        return Greeting(text=f"Hello {name}")

    @strawberry.field
    def authorization(self, info: strawberry.Info) -> str | None:
        """The header as it reached the server."""
        header: str | None = info.context["request"].headers.get("authorization")
        return header


@strawberry.type
class Mutation:
    sessions = 0

    @strawberry.mutation
    def session_create(self, input: SessionCreateInput) -> SessionCreatePayload:
        if PASSWORDS.get(input.email) != input.password:
            return SessionCreatePayload(tokens=None, errors=[Refusal(message="Wrong password.")])
        Mutation.sessions += 1
        tokens = SessionTokens(access_token=f"{input.email}/{Mutation.sessions}")
        return SessionCreatePayload(tokens=tokens, errors=[])


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def countdown(self, info: strawberry.Info) -> AsyncGenerator[str]:
        sent = info.context["connection_params"].get("Authorization")
        for second in (2, 1):
            yield f"{second} for {sent}"


class Endpoint:
    """The page for a GET, GraphQL for the rest, as the product's own endpoint does."""

    def __init__(self, page: GraphiQLPage, api: ASGIApp) -> None:
        self._page = page
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: ASGIApp = self._page if Request(scope).method == "GET" else self._api
        await answer(scope, receive, send)


def application(assets: Path, tour: Path, demo: DemoLogin | None) -> Starlette:
    schema = strawberry.Schema(Query, Mutation, Subscription)
    api: ASGIApp = GraphQL(schema, graphql_ide=None)
    page = GraphiQLPage(assets, tour, demo)
    return Starlette(
        routes=[
            Mount("/graphql/assets", page.static_app),
            Route("/graphql", Endpoint(page, api)),
            WebSocketRoute("/graphql", api),
        ]
    )


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The app on a free port of this machine's loopback; gives the address of its endpoint."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass
class Visit:
    """One page in a fresh profile, and everything it asked for or complained about."""

    page: Page
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def wait_until_ready(self) -> None:
        expect(self.page.locator("main:not([inert])")).to_be_visible(timeout=20_000)

    def model(self, name: str) -> str:
        """The text in one of GraphiQL's editors: operation.graphql, request-headers.json, response.json."""
        text: str = self.page.evaluate(
            "name => globalThis.__MONACO?.editor.getModels().find(m => m.uri.path.endsWith(name))?.getValue() ?? ''",
            name,
        )
        return text

    def wait_for(self, name: str, accepts: Callable[[str], bool]) -> str:
        """The text in the editor as soon as it is accepted."""
        self.wait_until(lambda: accepts(self.model(name)), lambda: f"{name} still holds {self.model(name)!r}")
        return self.model(name)

    def wait_until(
        self, holds: Callable[[], bool], otherwise: Callable[[], str] = lambda: "too late"
    ) -> None:
        deadline = time.monotonic() + 15
        while not holds():
            assert time.monotonic() < deadline, otherwise()
            self.page.wait_for_timeout(50)

    def open_tab(self, name: str) -> None:
        """Open a tab and wait until GraphiQL has stored that, which it does after it has read the operation."""
        self.page.get_by_role("tab", name=name).click()
        opened = "() => JSON.parse(localStorage['skillsync:graphiql:tabState'] ?? null)"
        self.page.wait_for_function(
            f"name => {{ const stored = ({opened})(); return stored?.tabs[stored.activeTabIndex].title === name }}",
            arg=name,
        )

    def run(self) -> None:
        self.page.get_by_role("button", name="Execute query").click()


Open = Callable[[str], AbstractContextManager[Visit]]


@pytest.fixture(scope="module")
def assets() -> Path:
    subprocess.run([sys.executable, ROOT / "tools" / "graphiql_assets.py"], check=True)
    return ASSETS


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tour")
    (directory / "01-hello.graphql").write_text(
        "# Greet somebody\nquery Hello($name: String!) { hello(name: $name) { text } }\n"
    )
    (directory / "01-hello.json").write_text('{ "name": "</script>" }\n')
    (directory / "02-who.graphql").write_text("# See who is asking\nquery Who { authorization }\n")
    (directory / "03-countdown.graphql").write_text("# Count down\nsubscription Countdown { countdown }\n")
    return directory


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if "chromium" in os.environ.get("REQUIRE", ""):
            pytest.fail("REQUIRE asks for chromium, and there is none on the path")
        pytest.skip("no chromium on the path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
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
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser) -> Open:
    """Opens the address in a fresh profile; at the end the page must have stayed here and been silent."""

    @contextmanager
    def open_(address: str) -> Iterator[Visit]:
        context = chromium.new_context(viewport={"width": 1400, "height": 800})
        visit = Visit(context.new_page())
        context.on("request", lambda request: visit.requested.append(request.url))
        visit.page.on("websocket", lambda socket: visit.requested.append(socket.url))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on(
            "console",
            lambda message: (
                visit.complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        visit.page.goto(address)
        visit.wait_until_ready()
        yield visit
        context.close()
        here = urlsplit(address).netloc
        assert [url for url in visit.requested if urlsplit(url).netloc not in ("", here)] == []
        assert visit.complaints == []

    return open_


@pytest.fixture(scope="module")
def endpoint(assets: Path, tour: Path) -> Iterator[str]:
    with serving(application(assets, tour, DemoLogin((CARLA, FINN)))) as address:
        yield address


def test_a_first_visit_shows_the_tour_runs_an_operation_explains_a_type_and_asks_no_other_machine(
    endpoint: str, opened: Open
) -> None:
    with opened(endpoint) as visit:
        assert visit.page.get_by_role("tab").all_inner_texts() == ["Hello", "Who", "Countdown"]
        visit.wait_for("operation.graphql", lambda text: text.startswith("# Greet somebody"))
        assert visit.model("variables.json") == '{ "name": "</script>" }'

        visit.run()
        assert "Hello </script>" in visit.wait_for("response.json", lambda text: "data" in text)

        visit.page.get_by_role("button", name="Show Documentation Explorer").click()
        documentation = visit.page.get_by_role("region", name="Documentation Explorer")
        documentation.get_by_role("link", name="Query").click()
        documentation.get_by_role("link", name="Greeting").click()
        expect(documentation).to_contain_text("What the greeting is made of.")

        visit.wait_until(lambda: len(visit.page.workers) >= 3)
        assert all(worker.url.startswith(endpoint) for worker in visit.page.workers)


@pytest.mark.long
def test_a_script_in_the_page_cannot_reach_another_machine(endpoint: str, opened: Open) -> None:
    with opened(endpoint) as visit:
        outcome = visit.page.evaluate("fetch('http://192.0.2.1/').catch(error => error.name)")
        complaints, visit.complaints, visit.requested = visit.complaints, [], []

        assert outcome == "TypeError"
        assert any("Content Security Policy" in complaint for complaint in complaints)


@pytest.mark.long
def test_the_headers_carry_the_token_of_the_chosen_demo_account(endpoint: str, opened: Open) -> None:
    with opened(endpoint) as visit:
        account = visit.page.get_by_label("Signed in as")
        visit.wait_for(
            "request-headers.json", lambda text: f'"Authorization": "Bearer {CARLA.email}/' in text
        )

        account.select_option(FINN.label)
        visit.wait_for("request-headers.json", lambda text: FINN.email in text and CARLA.email not in text)
        visit.open_tab("Who")
        visit.wait_for("request-headers.json", lambda text: FINN.email in text)
        visit.run()
        answer = visit.wait_for("response.json", lambda text: "data" in text)
        account.select_option("anonymous")
        visit.wait_for("request-headers.json", lambda text: text == "")

        assert f'"authorization": "Bearer {FINN.email}/' in answer


@pytest.mark.long
def test_a_refused_sign_in_is_told_and_leaves_the_page_usable(assets: Path, tour: Path, opened: Open) -> None:
    stranger = DemoAccount("Stranger", "stranger@example.org", "guess")
    with serving(application(assets, tour, DemoLogin((stranger,)))) as endpoint, opened(endpoint) as visit:
        expect(visit.page.get_by_role("banner").get_by_role("alert")).to_have_text(
            "Could not sign in: Wrong password."
        )

        visit.run()

        assert "Hello" in visit.wait_for("response.json", lambda text: "data" in text)


@pytest.mark.long
def test_a_token_is_renewed_before_it_runs_out(assets: Path, tour: Path, opened: Open) -> None:
    brief = DemoLogin((CARLA,), token_ttl_s=1)
    with serving(application(assets, tour, brief)) as endpoint, opened(endpoint) as visit:
        first = visit.wait_for("request-headers.json", lambda text: CARLA.email in text)

        visit.wait_for("request-headers.json", lambda text: CARLA.email in text and text != first)


@pytest.mark.long
def test_a_reload_keeps_edits_and_does_not_bring_the_tour_back(endpoint: str, opened: Open) -> None:
    with opened(endpoint) as visit:
        visit.page.get_by_role("button", name="Close Tab").click()
        visit.wait_for("operation.graphql", lambda text: "query Who" in text)
        visit.page.locator(".graphiql-query-editor .monaco-editor").click()
        visit.page.keyboard.press("Control+End")
        visit.page.keyboard.type("# mine")

        visit.page.reload()
        visit.wait_until_ready()

        edited = visit.wait_for("operation.graphql", lambda text: "# mine" in text)
        assert edited.startswith("# See who is asking")
        assert visit.page.get_by_role("tab").all_inner_texts() == ["Who", "Countdown"]


@pytest.mark.long
def test_the_tour_menu_opens_a_closed_operation_again_with_its_variables(endpoint: str, opened: Open) -> None:
    with opened(endpoint) as visit:
        visit.wait_for("operation.graphql", lambda text: "query Hello" in text)
        visit.page.get_by_role("button", name="Close Tab").click()
        visit.wait_for("operation.graphql", lambda text: "query Who" in text)

        visit.page.get_by_label("Tour").select_option("Greet somebody")

        visit.wait_for("operation.graphql", lambda text: "query Hello" in text)
        visit.wait_for("variables.json", lambda text: "</script>" in text)
        visit.wait_for("request-headers.json", lambda text: CARLA.email in text)


@pytest.mark.long
def test_without_a_demo_login_the_page_offers_no_account(assets: Path, tour: Path, opened: Open) -> None:
    with serving(application(assets, tour, None)) as endpoint, opened(endpoint) as visit:
        expect(visit.page.get_by_label("Tour")).to_be_visible()

        assert visit.page.get_by_label("Signed in as").count() == 0
        assert visit.model("request-headers.json") == ""


RECORD = """() => {
  const response = globalThis.__MONACO.editor.getModels().find((model) => model.uri.path.endsWith("response.json"));
  globalThis.shown = [];
  response.onDidChangeContent(() => response.getValue() && globalThis.shown.push(response.getValue()));
}"""


def change(server: Command, verb: str) -> None:
    """Pause or resume the gig that the tour follows."""
    signed_in = server.ask(SIGN_IN, email=demo.LOGINS[0].email, password=demo.PASSWORD)["data"][
        "sessionCreate"
    ]
    query = f'mutation {{ {verb}(input: {{ id: "{encode_id("gig", demo.REPORT)}" }}) {{ outcome }} }}'
    headers = {"authorization": f"Bearer {signed_in['tokens']['accessToken']}"}
    answer = httpx.post(f"{server.address()}/graphql", json={"query": query}, headers=headers, timeout=20)
    assert answer.json()["data"] == {verb: {"outcome": "APPLIED"}}


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGKILL, []), (signal.SIGTERM, ["StreamEnd"])], ids=["killed", "stopped"]
)
def test_a_subscription_of_the_tour_goes_on_by_itself_when_the_server_was_away(
    assets: Path, opened: Open, number: signal.Signals, said: list[str]
) -> None:
    port = str(free_port())
    with own_home() as home:
        local = Path(home.variables["LOCAL_DIRECTORY"])
        local.mkdir(exist_ok=True)
        (local / "graphiql").symlink_to(assets)
        server = Command(home, "run", PORT=port)
        with opened(f"{server.address()}/graphql") as visit:
            visit.open_tab("FollowGig")
            visit.wait_for("request-headers.json", lambda text: "Bearer" in text)
            visit.page.evaluate(RECORD)
            visit.run()
            visit.wait_for("response.json", lambda text: "StreamReady" in text)
            change(server, "gigPause")
            visit.wait_for("response.json", lambda text: "GigPaused" in text)
            away = visit.page.get_by_role("banner").get_by_role("status")

            server.end(number)
            expect(away).to_have_text("The subscription has lost the server and waits for it…")
            complaints, visit.complaints = visit.complaints, []
            server = Command(home, "run", PORT=port)
            change(server, "gigResume")
            visit.wait_for("response.json", lambda text: "GigResumed" in text)
            change(server, "gigPause")
            visit.wait_for("response.json", lambda text: "GigPaused" in text)

            shown = [
                json.loads(text)["data"]["gigEvents"] for text in visit.page.evaluate("globalThis.shown")
            ]
            complaints += [text for text in visit.complaints if "WebSocket connection" in text]
            visit.complaints = [text for text in visit.complaints if "WebSocket connection" not in text]
            expect(away).to_have_count(0)
        server.end(signal.SIGINT)

    kinds = [item["event"]["__typename"] for item in shown]
    assert kinds == ["StreamReady", "GigPaused", *said, "GigResumed", "GigPaused"]
    assert len({item["cursor"] for item in shown if item["event"]["__typename"].startswith("Gig")}) == 3
    assert all("WebSocket connection" in text for text in complaints)


def test_without_assets_the_page_says_what_to_run(tmp_path: Path) -> None:
    client = TestClient(application(tmp_path / "absent", tmp_path, None))

    page = client.get("/graphql", headers={"accept": "text/html"})
    asset = client.get("/graphql/assets/0123456789abcdef/main.js")

    assert page.status_code == 503
    assert ".venv/bin/python tools/graphiql_assets.py" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert asset.status_code == 404


def test_the_page_is_guarded_and_its_assets_are_kept_for_good(assets: Path, tour: Path) -> None:
    client = TestClient(application(assets, tour, None))
    bundle = (assets / "current").read_text().strip()

    page = client.get("/graphql")
    packed = client.get(f"/graphql/assets/{bundle}/main.js", headers={"accept-encoding": "gzip"})
    plain = client.get(f"/graphql/assets/{bundle}/main.js", headers={"accept-encoding": "identity"})

    assert "script-src 'self'; style-src 'self' 'unsafe-inline'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text
    assert packed.headers["content-type"] == plain.headers["content-type"] == "text/javascript; charset=utf-8"
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_a_tour_file_without_a_title_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "01-hello.graphql").write_text("{ hello { text } }\n")

    with pytest.raises(ValueError, match=r"01-hello\.graphql must begin with a comment line"):
        GraphiQLPage(tmp_path, tmp_path, None)


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    lock = (ROOT / "web" / "graphiql" / "package-lock.json").read_text()

    packages = lock.count('"node_modules/')

    assert packages > 100
    assert lock.count('"integrity": "sha512-') == packages
    assert '"resolved"' not in lock
