"""Files as those see them who see what they hang on. Bytes come and go by `/files`, beside GraphQL."""

from datetime import datetime
from uuid import UUID

from auth import access
from models.attachment import Attachment
from models.ids import encode_id
from schema.graph import column, computed, node, one
from schema.node import Node
from schema.people import PersonType


def _url(id: UUID, gone_at: datetime | None) -> str | None:
    return None if gone_at is not None else f"/files/{encode_id('file', id)}"


@node(
    "file",
    Attachment,
    scope=access.visible_attachments,
    name="Attachment",
    description="A file that hangs on something; whoever sees that sees the file.",
)
class AttachmentType(Node):
    name: str = column(Attachment.name, "What its uploader called it; at most 255 characters.")
    media_type: str = column(
        Attachment.media_type,
        "What it is by its first bytes; `application/octet-stream` if they do not tell.",
    )
    size: int = column(Attachment.size, "In bytes.")
    sha256: str = column(Attachment.sha256, "The SHA-256 of its bytes, in hexadecimal digits.")
    uploader: PersonType | None = one(
        Attachment.uploader_id, "Who uploaded it; null if they are gone from the board."
    )
    created_at: datetime = column(Attachment.created_at, "When it was uploaded.")
    removed_at: datetime | None = column(
        Attachment.removed_at, "When it was taken away; null while it is there."
    )
    url: str | None = computed(
        _url,
        Attachment.id,
        Attachment.gone_at,
        description="Where its bytes are, on this server: GET it with the same access token. Null once they are gone, thirty "
        "days after it was taken away.",
    )
