"""People, gigs and outcomes by the hundred thousand, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ranking.documents import Gig, Outcome, PastGig, Person

SKILLS = 2_000
WORDS = 20_000
TOPICS = 200
AT_A_TIME = 1_000
SEED = 20_26


class World:
    """Skills and words are as unequal as real ones (Zipf); vectors lie around 200 topics, as sentences' do."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(SEED)
        topics = self._random.normal(size=(TOPICS, 384))
        self._topics = (topics / np.linalg.norm(topics, axis=1, keepdims=True)).astype(np.float32)
        self._words = [f"w{word}" for word in range(WORDS)]
        self._skills = [f"s{skill}" for skill in range(SKILLS)]
        self._contents = self._drawn()

    def people(self, count: int) -> Iterator[tuple[Person, NDArray[np.float32]]]:
        for number in range(count):
            text, skills, vector = self._content()
            price = int(self._random.integers(20, 120))
            yield Person(f"p{number:07}", "", text, skills, price=price), vector

    def gigs(self, count: int, *, prefix: str = "g") -> Iterator[tuple[Gig, NDArray[np.float32]]]:
        for number in range(count):
            text, skills, vector = self._content()
            budget = int(self._random.integers(30, 150))
            yield (
                Gig(f"{prefix}{number:07}", "", text, skills, owner=f"c{number % 997}", budget=budget),
                vector,
            )

    def past(self, count: int, people: int) -> tuple[list[PastGig], NDArray[np.float32]]:
        """Past gigs with two outcomes each; a tenth of the people do half of the work."""
        made, vectors = [], np.zeros((count, 384), np.float32)
        for row, (gig, vector) in enumerate(self.gigs(count, prefix="h")):
            busy = self._random.random(2) < 0.5
            who = [int(self._random.integers(0, max(1, people // 10) if each else people)) for each in busy]
            outcomes = tuple(
                Outcome(f"p{person:07}", place == 0, 2.0 - place)
                for place, person in enumerate(dict.fromkeys(who))
            )
            made.append(PastGig(gig, outcomes))
            vectors[row] = vector
        return made, vectors

    def _content(self) -> tuple[str, tuple[str, ...], NDArray[np.float32]]:
        return next(self._contents)

    def _drawn(self) -> Iterator[tuple[str, tuple[str, ...], NDArray[np.float32]]]:
        """For ever; a thousand are drawn at a time, which costs a fifth."""
        while True:
            topics = self._random.integers(0, TOPICS, AT_A_TIME)
            words = (self._random.zipf(1.3, (AT_A_TIME, 40)) + 37 * topics[:, None]) % WORDS
            skills = (self._random.zipf(1.4, (AT_A_TIME, 5)) + 11 * topics[:, None]) % SKILLS
            noise = self._random.normal(scale=0.05, size=(AT_A_TIME, 384)).astype(np.float32)
            vectors = self._topics[topics] + noise
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            for said, held, vector in zip(words.tolist(), skills.tolist(), vectors, strict=True):
                text = " ".join([self._words[word] for word in said])
                yield text, tuple(self._skills[skill] for skill in dict.fromkeys(held)), vector
