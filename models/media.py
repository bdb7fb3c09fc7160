"""What kind of file bytes are, told from how they begin: what a client says of them is not believed.

A short list on purpose: files are only ever handed out to be saved, never to be shown, so the type is a hint for people.
What is not on it is `application/octet-stream`, and texts of any kind, HTML and SVG too, are plain text.
"""

import codecs

HEAD = 4_096
"""How many bytes tell it."""

UNKNOWN, TEXT = "application/octet-stream", "text/plain"
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
)
# The first box of a file of this family names the brand, four bytes in.
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"M4A ": "audio/mp4", b"qt  ": "video/quicktime"}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
# Zipped documents begin with an entry that names what they are.
_ZIPPED = {
    b"mimetypeapplication/vnd.oasis.opendocument.text": "application/vnd.oasis.opendocument.text",
    b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet": "application/vnd.oasis.opendocument.spreadsheet",
    b"mimetypeapplication/epub+zip": "application/epub+zip",
}
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b") | {127}


def media_type_of(head: bytes) -> str:
    """The media type of a file that begins with these bytes."""
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return _zipped(head) if media_type == "application/zip" else media_type
    return TEXT if _is_text(head) else UNKNOWN


def _zipped(head: bytes) -> str:
    return next((found for entry, found in _ZIPPED.items() if head[30:].startswith(entry)), "application/zip")


def _is_text(head: bytes) -> bool:
    if _CONTROLS & set(head):
        return False
    try:
        # The last character may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True
