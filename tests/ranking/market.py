"""A small market, made up: three crafts, each with its people, and gigs that followed each other."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from ranking.documents import Gig, Outcome, PastGig, Person

CRAFTS = {
    "web": ("react", "css", "typescript"),
    "data": ("sql", "python", "pandas"),
    "print": ("indesign", "typography", "layout"),
}
TEXTS = {
    "web": "browser page component button form frontend",
    "data": "table query report pipeline warehouse metrics",
    "print": "brochure paper poster cover margin colour",
}


def gig(number: int, craft: str, random: Random) -> Gig:
    skills = tuple(random.sample(CRAFTS[craft], 2))
    words = random.sample(TEXTS[craft].split(), 3)
    return Gig(f"g{number:03}", f"{craft} work", " ".join(words), skills, at=float(number), owner="client")


def past_gigs(count: int = 60, *, seed: int = 7) -> list[PastGig]:
    """Person p0 to p2 do web, p3 to p5 data, p6 to p8 print; the first of each craft does most of it and best."""
    random = Random(seed)
    made = []
    for number in range(count):
        place = random.randrange(3)
        craft = list(CRAFTS)[place]
        people = [f"p{3 * place}", f"p{3 * place + random.choice((1, 2))}"]
        outcomes = tuple(Outcome(person, n == 0, 2.0 - n) for n, person in enumerate(people))
        made.append(PastGig(gig(number, craft, random), outcomes))
    return made


def people() -> list[Person]:
    crafts = list(CRAFTS)
    return [
        Person(
            f"p{n}",
            f"{crafts[n // 3]} person",
            TEXTS[crafts[n // 3]],
            CRAFTS[crafts[n // 3]][: 1 + n % 3],
            price=40 + n,
        )
        for n in range(9)
    ]


class ToyEncoder:
    """Vectors from letters: alike texts are near, and no weights are needed. Held to the port in test_embedding."""

    def encode(self, texts: Sequence[str], *, tokens: int = 128) -> NDArray[np.float32]:
        vectors = np.zeros((len(texts), 384), np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split()[:tokens]:
                vectors[row, sum(map(ord, word)) % 384] += 1
        return np.asarray(
            vectors / np.maximum(1e-9, np.linalg.norm(vectors, axis=1, keepdims=True)), np.float32
        )


def tagged_gigs(count: int = 240, *, seed: int = 1) -> list[Gig]:
    """Of each, one of the two skills is named among words that tell nothing."""
    random = Random(seed)
    skills, noise = [f"tool{n}" for n in range(40)], [f"word{n}" for n in range(60)]
    made = []
    for number in range(count):
        own = random.sample(skills, 2)
        text = " ".join([*random.sample(noise, 10), own[0], "and", "then"])
        made.append(Gig(f"t{number:04}", "Work", text, tuple(own), at=float(number)))
    return made
