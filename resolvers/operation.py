"""What a use case works with: the database, the caller, the clock, and the platform's rules."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from auth.passwords import Passwords
from auth.revocation import RevokedSessions
from auth.signing import Signer
from auth.tokens import Tokens
from auth.viewer import ANONYMOUS, Viewer
from models.ids import new_id
from models.presence import Attendance
from models.store.chat_keys import ChatKeys
from models.store.files import FileStore
from models.store.sql import Act, Database, HotTransaction, Transaction
from resolvers.skill_names import SkillNames
from resolvers.views import ViewCounter


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator of the platform decided."""

    gigs_need_approval: bool = False
    file_limit_bytes: int = 10_000_000
    file_quota_bytes: int = 1_000_000_000


@dataclass(slots=True)
class Services:
    """Made once by `app.py`, shared by all operations."""

    db: Database
    rules: Rules
    epoch: str
    passwords: Passwords
    tokens: Tokens
    signer: Signer
    clock: Callable[[], datetime]
    revoked: RevokedSessions
    views: ViewCounter
    files: FileStore
    chat_keys: ChatKeys
    skill_names: SkillNames = field(default_factory=SkillNames)
    attendance: Attendance = field(default_factory=Attendance)


@dataclass(slots=True)
class Operation:
    """One call of one person (or of the system, when a job runs)."""

    services: Services
    viewer: Viewer = ANONYMOUS
    request_id: str = ""
    device: str = ""
    act: Act | None = None
    renew_socket: Callable[[Viewer, datetime], None] | None = None
    """Lets the socket that this came over stay until a later time; None over HTTP."""
    as_of: datetime | None = None
    """The moment at which a board is looked at; None for now."""
    db: Database = field(init=False)

    def __post_init__(self) -> None:
        self.db = self.services.db

    def now(self) -> datetime:
        return self.services.clock()

    def new_id(self) -> UUID:
        return new_id()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """The one transaction of a use case, under the idempotency key of its mutation if the caller gave one."""
        return self.db.transaction(actor_id=self.viewer.user_id, at=self.now(), act=self.act)

    def hot_transaction(self) -> AbstractAsyncContextManager[HotTransaction]:
        """The same for use cases that are done all the time: one statement that locks and reads, one that writes."""
        return self.db.hot_transaction(actor_id=self.viewer.user_id, at=self.now(), act=self.act)
