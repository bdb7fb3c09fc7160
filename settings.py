"""Settings, read from a mapping such as `os.environ`. Every variable is described in docs/settings.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).resolve().parent
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_USUAL_PORTS = {"http": 80, "https": 443}


class SettingsError(Exception):
    """A setting is missing or makes no sense; the message says what to set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decided. Defaults run on nothing; `ENV=production` refuses them where they are not safe."""

    environment: str
    host: str
    port: int
    public_url: str
    database_url: str
    database_pool: int
    postgres_binaries: Path | None
    postgres_data: Path | None
    broker_url: str
    chat_url: str
    chat_keys: tuple[str, ...]
    files_url: str
    file_limit_bytes: int
    file_quota_bytes: int
    chat_person_sends: int
    chat_person_reactions: int
    chat_person_burst: int
    chat_room_sends: int
    chat_room_reactions: int
    chat_room_burst: int
    secret_keys: tuple[str, ...]
    jwt_private_keys: tuple[Path, ...]
    cors_origins: tuple[str, ...]
    metrics_token: str | None
    gigs_need_approval: bool
    recommendations: bool
    demo_world: bool
    graphiql: bool
    introspection: bool
    local: Path

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def is_embedded(self) -> bool:
        return self.database_url.startswith("embedded:")

    @classmethod
    def read(cls, env: Mapping[str, str]) -> "Settings":
        """Raises `SettingsError`."""
        environment = env.get("ENV", "development")
        if environment not in {"development", "production"}:
            raise SettingsError(f"ENV is {environment!r}; set it to development or production.")
        development = environment == "development"
        host, port = env.get("HOST", "127.0.0.1"), _number(env, "PORT", 8000, low=0, high=65535)
        settings = cls(
            environment=environment,
            host=host,
            port=port,
            public_url=env.get("PUBLIC_URL", f"http://{host}:{port}").rstrip("/"),
            database_url=env.get("DATABASE_URL", "embedded:"),
            database_pool=_number(env, "DATABASE_POOL", 10, low=1, high=200),
            postgres_binaries=_path(env, "POSTGRES_BINARIES"),
            postgres_data=_path(env, "POSTGRES_DATA"),
            broker_url=env.get("BROKER_URL", "memory:"),
            chat_url=env.get("CHAT_URL", "sql:"),
            chat_keys=_keys(env, "CHAT_KEYS"),
            files_url=env.get("FILES_URL", "file:"),
            file_limit_bytes=_number(env, "FILE_LIMIT_BYTES", 10_000_000, low=1, high=2_000_000_000),
            file_quota_bytes=_number(env, "FILE_QUOTA_BYTES", 1_000_000_000, low=0, high=10**15),
            chat_person_sends=_number(env, "CHAT_PERSON_SENDS", 120, low=0, high=1_000_000),
            chat_person_reactions=_number(env, "CHAT_PERSON_REACTIONS", 120, low=0, high=1_000_000),
            chat_person_burst=_number(env, "CHAT_PERSON_BURST", 30, low=1, high=100_000),
            chat_room_sends=_number(env, "CHAT_ROOM_SENDS", 1_200, low=0, high=1_000_000),
            chat_room_reactions=_number(env, "CHAT_ROOM_REACTIONS", 2_400, low=0, high=1_000_000),
            chat_room_burst=_number(env, "CHAT_ROOM_BURST", 100, low=1, high=100_000),
            secret_keys=_list(env, "SECRET_KEYS"),
            jwt_private_keys=tuple(Path(path) for path in _list(env, "JWT_PRIVATE_KEYS")),
            cors_origins=_origins(env, "CORS_ORIGINS"),
            metrics_token=_token(env, "METRICS_TOKEN"),
            gigs_need_approval=_flag(env, "GIG_APPROVAL", default=False),
            recommendations=_flag(env, "RECOMMENDATIONS", default=True),
            demo_world=_flag(env, "DEMO_WORLD", default=development),
            graphiql=_flag(env, "GRAPHIQL", default=development),
            introspection=_flag(env, "INTROSPECTION", default=True),
            local=_path(env, "LOCAL_DIRECTORY") or CHECKOUT / ".local",
        )
        settings._check_database()
        settings._check_broker()
        settings._check_chat()
        settings._check_files()
        if settings.is_production:
            settings._check_production(env)
        return settings

    def _check_database(self) -> None:
        if not self.is_embedded and not self.database_url.startswith("postgresql+asyncpg://"):
            raise SettingsError(
                "DATABASE_URL must be embedded: or start with postgresql+asyncpg:// "
                "(for example postgresql+asyncpg://user:password@host/skillsync)."
            )

    def _check_broker(self) -> None:
        if self.broker_url != "memory:" and not self.broker_url.startswith(
            ("redis://", "rediss://", "unix://")
        ):
            raise SettingsError(
                "BROKER_URL must be memory: or start with redis://, rediss:// or unix:// "
                "(for example redis://user:password@host:6379)."
            )

    def _check_chat(self) -> None:
        if self.chat_url != "sql:" and not self.chat_url.startswith(("mongodb://", "mongodb+srv://")):
            raise SettingsError(
                "CHAT_URL must be sql: or start with mongodb:// or mongodb+srv:// "
                "(for example mongodb://user:password@host:27017/skillsync)."
            )

    def _check_files(self) -> None:
        if self.files_url != "file:" and not self.files_url.startswith("file:/"):
            raise SettingsError(
                "FILES_URL must be file: or file: and a directory (for example file:/var/lib/skillsync/files)."
            )

    def _check_production(self, env: Mapping[str, str]) -> None:
        if self.is_embedded:
            raise SettingsError(
                "ENV=production needs a real database: set DATABASE_URL=postgresql+asyncpg://…."
            )
        if not self.secret_keys:
            raise SettingsError(
                "ENV=production needs SECRET_KEYS: one or more random texts of 32 characters or more."
            )
        if any(len(key) < 32 for key in self.secret_keys):
            raise SettingsError("Each of SECRET_KEYS must have at least 32 characters.")
        if not self.jwt_private_keys:
            raise SettingsError(
                "ENV=production needs JWT_PRIVATE_KEYS: paths of RSA private keys in PEM form."
            )
        if not self.chat_keys:
            raise SettingsError(
                "ENV=production needs CHAT_KEYS: paths of RSA private keys of 3072 bits or more in PEM form, "
                "or the keys themselves. Whoever loses them loses every message."
            )
        if self.files_url == "file:":
            raise SettingsError(
                "ENV=production needs FILES_URL: file: and a directory that outlives the server and that all its processes "
                "share (for example file:/var/lib/skillsync/files)."
            )
        if "PUBLIC_URL" not in env:
            raise SettingsError(
                "ENV=production needs PUBLIC_URL, the address clients use: it is the issuer of tokens."
            )
        if self.demo_world:
            raise SettingsError(
                "ENV=production cannot have DEMO_WORLD: its passwords are public. Leave it out."
            )


def _list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())


def _keys(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Paths, or texts in PEM form, which have no commas."""
    if _PEM.search(env.get(name, "")):
        return tuple(_PEM.findall(env[name]))
    return _list(env, name)


def _origins(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Origins as browsers send them; one written otherwise would never match."""
    origins = _list(env, name)
    for origin in origins:
        if not _is_origin(origin):
            raise SettingsError(
                f"{name} holds {origin!r}; write each origin as browsers send it: scheme and host in small letters, "
                "the port unless it is the usual one, no path, no slash at the end (for example https://app.example.com)."
            )
    return origins


def _is_origin(text: str) -> bool:
    if text == "*":
        return True
    try:
        url = urlsplit(text)
        has_usual_port = url.port is not None and url.port == _USUAL_PORTS.get(url.scheme)
    except ValueError:
        return False
    bare = f"{url.scheme}://{url.netloc}".lower()
    return text == bare and bool(url.scheme and url.hostname) and "@" not in text and not has_usual_port


def _token(env: Mapping[str, str], name: str) -> str | None:
    """One that somebody sends in a header, so it has no spaces."""
    token = env.get(name, "")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise SettingsError(
            f"{name} must have at least 16 characters, all of them printable ASCII but spaces."
        )
    return token or None


def _path(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]).expanduser().resolve() if env.get(name) else None


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    if name not in env:
        return default
    value = env[name].strip().lower()
    if value not in _TRUE | _FALSE:
        raise SettingsError(f"{name} is {env[name]!r}; set it to 1 or 0.")
    return value in _TRUE


def _number(env: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    try:
        number = int(env.get(name, default))
    except ValueError as error:
        raise SettingsError(f"{name} is {env[name]!r}; set it to a whole number.") from error
    if not low <= number <= high:
        raise SettingsError(f"{name} is {number}; it must be between {low} and {high}.")
    return number
