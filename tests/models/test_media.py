"""What files are, by how they begin."""

import pytest

from models.media import media_type_of


@pytest.mark.parametrize(
    "head, media_type",
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a\x01\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\0\0\0AVI LIST", "application/octet-stream"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x18ftypisom", "video/mp4"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"PK\x03\x04\x14\0\0\0", "application/zip"),
        (
            b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/vnd.oasis.opendocument.textPK",
            "application/vnd.oasis.opendocument.text",
        ),
        ("Grüße, 世界\n".encode(), "text/plain"),
        ("Grüße".encode()[:3], "text/plain"),
        (b"", "text/plain"),
        (b"<svg onload=alert(1)>", "text/plain"),
        (b"<!doctype html><script>", "text/plain"),
        (b"\xff\xfe<\0s\0", "application/octet-stream"),
        (b"MZ\x90\0\x03", "application/octet-stream"),
        (b"latin \xe9 text", "application/octet-stream"),
    ],
)
def test_a_type_is_told_by_the_first_bytes(head: bytes, media_type: str) -> None:
    assert media_type_of(head) == media_type
