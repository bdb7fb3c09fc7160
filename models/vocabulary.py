"""Words of the domain whose meaning is part of the public language."""

from enum import StrEnum
from typing import Self


class Vocabulary(StrEnum):
    """An enum whose every member says what it means; the API and the docs print that sentence."""

    description: str

    def __new__(cls, value: str, description: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member
