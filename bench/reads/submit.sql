-- What every peer's applicationSubmit runs between BEGIN and COMMIT: the same durable writes as ours (models/store/sql.py,
-- resolvers/applications.py), in as few statements as they can be. Each statement begins with a line `-- name:`.

-- name: claim
-- $1 actor, $2 idempotency key, $3 hash of the input, $4 gig. A concurrent repeat waits here for the first one.
with claimed as (
    insert into idempotency_key (actor_id, mutation, key, input_hash, outcome, created_at)
    values ($1::uuid, 'application_submit', $2::text, $3::bytea, 'APPLIED', now())
    on conflict do nothing returning 1
)
select gig.client_id, gig.status, gig.currency, (select count(*)::int from claimed) as claimed,
       (select a.id from application a
        where a.gig_id = gig.id and a.freelancer_id = $1 and a.status <> 'WITHDRAWN') as live_id,
       (select json_agg(json_build_object('id', q.id, 'isRequired', q.is_required, 'position', q.position))
        from gig_question q where q.gig_id = gig.id) as questions
from gig where gig.id = $4::uuid for no key update

-- name: apply
-- $1 actor, $2 idempotency key, $3 gig, $4 client, $5 cover letter, $6 price in minor units, $7 currency, $8 answers.
with applied as (
    insert into application (version, updated_at, id, gig_id, client_id, freelancer_id, status, cover_letter, price_minor,
                             currency, submitted_at)
    values (1, now(), uuidv7(), $3::uuid, $4::uuid, $1::uuid, 'SUBMITTED', $5::text, $6::bigint, $7::text, now())
    returning id, status
), answered as (
    insert into application_answer (application_id, question_id, body, position)
    select applied.id, a.question_id, a.body, a.position
    from applied, jsonb_to_recordset($8::jsonb) as a(question_id uuid, body text, position int)
), roomed as (
    insert into room (version, updated_at, id, kind, gig_id, application_id, is_read_only, slow_mode_s, created_at)
    select 1, now(), uuidv7(), 'APPLICATION', $3, applied.id, false, 0, now() from applied
    returning id
), joined as (
    insert into room_member (room_id, user_id, role, joined_at, is_muted, is_hidden, is_favorite, read_seq, receipt_seq)
    select roomed.id, people.id, 'MEMBER', now(), false, false, false, 0, 0 from roomed, (values ($4), ($1)) as people(id)
), counted as (
    update gig set application_count = application_count + 1 where id = $3
), notified as (
    insert into notification (id, user_id, kind, category, reason, actor_id, gig_id, application_id, group_key, created_at)
    select uuidv7(), $4, 'ApplicationSubmitted', 'APPLICATIONS', 'YOU_ARE_THE_CLIENT', $1, $3, applied.id,
           'gig:' || $3 || ':ApplicationSubmitted', now()
    from applied
    where not exists (select from notification_preference p where p.user_id = $4 and p.category = 'APPLICATIONS'
                      and p.channel = 'IN_APP' and not p.is_on)
    returning id
), head as (
    insert into stream_head as h (stream, number, x)
    select stream, 1, pg_current_xact_id()
    from (values ('gig:' || $3), ('user:' || $1), ('user:' || $4)) as wanted(stream) order by stream
    on conflict (stream) do update set number = h.number + 1, x = excluded.x
    returning h.stream, h.number
), written as (
    insert into fact (stream, number, id, kind, audience, actor_id, owner_id, person_id, occurred_at, payload)
    select head.stream, head.number,
           case head.stream when 'user:' || $4 then coalesce((select id from notified), uuidv7()) else uuidv7() end,
           'ApplicationSubmitted', 'CONCERNED', $1, $4, $1, now(),
           jsonb_build_object('gig_id', $3, 'application_id', applied.id, 'before', null, 'after', applied.status,
                              'reason', null)
    from head, applied
    returning stream, number
), keyed as (
    update idempotency_key k set entity_id = applied.id, stream = written.stream, number = written.number
    from applied, written
    where written.stream = 'gig:' || $3 and k.actor_id = $1 and k.mutation = 'application_submit' and k.key = $2
)
select applied.id, applied.status from applied

-- name: insert
-- What is reported beside M1 without a floor: the row alone. $1 actor, $2 gig, $3 cover letter, $4 price in minor units.
insert into application (version, updated_at, id, gig_id, client_id, freelancer_id, status, cover_letter, price_minor,
                         currency, submitted_at)
select 1, now(), uuidv7(), gig.id, gig.client_id, $1::uuid, 'SUBMITTED', $3::text, $4::bigint, gig.currency, now()
from gig where gig.id = $2::uuid
returning id, status
