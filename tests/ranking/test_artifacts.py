"""Models are files with checksums, changed while others read, and never code."""

import json
import pickle
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from ranking import artifacts
from ranking.artifacts import Artifact, ArtifactDamaged, Artifacts, NothingToRollBackTo, Span
from ranking.learning import FirstGuess, Learned, Training
from ranking.skills.suggesting import TrainedSuggester
from tests.ranking.test_learning import trees

V1, V2, V3 = "2026-01-01T000000Z", "2026-02-01T000000Z", "2026-03-01T000000Z"


def artifact(version: str) -> Artifact:
    return Artifact(version, Training(trees(), {"x": 0.3}), "2026-01-01", Span(1.0, 9.5, 300, 900, 40))


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = artifact(V1)
    artifacts.save(tmp_path, written)

    read = artifacts.load(tmp_path)

    assert read is not None
    assert (read.version, read.made_at, read.span) == (V1, written.made_at, written.span)
    assert read.training.reached == {"x": 0.3}
    assert set(read.libraries) == {"python", "lightgbm", "numpy", "scipy", "scikit-learn"}
    rows = np.random.default_rng(2).random((20, 2), dtype=np.float32)
    assert np.array_equal(read.trees.scores(rows), written.trees.scores(rows))
    assert np.array_equal(read.trees.contributions(rows), written.trees.contributions(rows))


def test_rolling_back_is_one_step_at_a_time_until_nothing_trained_is_in_use(tmp_path: Path) -> None:
    with pytest.raises(NothingToRollBackTo):
        artifacts.roll_back(tmp_path)
    for version in (V1, V2, V3):
        artifacts.save(tmp_path, artifact(version))
    ours = Artifacts(tmp_path)
    assert ours.current is not None

    steps = [artifacts.roll_back(tmp_path) for _ in range(3)]

    assert [None if step is None else step.version for step in steps] == [V2, V1, None]
    left: list[object] = [artifacts.current(tmp_path), artifacts.load(tmp_path), ours.current]
    assert left == [None, None, None]
    with pytest.raises(NothingToRollBackTo):
        artifacts.roll_back(tmp_path)
    assert artifacts.versions(tmp_path) == [V1, V2, V3]
    assert artifacts.use(tmp_path, V3).version == artifacts.current(tmp_path) == V3


def test_what_was_rolled_back_from_does_not_come_back(tmp_path: Path) -> None:
    artifacts.save(tmp_path, artifact(V1))
    assert artifacts.roll_back(tmp_path) is None
    artifacts.save(tmp_path, artifact(V2))

    assert artifacts.roll_back(tmp_path) is None
    assert artifacts.current(tmp_path) is None


def test_where_the_version_before_is_not_kept_the_newest_older_one_is_gone_back_to(tmp_path: Path) -> None:
    for version in (V1, V2, V3):
        artifacts.save(tmp_path, artifact(version))
    shutil.rmtree(tmp_path / V2)

    back = artifacts.roll_back(tmp_path)

    assert back is not None and back.version == V1


def test_a_version_may_hold_a_suggester_alone_or_beside_an_order(tmp_path: Path) -> None:
    suggester = TrainedSuggester(trees().trees, 0.4, {"learned": 0.6}, 300, 9.5)
    rows = np.random.default_rng(2).random((20, 2), dtype=np.float32)
    for version, order in ((V1, FirstGuess()), (V2, trees())):
        artifacts.save(tmp_path, Artifact(version, Training(order), suggester=suggester))

        read = artifacts.load(tmp_path)

        assert read is not None and read.suggester is not None
        assert read.orders is (version == V2) and read.before == {V1: None, V2: V1}[version]
        kept = read.suggester
        assert (kept.threshold, kept.reached, kept.gigs, kept.last) == (0.4, {"learned": 0.6}, 300, 9.5)
        assert np.array_equal(kept.trees.scores(rows), suggester.trees.scores(rows))
    (tmp_path / V2 / "skills.txt").write_text("trees")
    with pytest.raises(ArtifactDamaged, match=r"skills\.txt is not what was written"):
        artifacts.load(tmp_path)


def test_a_version_of_the_format_before_is_read(tmp_path: Path) -> None:
    artifacts.save(tmp_path, artifact(V1))
    artifacts.save(tmp_path, artifact(V2))
    for version in (V1, V2):
        file = tmp_path / version / "manifest.json"
        facts = json.loads(file.read_text()) | {"format": 2}
        file.write_text(json.dumps({key: facts[key] for key in facts if key not in {"before", "skills"}}))

    assert artifacts.use(tmp_path, V2).suggester is None
    back = artifacts.roll_back(tmp_path)
    assert back is not None and back.version == V1


def test_a_version_is_never_written_twice_and_old_ones_go(tmp_path: Path) -> None:
    names = [f"v{number:02}" for number in range(12)]
    for name in names:
        artifacts.save(tmp_path, artifact(name))

    with pytest.raises(FileExistsError):
        artifacts.save(tmp_path, artifact(names[-1]))

    assert artifacts.versions(tmp_path) == names[2:]
    with pytest.raises(ValueError, match="no name"):
        artifacts.save(tmp_path, artifact("../elsewhere"))
    with pytest.raises(ValueError, match="only what was learnt"):
        artifacts.save(tmp_path, Artifact("v99", Training(FirstGuess())))


@pytest.mark.parametrize("changed", ["head-0.txt", "manifest.json"])
def test_what_was_changed_is_not_loaded(tmp_path: Path, changed: str) -> None:
    artifacts.save(tmp_path, artifact(V1))
    file = tmp_path / V1 / changed
    file.write_text(file.read_text().replace("0.3", "0.4").replace("tree", "tree ", 1))

    with pytest.raises(ArtifactDamaged, match=f"{changed} is not what was written"):
        artifacts.load(tmp_path)


def test_a_pickle_is_never_read_even_if_the_manifest_names_it(tmp_path: Path) -> None:
    artifacts.save(tmp_path, artifact(V1))
    home, evil = tmp_path / V1, pickle.dumps(Evil(str(tmp_path / "opened")))
    (home / "model.pkl").write_bytes(evil)
    facts = json.loads((home / "manifest.json").read_text())
    facts["files"] = {"model.pkl": artifacts._digest(evil)}
    (home / "manifest.json").write_text(json.dumps(facts))

    with pytest.raises(ArtifactDamaged, match=r"model\.pkl is no file of a model"):
        artifacts.use(tmp_path, V1)

    assert not (tmp_path / "opened").exists()
    pickle.loads(evil)  # it would have done something
    assert (tmp_path / "opened").exists()


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1, "version": "2026-01-01T000000Z"}'])
def test_a_manifest_that_makes_no_sense_is_damage(tmp_path: Path, content: str) -> None:
    artifacts.save(tmp_path, artifact(V1))
    (tmp_path / V1 / "manifest.json").write_text(content)

    with pytest.raises(ArtifactDamaged):
        artifacts.use(tmp_path, V1)


def test_a_running_server_takes_up_what_is_put_in_use_and_survives_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = Artifacts(tmp_path)
    assert ours.current is None

    artifacts.save(tmp_path, artifact(V1))
    first = ours.current
    artifacts.save(tmp_path, artifact(V2))
    second = ours.current

    assert first is not None and second is not None
    assert (first.version, second.version) == (V1, V2)
    assert ours.current is second  # nothing is read twice
    (tmp_path / "CURRENT").write_text("what is this?")
    assert ours.current is second and ours.current is second
    assert len(caplog.records) == 1
    artifacts.use(tmp_path, V1)
    assert ours.current is not None and ours.current.version == V1


def test_readers_see_one_whole_model_or_the_other_while_it_is_swapped(tmp_path: Path) -> None:
    for version in (V1, V2):
        artifacts.save(tmp_path, artifact(version))
    ours, rows = Artifacts(tmp_path), np.ones((1, 2), np.float32)
    expected = artifact(V1).trees.scores(rows)
    seen: set[str] = set()
    problems: list[object] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            now = ours.current
            if now is None or not np.array_equal(now.trees.scores(rows), expected):
                problems.append(now)
            else:
                seen.add(now.version)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for turn in range(60):
        artifacts.use(tmp_path, (V1, V2)[turn % 2])
    is_over.set()
    for reader in readers:
        reader.join()

    assert problems == []
    assert seen == {V1, V2}
    assert ours.current is not None and ours.current.version == V2


def test_two_who_write_at_once_both_leave_whole_versions(tmp_path: Path) -> None:
    writers = [threading.Thread(target=artifacts.save, args=(tmp_path, artifact(v))) for v in (V1, V2, V3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [artifacts.read(tmp_path, version).version for version in artifacts.versions(tmp_path)] == [
        V1,
        V2,
        V3,
    ]
    now = artifacts.load(tmp_path)
    assert now is not None and isinstance(now.training.order, Learned)
