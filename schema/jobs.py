"""Jobs as administrators see them."""

from datetime import datetime

import strawberry
from strawberry import Maybe

from auth import access
from models.errors import NotFound
from models.ids import decode_id
from models.job import Job, JobStatus
from resolvers import jobs
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.filters import DateTimeFilter, Equality, TextFilter, compares
from schema.graph import column, entity, node
from schema.keyset import newest
from schema.node import Node
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.words import words

words(JobStatus)


@node("job", Job, scope=access.visible_jobs, name="Job", description="Work the platform owes for later; administrators see it.")  # fmt: skip
class JobType(Node):
    kind: str = column(Job.kind, "What is to be done.")
    status: JobStatus = column(Job.status, "Where it is in its life.")
    run_at: datetime = column(Job.run_at, "When it runs, or runs again.")
    attempts: int = column(Job.attempts, "How often it has failed.")
    last_error: str | None = column(Job.last_error, "Why it failed last; null if it did not.")
    created_at: datetime = column(Job.created_at, "When it was first owed.")
    finished_at: datetime | None = column(Job.finished_at, "When it was done or given up; null before.")


@strawberry.input(description="Which jobs to list.")
class JobWhere:
    kind: Maybe[TextFilter] = compares(Job.kind, "By kind.")
    status: Maybe[Equality[JobStatus]] = compares(Job.status, "By status; `{eq: DEAD}` waits for you.")
    run_at: Maybe[DateTimeFilter] = compares(Job.run_at, "By when it runs.")


@strawberry.type
class JobQuery:
    jobs: Connection[JobType] = connection(
        None,
        "Jobs, newest first; empty for everybody but administrators.",
        default=newest(Job.created_at),
        where=JobWhere,
    )


@strawberry.input(description="Input of `jobRetry`.")
class JobRetryInput:
    id: strawberry.ID = strawberry.field(description="A dead job.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.type(description="Answer to `jobRetry`.")
class JobPayload(MutationPayload):
    job: JobType | None = entity("The job as it is now.")


@mutation(
    JobPayload,
    NotFound,
    needs=Needs.ADMIN,
    description="Give a dead job another life, now; NOOP for any other.",
)
async def job_retry(op: Operation, input: JobRetryInput) -> Answer:
    return await jobs.retry_job(op, decode_id("job", input.id))
