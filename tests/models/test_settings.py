"""Settings: everything has a default that runs on nothing, and every mistake says what to set."""

from pathlib import Path

import pytest

from settings import CHECKOUT, Settings, SettingsError

PRODUCTION = {
    "ENV": "production",
    "DATABASE_URL": "postgresql+asyncpg://app:secret@db.invalid/skillsync",
    "SECRET_KEYS": "k" * 32,
    "JWT_PRIVATE_KEYS": "keys/access.pem",
    "CHAT_KEYS": "keys/chat.pem",
    "FILES_URL": "file:/srv/files",
    "PUBLIC_URL": "https://skillsync.invalid",
}


def test_nothing_has_to_be_set() -> None:
    settings = Settings.read({})

    assert settings == Settings(
        environment="development",
        host="127.0.0.1",
        port=8000,
        public_url="http://127.0.0.1:8000",
        database_url="embedded:",
        database_pool=10,
        postgres_binaries=None,
        postgres_data=None,
        broker_url="memory:",
        chat_url="sql:",
        chat_keys=(),
        files_url="file:",
        file_limit_bytes=10_000_000,
        file_quota_bytes=1_000_000_000,
        chat_person_sends=120,
        chat_person_reactions=120,
        chat_person_burst=30,
        chat_room_sends=1_200,
        chat_room_reactions=2_400,
        chat_room_burst=100,
        secret_keys=(),
        jwt_private_keys=(),
        cors_origins=(),
        metrics_token=None,
        gigs_need_approval=False,
        recommendations=True,
        demo_world=True,
        graphiql=True,
        introspection=True,
        local=CHECKOUT / ".local",
    )
    assert (settings.is_embedded, settings.is_production) == (True, False)


def test_everything_can_be_set(tmp_path: Path) -> None:
    settings = Settings.read(
        {
            "HOST": "0.0.0.0",
            "PORT": "9000",
            "PUBLIC_URL": "https://api.example.com/",
            "DATABASE_URL": "postgresql+asyncpg://localhost/skillsync",
            "DATABASE_POOL": "3",
            "POSTGRES_BINARIES": str(tmp_path / "bin"),
            "POSTGRES_DATA": str(tmp_path / "data"),
            "BROKER_URL": "rediss://redis.example.com:6380",
            "CHAT_URL": "mongodb://mongo.example.com/chat",
            "CHAT_KEYS": "new.pem, old.pem",
            "FILES_URL": "file:/srv/files",
            "FILE_LIMIT_BYTES": "2000",
            "FILE_QUOTA_BYTES": "9000",
            "SECRET_KEYS": " new , old ,",
            "JWT_PRIVATE_KEYS": "a.pem,b.pem",
            "CORS_ORIGINS": "https://app.example.com, https://beta.example.com",
            "GIG_APPROVAL": "yes",
            "DEMO_WORLD": "off",
            "GRAPHIQL": "0",
            "INTROSPECTION": "False",
            "LOCAL_DIRECTORY": str(tmp_path / "local"),
        }
    )

    assert (settings.port, settings.public_url, settings.database_pool) == (
        9000,
        "https://api.example.com",
        3,
    )
    assert (settings.postgres_binaries, settings.postgres_data) == (tmp_path / "bin", tmp_path / "data")
    assert settings.broker_url == "rediss://redis.example.com:6380"
    assert settings.chat_url == "mongodb://mongo.example.com/chat"
    assert settings.chat_keys == ("new.pem", "old.pem")
    assert settings.secret_keys == ("new", "old")
    assert settings.jwt_private_keys == (Path("a.pem"), Path("b.pem"))
    assert settings.cors_origins == ("https://app.example.com", "https://beta.example.com")
    assert (settings.gigs_need_approval, settings.demo_world) == (True, False)
    assert (settings.graphiql, settings.introspection) == (False, False)
    assert (settings.local, settings.is_embedded) == (tmp_path / "local", False)


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://localhost:5173", "http://[::1]:5173", "capacitor://localhost", "*"],
)
def test_an_origin_as_browsers_send_it_is_taken(origin: str) -> None:
    assert Settings.read({"CORS_ORIGINS": origin}).cors_origins == (origin,)


def test_keys_of_chat_may_be_in_the_environment_themselves() -> None:
    pems = [f"-----BEGIN PRIVATE KEY-----\n{letter}=\n-----END PRIVATE KEY-----" for letter in "AB"]

    assert Settings.read({"CHAT_KEYS": "\n".join(pems)}).chat_keys == tuple(pems)


def test_production_runs_with_what_it_needs() -> None:
    settings = Settings.read(PRODUCTION)

    assert (settings.is_production, settings.demo_world, settings.graphiql) == (True, False, False)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"ENV": "staging"}, "set it to development or production"),
        ({"METRICS_TOKEN": "too short"}, "METRICS_TOKEN must have at least 16 characters"),
        ({"METRICS_TOKEN": "with spaces in it, and long"}, "all of them printable ASCII but spaces"),
        ({"PORT": "http"}, "PORT is 'http'; set it to a whole number"),
        ({"PORT": "65536"}, "PORT is 65536; it must be between 0 and 65535"),
        ({"PORT": "-1"}, "PORT is -1; it must be between 0 and 65535"),
        ({"DATABASE_POOL": "0"}, "DATABASE_POOL is 0; it must be between 1 and 200"),
        ({"DATABASE_POOL": ""}, "DATABASE_POOL is ''; set it to a whole number"),
        ({"GIG_APPROVAL": "maybe"}, "GIG_APPROVAL is 'maybe'; set it to 1 or 0"),
        ({"DEMO_WORLD": "2"}, "DEMO_WORLD is '2'; set it to 1 or 0"),
        ({"GRAPHIQL": "no thanks"}, "GRAPHIQL is 'no thanks'; set it to 1 or 0"),
        ({"INTROSPECTION": "si"}, "INTROSPECTION is 'si'; set it to 1 or 0"),
        ({"CORS_ORIGINS": "https://app.example.com/"}, "holds 'https://app.example.com/'; write each origin"),
        ({"CORS_ORIGINS": "https://a.example, https://b.example/app"}, "holds 'https://b.example/app'"),
        ({"CORS_ORIGINS": "https://app.example.com?x"}, "no path, no slash at the end"),
        ({"CORS_ORIGINS": "https://App.example.com"}, "scheme and host in small letters"),
        ({"CORS_ORIGINS": "https://app.example.com:443"}, "the port unless it is the usual one"),
        ({"CORS_ORIGINS": "https://ada@app.example.com"}, "holds 'https://ada@app.example.com'"),
        ({"CORS_ORIGINS": "https://app.example.com:http"}, "holds 'https://app.example.com:http'"),
        ({"CORS_ORIGINS": "app.example.com"}, "holds 'app.example.com'"),
        ({"DATABASE_URL": "postgresql://localhost/skillsync"}, "start with postgresql+asyncpg://"),
        ({"DATABASE_URL": "sqlite:///skillsync.db"}, "DATABASE_URL must be embedded: or start with"),
        ({"BROKER_URL": "amqp://localhost"}, "BROKER_URL must be memory: or start with redis://"),
        ({"BROKER_URL": "memory"}, "BROKER_URL must be memory: or start with redis://"),
        ({"CHAT_URL": "memory:"}, "CHAT_URL must be sql: or start with mongodb://"),
        ({"FILES_URL": "s3://bucket"}, "FILES_URL must be file: or file: and a directory"),
        ({"FILES_URL": "file:here"}, "FILES_URL must be file: or file: and a directory"),
        ({"FILE_LIMIT_BYTES": "0"}, "FILE_LIMIT_BYTES is 0; it must be between 1 and 2000000000"),
    ],
)
def test_a_setting_that_makes_no_sense_says_what_to_set(env: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read(env)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"DATABASE_URL": None}, "set DATABASE_URL=postgresql+asyncpg://"),
        ({"DATABASE_URL": "embedded:"}, "set DATABASE_URL=postgresql+asyncpg://"),
        ({"SECRET_KEYS": None}, "needs SECRET_KEYS"),
        ({"SECRET_KEYS": " , "}, "needs SECRET_KEYS"),
        ({"SECRET_KEYS": "k" * 32 + ",short"}, "Each of SECRET_KEYS must have at least 32 characters"),
        ({"JWT_PRIVATE_KEYS": None}, "needs JWT_PRIVATE_KEYS"),
        ({"CHAT_KEYS": None}, "needs CHAT_KEYS"),
        ({"FILES_URL": None}, "needs FILES_URL"),
        ({"PUBLIC_URL": None}, "needs PUBLIC_URL"),
        ({"DEMO_WORLD": "1"}, "cannot have DEMO_WORLD"),
    ],
)
def test_production_refuses_what_is_not_safe_and_says_what_to_set(
    changes: dict[str, str | None], says: str
) -> None:
    env = {name: value for name, value in (PRODUCTION | changes).items() if value is not None}

    with pytest.raises(SettingsError) as refused:
        Settings.read(env)

    assert "SECRET_KEYS" in str(refused.value) or "ENV=production" in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["GRAPHIQL", "INTROSPECTION"])
def test_production_may_show_its_schema_when_asked(name: str) -> None:
    settings = Settings.read(PRODUCTION | {name: "1"})

    assert getattr(settings, name.lower()) is True
