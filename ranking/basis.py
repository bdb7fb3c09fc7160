"""What an answer stands on."""

from __future__ import annotations

from enum import StrEnum


class Basis(StrEnum):
    """LEXICAL: words and skills only. HYBRID: meaning, too. LEARNED: a model trained on outcomes ordered it."""

    LEXICAL = "LEXICAL"
    HYBRID = "HYBRID"
    LEARNED = "LEARNED"
