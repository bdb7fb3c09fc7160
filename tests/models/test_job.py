"""A job that fails comes back later and later, and is dead after the eighth time."""

from datetime import UTC, datetime, timedelta

from models.ids import new_id
from models.job import MAX_ATTEMPTS, Job, JobStatus

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def a_job() -> Job:
    return Job(
        id=new_id(),
        kind="expire_gig",
        subject_id=new_id(),
        payload={},
        status=JobStatus.WAITING,
        run_at=NOW,
        created_at=NOW,
    )


def test_a_failed_job_waits_twice_as_long_each_time() -> None:
    job = a_job()

    waits = []
    for _ in range(MAX_ATTEMPTS - 1):
        job.fail("boom", at=NOW)
        waits.append((job.run_at - NOW).total_seconds())

    assert waits == [2, 4, 8, 16, 32, 64, 128]
    assert (job.status, job.attempts, job.last_error, job.finished_at) == (JobStatus.WAITING, 7, "boom", None)


def test_a_job_is_dead_after_its_last_attempt() -> None:
    job = a_job()

    for attempt in range(MAX_ATTEMPTS):
        job.fail(f"boom {attempt}", at=NOW + timedelta(hours=attempt))

    assert (job.status, job.attempts, job.last_error) == (JobStatus.DEAD, 8, "boom 7")
    assert job.finished_at == NOW + timedelta(hours=7)


def test_a_job_remembers_only_the_beginning_of_a_long_error() -> None:
    job = a_job()

    job.fail("x" * 5_000, at=NOW)

    assert job.last_error == "x" * 2_000


def test_a_finished_job_forgets_what_went_wrong_before() -> None:
    job = a_job()
    job.fail("boom", at=NOW)

    job.finish(at=NOW + timedelta(seconds=2))

    assert (job.status, job.last_error) == (JobStatus.DONE, None)
    assert job.finished_at == NOW + timedelta(seconds=2)


def test_a_dead_job_gets_another_life_at_once() -> None:
    job = a_job()
    for _ in range(MAX_ATTEMPTS):
        job.fail("boom", at=NOW)

    job.retry(at=NOW + timedelta(days=1))

    assert (job.status, job.attempts, job.finished_at) == (JobStatus.WAITING, 0, None)
    assert job.run_at == NOW + timedelta(days=1)
