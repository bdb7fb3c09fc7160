"""GraphiQL, the page a browser sees at the GraphQL endpoint.

Everything the page loads comes from this server (`tools/graphiql_assets.py` builds it at set-up), and the content
security policy forbids the rest: no script, style, font or request of another origin, and no inline script.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Receive, Scope, Send

# Monaco writes its colours into style elements, hence 'unsafe-inline' for styles alone.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE_HEADERS = {
    "content-security-policy": _PAGE_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
    "vary": "Accept",
}
_ASSET_HEADERS = {
    # A worker obeys the policy of its own file: ours compute, and have nothing to load or to call.
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    # The directory is named after a hash of its contents, so a path never changes its meaning.
    "cache-control": "public, max-age=31536000, immutable",
    "vary": "Accept-Encoding",
}
_UNAVAILABLE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>GraphiQL is not set up</title>
  <style>
    :root { color-scheme: light dark; }
    body { font: 1rem/1.6 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }
    pre { border: 1px solid; border-radius: 4px; padding: .75rem 1rem; overflow-x: auto; }
  </style>
</head>
<body>
<main>
  <h1>GraphiQL is not set up</h1>
  <p>The API itself is running and answers POST requests at this address. Only this page has not been built yet,
  or its build failed. In the directory of the project, run</p>
  <pre><code>.venv/bin/python tools/graphiql_assets.py</code></pre>
  <p>and load this page again; the server need not be restarted.</p>
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A person of the demo data, whom the page can sign in as. The password is printed into the page."""

    label: str
    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """Whom the page offers to sign in as: the first on load. For development only.

    `token_ttl_s` is how long an access token lives; the page signs in again after four fifths of it.
    """

    accounts: tuple[DemoAccount, ...]
    token_ttl_s: int = 900

    def __post_init__(self) -> None:
        if not self.accounts:
            raise ValueError("a demo login needs at least one account; pass None for no demo login")


@dataclass(frozen=True, slots=True)
class TourStep:
    """One operation of the tour; `variables` and `headers` are JSON as the editors shall show it."""

    title: str
    query: str
    variables: str | None
    headers: str | None = None


class GraphiQLPage:
    """The ASGI app that answers with the page; `static_app` is to be mounted at `<endpoint>/assets`.

    `assets` is the directory `tools/graphiql_assets.py` fills. It is looked up at each request, so a set-up that
    finishes late needs no restart; until then the page says what to run, with status 503.
    `tour` holds `*.graphql` files, opened in the order of their names. The first line of each is a comment, its
    title; a `*.json` beside it holds the variables, a `*.headers.json` headers. A directory that does not exist means no tour.
    Raises ValueError for a tour file without title or with variables that are no JSON object.
    """

    def __init__(
        self,
        assets: Path,
        tour: Path,
        demo: DemoLogin | None,
        *,
        endpoint: str = "/graphql",
        subscriptions: str | None = "/graphql",
    ) -> None:
        self.static_app = GraphiQLAssets(assets)
        self._assets = assets
        self._tour = read_tour(tour)
        self._demo = demo
        self._endpoint = endpoint
        self._subscriptions = subscriptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(prefix=scope.get("root_path", ""))(scope, receive, send)

    def _response(self, *, prefix: str) -> Response:
        bundle = _current_bundle(self._assets)
        if bundle is None:
            headers = {**_PAGE_HEADERS, "cache-control": "no-store"}
            return HTMLResponse(_UNAVAILABLE, status_code=503, headers=headers)
        page = (bundle / "page.html").read_text(encoding="utf-8")
        page = page.replace("__ASSETS__", f"{prefix}{self._endpoint}/assets/{bundle.name}")
        page = page.replace("__CONFIG__", _script_json(self._config(prefix=prefix)))
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    def _config(self, *, prefix: str) -> Mapping[str, object]:
        return {
            "endpoint": prefix + self._endpoint,
            "subscriptions": None if self._subscriptions is None else prefix + self._subscriptions,
            "tour": [
                {
                    "title": step.title,
                    "query": step.query,
                    "variables": step.variables,
                    "headers": step.headers,
                }
                for step in self._tour
            ],
            "demo": None if self._demo is None else _demo_config(self._demo),
        }


class GraphiQLAssets(StaticFiles):
    """The bundles, compressed ahead of time and kept by browsers for a year; 404 while there are none."""

    def __init__(self, assets: Path) -> None:
        super().__init__(directory=assets, check_dir=False)

    async def check_config(self) -> None:
        """Accept a directory that is not there yet: it appears when the set-up has run."""

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        compressed = f"{os.fspath(full_path)}.gz"
        if isinstance(response, FileResponse) and _accepts_gzip(scope) and Path(compressed).is_file():
            media_type = response.media_type
            response = FileResponse(
                compressed, status_code, media_type=media_type, stat_result=Path(compressed).stat()
            )
            response.headers["content-encoding"] = "gzip"
        response.headers.update(_ASSET_HEADERS)
        return response


def read_tour(directory: Path) -> tuple[TourStep, ...]:
    """The operations of the tour in the order of their file names."""
    return tuple(_read_step(file) for file in sorted(directory.glob("*.graphql")))


def _read_step(file: Path) -> TourStep:
    query = file.read_text(encoding="utf-8")
    first_line = query.partition("\n")[0]
    title = first_line.removeprefix("#").strip()
    if not first_line.startswith("#") or not title:
        raise ValueError(f"{file.name} must begin with a comment line, which is its title in the tour")
    return TourStep(
        title, query, _read_object(file.with_suffix(".json")), _read_object(file.with_suffix(".headers.json"))
    )


def _read_object(file: Path) -> str | None:
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    try:
        variables = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file.name} is not JSON: {error}") from error
    if isinstance(variables, dict):
        return text.strip()
    raise ValueError(f"{file.name} must hold an object, whose members are the variables or headers")


def _current_bundle(assets: Path) -> Path | None:
    try:
        bundle = assets / (assets / "current").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    return bundle if (bundle / "page.html").is_file() else None


def _demo_config(demo: DemoLogin) -> Mapping[str, object]:
    return {
        "accounts": [
            {"label": one.label, "email": one.email, "password": one.password} for one in demo.accounts
        ],
        "tokenSeconds": demo.token_ttl_s,
    }


def _script_json(value: Mapping[str, object]) -> str:
    """JSON that cannot end the script element it is written into, whatever the strings say."""
    return json.dumps(value).replace("<", "\\u003c")


def _accepts_gzip(scope: Scope) -> bool:
    return "gzip" in Headers(scope=scope).get("accept-encoding", "")
