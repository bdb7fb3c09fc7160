"""The permission table of reading: a row for every root query and every relation, a column for every kind of caller."""

from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from strawberry.types.base import StrawberryObjectDefinition

from models.gig import GigVisibility
from models.ids import encode_id
from models.message import Content
from models.person_status import Saying
from models.profile import SkillLevel
from resolvers import administration, gigs, invitations, messages, person_status, profiles, reading, rooms
from resolvers.operation import Rules
from schema.connections import ConnectionOf
from schema.graph import Declaration, Many, One, Source, declared_fields
from tests.schema.stage import CALLERS, Scene, Stage, key

RELATIONS: tuple[type[Declaration], ...] = (One, Many, ConnectionOf, Source)

# anonymous, freelancer, client: no part in it · applicant · hired · owner · admin, super admin.
# "-": the caller cannot see the thing itself. Numbers count items, `shown` and `none` speak of one thing.
ROWS = {
    "Gig.client":                     "none   none   none   shown  shown  shown  shown  shown",
    "Gig.skills":                     "1      1      1      1      1      1      1      1",
    "Gig.requirements":               "1      1      1      1      1      1      1      1",
    "Gig.questions":                  "1      1      1      1      1      1      1      1",
    "Gig.applications":               "0      0      0      1      1      2      2      2",
    "Gig.viewerApplications":         "0      0      0      1      1      0      0      0",
    "Gig.contracts":                  "0      0      0      0      1      1      1      1",
    "Gig.invitations":                "0      0      0      1      0      1      1      1",
    "Gig.activity":                   "1      1      1      3      9      12     12     12",
    "Gig.board":                      "none   none   none   none   shown  shown  shown  shown",
    "Gig.statusNote":                 "none   none   none   none   none   none   none   none",
    # There is no index on this stage: lists are there, empty, for whom they are meant.
    "Gig.recommendedFreelancers":     "none   none   none   none   none   0      0      0",
    "Gig.suggestedTeams":             "none   none   none   none   none   shown  shown  shown",
    "Gig.similar":                    "0      0      0      0      0      0      0      0",
    "Gig.fit":                        "none   none   none   none   none   none   none   none",
    "Gig.isSaved":                    "false  false  false  false  false  false  false  false",
    "GigSkill.skill":                 "1      1      1      1      1      1      1      1",
    "Activity.actorName":             "0      0      0      3      9      12     12     12",
    "Activity.note":                  "0      0      0      1      1      2      2      2",
    "Application.note":               "-      -      -      none   -      none   none   none",
    "Application.gig":                "-      -      -      shown  -      shown  shown  shown",
    "Application.freelancer":         "-      -      -      shown  -      shown  shown  shown",
    "Application.answers":            "-      -      -      1      -      1      1      1",
    "Application.room":              "-      -      -      shown  -      shown  none   none",
    "Contract.note":                  "-      -      -      -      shown  shown  shown  shown",
    "Contract.room":                  "-      -      -      -      shown  shown  none   none",
    "Contract.gig":                   "-      -      -      -      shown  shown  shown  shown",
    "Contract.application":           "-      -      -      -      shown  shown  shown  shown",
    "Contract.client":                "-      -      -      -      shown  shown  shown  shown",
    "Contract.freelancer":            "-      -      -      -      shown  shown  shown  shown",
    "Contract.submittedSnippets":     "-      -      -      -      1      1      1      1",
    # Administrators do not see what is written in snippets.
    "SubmittedSnippet.version":       "-      -      -      -      1      1      0      0",
    "Snippet.owner":                  "-      -      -      -      shown  shown  -      -",
    "Snippet.latest":                 "-      -      -      -      shown  shown  -      -",
    "Snippet.versions":               "-      -      -      -      1      1      -      -",
    "Snippet.comments":               "-      -      -      -      2      2      -      -",
    "Snippet.shares":                 "-      -      -      -      2      1      -      -",
    "Snippet.viewer":                 "-      -      -      -      shown  shown  -      -",
    "SnippetVersion.content":         "-      -      -      -      shown  shown  -      -",
    "SnippetVersion.author":          "-      -      -      -      shown  shown  -      -",
    "SnippetVersion.snippet":         "-      -      -      -      shown  shown  -      -",
    "SnippetComment.body":            "-      -      -      -      shown  shown  -      -",
    "SnippetComment.author":          "-      -      -      -      shown  shown  -      -",
    "SnippetComment.snippet":         "-      -      -      -      shown  shown  -      -",
    "SnippetComment.onVersion":       "-      -      -      -      shown  shown  -      -",
    "SnippetComment.thread":          "-      -      -      -      none   none   -      -",
    "SnippetComment.answers":         "-      -      -      -      1      1      -      -",
    "SnippetComment.mentions":        "-      -      -      -      1      1      -      -",
    "SnippetComment.wordings":        "-      -      -      -      1      1      -      -",
    "SnippetComment.resolvedBy":      "-      -      -      -      none   none   -      -",
    "SnippetWording.body":            "-      -      -      -      1      1      -      -",
    "SnippetShare.snippet":           "-      -      -      -      shown  shown  -      -",
    "SnippetShare.contract":          "-      -      -      -      shown  shown  -      -",
    "SnippetShare.room":              "-      -      -      -      none   none   -      -",
    "Contract.feedback":              "-      -      -      -      2      2      2      2",
    "Contract.feedbackState":         "-      -      -      -      shown  shown  shown  shown",
    "Feedback.authorName":            "none   none   none   shown  shown  shown  shown  shown",
    "GigInvitation.gig":              "-      -      -      shown  -      shown  shown  shown",
    "GigInvitation.freelancer":       "-      -      -      shown  -      shown  shown  shown",
    "GigInvitation.message":          "-      -      -      shown  -      shown  shown  shown",
    "Freelancer.skills":              "-      -      -      -      1      1      1      1",
    "Freelancer.expertise":           "-      -      -      -      1      1      1      1",
    "Freelancer.trackRecord":         "-      -      -      -      shown  shown  shown  shown",
    "Freelancer.recentTrackRecord":   "-      -      -      -      shown  shown  shown  shown",
    "Freelancer.applications":        "-      -      -      -      1      1      1      1",
    "Freelancer.contracts":           "-      -      -      -      1      1      1      1",
    "Freelancer.invitations":         "-      -      -      -      0      0      0      0",
    "Freelancer.feedback":            "-      -      -      -      1      1      1      1",
    "Freelancer.completeness":        "-      -      -      -      shown  none   none   none",
    "Expertise.skill":                "-      -      -      -      1      1      1      1",
    "Client.trackRecord":             "-      -      -      shown  shown  shown  shown  shown",
    "Client.recentTrackRecord":       "-      -      -      shown  shown  shown  shown  shown",
    "Client.gigs":                    "-      -      -      1      1      1      1      1",
    "Client.contracts":               "-      -      -      0      1      1      1      1",
    "Client.feedback":                "-      -      -      1      1      1      1      1",
    "Board.gig":                      "-      -      -      -      shown  shown  shown  shown",
    "Board.columns":                  "-      -      -      -      5      5      5      5",
    "Board.labels":                   "-      -      -      -      1      1      1      1",
    "Board.members":                  "-      -      -      -      2      2      2      2",
    "Board.tasks":                    "-      -      -      -      2      2      2      2",
    "Board.activity":                 "-      -      -      -      21     21     21     21",
    "Board.flow":                     "-      -      -      -      shown  shown  shown  shown",
    "Board.forecast":                 "-      -      -      -      none   none   none   none",
    "Board.presence":                 "-      -      -      -      0      0      0      0",
    "Board.viewer":                   "-      -      -      -      shown  shown  shown  shown",
    "BoardColumn.tasks":              "-      -      -      -      1      1      1      1",
    "Task.board":                     "-      -      -      -      shown  shown  shown  shown",
    "Task.column":                    "-      -      -      -      shown  shown  shown  shown",
    "Task.parent":                    "-      -      -      -      none   none   none   none",
    "Task.subtasks":                  "-      -      -      -      1      1      1      1",
    "Task.creator":                   "-      -      -      -      shown  shown  shown  shown",
    "Task.assignees":                 "-      -      -      -      1      1      1      1",
    "Task.watchers":                  "-      -      -      -      2      2      2      2",
    "Task.labels":                    "-      -      -      -      1      1      1      1",
    "Task.relations":                 "-      -      -      -      1      1      1      1",
    "Task.inverseRelations":          "-      -      -      -      0      0      0      0",
    "Task.checklists":                "-      -      -      -      1      1      1      1",
    "Task.attachments":               "-      -      -      -      1      1      1      1",
    "Attachment.uploader":            "-      -      -      -      shown  shown  shown  shown",
    "Task.comments":                  "-      -      -      -      2      2      2      2",
    "Task.activity":                  "-      -      -      -      11     11     11     11",
    "Task.texts":                     "-      -      -      -      2      2      2      2",
    "TaskRelation.task":              "-      -      -      -      1      1      1      1",
    "TaskRelation.other":             "-      -      -      -      1      1      1      1",
    "BoardText.author":               "-      -      -      -      2      2      2      2",
    "TaskChecklist.items":            "-      -      -      -      1      1      1      1",
    "TaskChecklistItem.assignee":     "-      -      -      -      shown  shown  shown  shown",
    "TaskComment.author":             "-      -      -      -      shown  shown  shown  shown",
    "TaskComment.task":               "-      -      -      -      shown  shown  shown  shown",
    "TaskComment.thread":             "-      -      -      -      none   none   none   none",
    "TaskComment.mentions":           "-      -      -      -      1      1      1      1",
    "TaskComment.reactions":          "-      -      -      -      2      2      2      2",
    "TaskComment.versions":           "-      -      -      -      1      1      1      1",
    "TaskReaction.person":            "-      -      -      -      2      2      2      2",
    # What people say to each other, no administrator reads.
    "Room.gig":                       "-      -      -      -      none   none   -      -",
    "Room.application":               "-      -      -      -      none   none   -      -",
    "Room.contract":                  "-      -      -      -      none   none   -      -",
    "Room.members":                   "-      -      -      -      2      2      -      -",
    "Room.membership":                "-      -      -      -      shown  shown  -      -",
    "Room.counts":                    "-      -      -      -      shown  shown  -      -",
    "Room.viewer":                    "-      -      -      -      shown  shown  -      -",
    "Person.presence":                "-      -      -      -      shown  none   none   none",
    "Person.status":                  "-      -      -      -      shown  none   none   none",
    "RoomMember.person":              "-      -      -      -      2      2      -      -",
    "PersonBlock.person":             "-      -      -      -      -      -      -      -",
    "Room.drafts":                    "-      -      -      -      1      0      -      -",
    "MessageDraft.room":              "-      -      -      -      shown  -      -      -",
    "MessageDraft.content":           "-      -      -      -      shown  -      -      -",
    "ScheduledMessage.room":          "-      -      -      -      shown  -      -      -",
    "ScheduledMessage.content":       "-      -      -      -      shown  -      -      -",
    # Of a report administrators see the one message, not the room.
    "MessageReport.room":             "-      -      -      -      -      shown  none   none",
    "MessageReport.note":             "-      -      -      -      -      shown  shown  shown",
    "MessageReport.author":           "-      -      -      -      -      shown  shown  shown",
    "MessageReport.reporter":         "-      -      -      -      -      shown  shown  shown",
    "MessageReport.evidence":         "-      -      -      -      -      none   shown  shown",
    "MessageReport.resolution":       "-      -      -      -      -      none   none   none",
    # What was said to the owner alone, an administrator does not read either.
    "Notification.actorName":         "-      -      -      -      -      shown  -      -",
    "Notification.gig":               "-      -      -      -      -      shown  -      -",
    "Notification.application":       "-      -      -      -      -      none   -      -",
    "Notification.contract":          "-      -      -      -      -      shown  -      -",
    "Notification.invitation":        "-      -      -      -      -      none   -      -",
    "Notification.task":              "-      -      -      -      -      none   -      -",
    "Notification.snippet":           "-      -      -      -      -      none   -      -",
    "Notification.room":              "-      -      -      -      -      none   -      -",
    "Notification.note":              "-      -      -      -      -      shown  -      -",
    "User.freelancer":                "-      -      -      shown  -      -      shown  shown",
    "User.client":                    "-      -      -      none   -      -      none   none",
    "Skill.demand":                   "shown  shown  shown  shown  shown  shown  shown  shown",
    "User.skillGap":                  "-      -      -      shown  -      -      none   none",
    "User.sessions":                  "-      -      -      1      -      -      0      0",
    "User.suspensionReason":          "-      -      -      none   -      -      none   none",
    "AdminAct.actor":                 "-      -      -      -      -      -      shown  shown",
    "AdminAct.account":               "-      -      -      -      -      -      shown  shown",
    "AdminAct.reason":                "-      -      -      -      -      -      shown  shown",
}  # fmt: skip

# What is asked of one thing of each type; records are reached through the thing they belong to.
SELECTIONS = {
    "Gig": "client { id } skills { id } requirements { need } questions { id } applications { totalCount } "
    "viewerApplications { totalCount } contracts { totalCount } invitations { totalCount } "
    "activity(first: 100) { totalCount } board { id } statusNote isSaved "
    "recommendedFreelancers { totalCount } suggestedTeams { isProved } similar { score } fit { score }",
    "Application": "note gig { id } room { id } freelancer { id } answers { body }",
    "Contract": "note gig { id } room { id } application { id } client { id } freelancer { id } feedback { id } submittedSnippets { submission } "
    "feedbackState { closesAt }",
    "Feedback": "authorName",
    "GigSkill": "requirements { skill { id } }",
    "Activity": "activity(first: 100) { nodes { actorName note } }",
    "Expertise": "expertise { skill { id } }",
    "GigInvitation": "gig { id } freelancer { id } message",
    "Freelancer": "skills { id } expertise { level } trackRecord { contractsCompleted } "
    "recentTrackRecord { contractsCompleted } applications { totalCount } contracts { totalCount } "
    "invitations { totalCount } feedback { totalCount } completeness { percent }",
    "Client": "trackRecord { contractsCompleted } recentTrackRecord { contractsCompleted } gigs { totalCount } "
    "contracts { totalCount } feedback { totalCount }",
    "Board": "gig { id } columns { id } labels { id } members { isActive } tasks { totalCount } "
    "activity(first: 100) { totalCount } flow { days { on } } forecast { remaining } presence { doing } "
    "viewer { can }",
    "BoardColumn": "tasks { totalCount }",
    "Task": "board { id } column { id } parent { id } subtasks { totalCount } creator { id } assignees { id } watchers { id } "
    "labels { id } relations { kind } inverseRelations { kind } checklists { id } attachments { id } comments { totalCount } texts { totalCount } "
    "activity(first: 100) { totalCount }",
    "TaskRelation": "relations { task { id } other { id } }",
    "BoardText": "texts { nodes { author { id } } }",
    "Attachment": "uploader { id }",
    "TaskChecklist": "items { id }",
    "TaskChecklistItem": "assignee { id }",
    "TaskComment": "author { id } task { id } thread { id } mentions { id } reactions { emoji } versions { totalCount }",
    "TaskReaction": "reactions { person { id } }",
    "Room": "gig { id } application { id } contract { id } members { totalCount } membership { role } counts { unread } viewer { can } drafts { totalCount }",
    "RoomMember": "members { nodes { person { id } } }",
    "Person": "presence { state } status { text }",
    "Notification": "actorName gig { id } application { id } contract { id } invitation { id } task { id } snippet { id } room { id } note",
    "User": "freelancer { id } client { id } skillGap { covered } sessions { totalCount } suspensionReason",
    "AdminAct": "actor { id } account { id } reason",
    "SubmittedSnippet": "submittedSnippets { version { id } }",
    "Snippet": "owner { id } latest { id } versions { totalCount } comments { totalCount } shares { id } viewer { can }",
    "SnippetVersion": "content author { id } snippet { id }",
    "SnippetComment": "body author { id } snippet { id } onVersion { id } thread { id } answers { totalCount } mentions { id } "
    "wordings { totalCount } resolvedBy { id }",
    "SnippetWording": "wordings { nodes { body } }",
    "SnippetShare": "snippet { id } contract { id } room { id }",
    "Skill": "demand { openGigs }",
    "MessageDraft": "room { id } content { text }",
    "ScheduledMessage": "room { id } content { text }",
    "MessageReport": "room { id } note author { id } reporter { id } evidence { text } resolution",
}


REACHED_FROM = {
    "GigSkill": "Gig",
    "Activity": "Gig",
    "Expertise": "Freelancer",
    "TaskRelation": "Task",
    "BoardText": "Task",
    "TaskReaction": "TaskComment",
    "RoomMember": "Room",
    "SubmittedSnippet": "Contract",
    "SnippetWording": "SnippetComment",
}


@pytest.fixture(autouse=True, params=["planned", pytest.param("batches", marks=pytest.mark.long)])
def executor(request: pytest.FixtureRequest, stage: Stage) -> Iterator[None]:
    """No path may leak through either of the two executors."""
    stage.world.planned = request.param == "planned"
    yield
    stage.world.planned = True


def test_every_relation_has_a_row(schema: strawberry.Schema) -> None:
    assert set(relations_of(schema)) == set(ROWS)


def relations_of(schema: strawberry.Schema) -> list[str]:
    """Every relation and batched source that some type declares, as Type.field."""
    types = [entry.definition for entry in schema.schema_converter.type_map.values()]
    return [
        f"{definition.name}.{_camel(field.python_name)}"
        for definition in types
        if isinstance(definition, StrawberryObjectDefinition) and hasattr(definition.origin, "__graph_spec__")
        for field in declared_fields(definition.origin)
        if isinstance(field.declaration, RELATIONS)
    ]


@pytest.fixture(scope="module")
async def scene(stage: Stage) -> Scene:
    expertise = [profiles.Expertise(await stage.world.skill(), SkillLevel.EXPERT, 3)]
    await profiles.set_expertise(stage.as_("hired"), expertise, expected_version=None)
    scene = await stage.judged(await stage.kept(await stage.shelved(await stage.furnished())))
    await messages.send_message(
        stage.as_("owner"), key(scene.room), Content("The cheap one.", answers_id=key(scene.message))
    )
    await reading.mark_read(stage.as_("hired"), key(scene.room), up_to=None)
    await reading.mark_read(stage.as_("owner"), key(scene.room), up_to=key(scene.message))
    await messages.send_message(stage.as_("hired"), key(scene.room), Content("Good."))
    await person_status.set_status(stage.as_("hired"), Saying("On holiday"))
    await rooms.block_person(stage.as_("owner"), key(stage.id("person", "hired")))
    told = "select id from notification where user_id = :id and kind = 'WorkSubmitted'"
    rows = await stage.world.rows(told, id=stage["owner"].user_id)
    somebody = await stage.world.client("Somebody")
    await administration.suspend_account(
        stage.as_("admin"), somebody.require_user(), reason="Spam.", until=None
    )
    acts = await stage.world.rows("select id from admin_act where account_id = :id", id=somebody.user_id)
    ids = {"adminact": acts[0][0], "notification": rows[0][0]}
    return Scene(scene.ids | {name: encode_id(name, id) for name, id in ids.items()})


@pytest.mark.parametrize("type_name", SELECTIONS)
async def test_each_relation_shows_each_caller_what_the_table_says(
    type_name: str, stage: Stage, scene: Scene
) -> None:
    ids = {
        "Gig": scene.gig,
        "Application": scene.application,
        "Contract": scene.contract,
        "Feedback": scene.feedback_of_owner,
        "GigInvitation": scene.invitation,
        "Freelancer": stage.id("freelancer", "hired"),
        "Client": stage.id("client", "owner"),
        "User": stage.id("user", "applicant"),
        "Notification": scene.notification,
        "Board": scene.board,
        "BoardColumn": scene.todo,
        "Task": scene.task,
        "Attachment": scene.file,
        "TaskChecklist": scene.checklist,
        "TaskChecklistItem": scene.item,
        "TaskComment": scene.comment,
        "AdminAct": scene.adminact,
        "Room": scene.room,
        "Person": stage.id("person", "hired"),
        "Snippet": scene.snippet,
        "SnippetVersion": scene.snippetversion,
        "SnippetComment": scene.snippetcomment,
        "SnippetShare": scene.snippetshare,
        "Skill": encode_id("skill", await stage.world.skill()),
        "MessageDraft": scene.draft,
        "ScheduledMessage": scene.scheduled,
        "MessageReport": scene.report,
    }

    answers = [
        await read(stage, caller, type_name, ids[REACHED_FROM.get(type_name, type_name)])
        for caller in CALLERS
    ]

    expected = {name: row.split() for name, row in ROWS.items() if name.startswith(f"{type_name}.")}
    assert expected == {name: [answer[name] if answer else "-" for answer in answers] for name in expected}


async def read(stage: Stage, caller: str, type_name: str, id: str) -> dict[str, str] | None:
    reached = REACHED_FROM.get(type_name, type_name)
    document = f"query($id: ID!) {{ node(id: $id) {{ ... on {reached} {{ {SELECTIONS[type_name]} }} }} }}"
    node = (await stage.world.data(stage[caller], document, id=id))["node"]
    if node is None:
        return None
    if reached == type_name:
        return {f"{type_name}.{name}": summary(value) for name, value in node.items()}
    (value,) = node.values()
    records = value["nodes"] if isinstance(value, dict) else value
    names = [name for name in ROWS if name.startswith(f"{type_name}.")]
    shown = {name: [record[name.partition(".")[2]] for record in records] for name in names}
    return {name: str(sum(value is not None for value in values)) for name, values in shown.items()}


def summary(value: Any) -> str:
    """A count for lists, `shown` for objects and texts, the value for flags."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and "totalCount" in value:
        return str(value["totalCount"])
    return str(len(value)) if isinstance(value, list) else "shown"


# -- root queries ------------------------------------------------------------------------------------------------------

QUERY_ROWS = {
    "gig":          "shown shown shown shown shown shown shown shown",
    "gigs":         "1     1     1     1     1     1     1     1",
    "gigFacets":    "1     1     1     1     1     1     1     1",
    "application":  "none  none  none  shown none  shown shown shown",
    "contract":     "none  none  none  none  shown shown shown shown",
    "contracts":    "0     0     0     0     1     1     1     1",
    "freelancer":   "none  none  none  none  shown shown shown shown",
    "freelancers":  "0     0     0     0     1     1     1     1",
    "client":       "none  none  none  shown shown shown shown shown",
    "board":        "none  none  none  none  shown shown shown shown",
    "boards":       "0     0     0     0     1     1     1     1",
    "task":         "none  none  none  none  shown shown shown shown",
    "snippet":      "none  none  none  none  shown shown none  none",
    "snippets":     "0     0     0     0     1     1     0     0",
    "snippetDiff":  "none  none  none  none  shown shown none  none",
    "sharedSnippet": "shown shown shown shown shown shown shown shown",
    "skill":        "shown shown shown shown shown shown shown shown",
    "skills":       "1     1     1     1     1     1     1     1",
    "skillSuggest": "1     1     1     1     1     1     1     1",
    "skillSuggestions": "shown shown shown shown shown shown shown shown",
    "recommendedGigs": "NOT_FOR_YOU shown NOT_FOR_YOU shown shown NOT_FOR_YOU NOT_FOR_YOU NOT_FOR_YOU",
    "jobs":         "0     0     0     0     0     0     1     1",
    "notifications": "0    0     0     1     1     1     1     1",
    "notificationCounts": "0 0    0     1     1     1     1     1",
    "accounts":     "0     0     0     0     1     0     1     1",
    "adminActs":    "0     0     0     0     0     0     1     1",
    "encryptionStatus": "UNAUTHENTICATED FORBIDDEN FORBIDDEN FORBIDDEN FORBIDDEN FORBIDDEN FORBIDDEN shown",
    "notificationPreferences": "0 24 24 24    24    24    24    24",
    "room":         "none  none  none  none  shown shown none  none",
    "rooms":        "0     0     0     0     1     1     0     0",
    "messages":     "none  none  none  none  3     3     none  none",
    "message":      "none  none  none  none  shown shown none  none",
    "messageVersions": "0  0     0     0     1     1     0     0",
    "messageReaders": "0   0     0     0     1     1     0     0",
    "messageSearch": "0    0     0     0     1     1     0     0",
    "followedThreads": "0  0     0     0     1     1     0     0",
    "chatCounts":   "0     0     0     0     0     1     0     0",
    "chatShowsPresence": "true true true true true true true true",
    "chatShowsReceipts": "true true true true true true true true",
    "messageDrafts": "0   0     0     0     1     0     0     0",
    "scheduledMessages": "0 0   0     0     1     0     0     0",
    "messageReports": "0  0     0     0     0     1     1     1",
    "personBlocks": "0     0     0     0     0     1     0     0",
    "viewer":       "none  shown shown shown shown shown shown shown",
    "node":         "none  none  none  none  shown shown shown shown",
    "nodes":        "1     1     1     2     2     3     3     3",
    "rateLimit":    "shown shown shown shown shown shown shown shown",
}  # fmt: skip


def test_every_root_query_has_a_row(schema: strawberry.Schema) -> None:
    assert set(schema._schema.query_type.fields) == set(QUERY_ROWS)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", QUERY_ROWS)
async def test_each_root_query_shows_each_caller_what_the_table_says(
    name: str, stage: Stage, scene: Scene
) -> None:
    python = encode_id("skill", await stage.world.skill())
    asked = {
        "gig": f'gig(id: "{scene.gig}") {{ id }}',
        "gigs": f'gigs(where: {{title: {{eq: "{scene.title}"}}}}) {{ totalCount }}',
        "gigFacets": f'gigFacets(where: {{title: {{eq: "{scene.title}"}}}}) {{ skills {{ count }} }}',
        "application": f'application(id: "{scene.application}") {{ id }}',
        "contract": f'contract(id: "{scene.contract}") {{ id }}',
        "contracts": "contracts(where: {status: {eq: COMPLETED}}, first: 1) { nodes { id } }",
        "freelancer": f'freelancer(id: "{stage.id("freelancer", "hired")}") {{ id }}',
        "freelancers": 'freelancers(where: {name: {eq: "Hira"}}, first: 1) { nodes { id } }',
        "client": f'client(id: "{stage.id("client", "owner")}") {{ id }}',
        "board": f'board(id: "{scene.board}") {{ id }}',
        "boards": "boards(first: 1) { nodes { id } }",
        "task": f'task(id: "{scene.task}") {{ id }}',
        "snippet": f'snippet(id: "{scene.snippet}") {{ id }}',
        "snippets": "snippets(first: 1) { nodes { id } }",
        "snippetDiff": f'snippetDiff(from: "{scene.snippetversion}", to: "{scene.snippetversion}") {{ added }}',
        "sharedSnippet": f'sharedSnippet(token: "{scene.token}") {{ title }}',
        "skill": f'skill(id: "{python}") {{ id }}',
        "skills": 'skills(where: {name: {eq: "Python"}}) { nodes { id } }',
        "skillSuggest": 'skillSuggest(prefix: "python", first: 1) { id }',
        "skillSuggestions": 'skillSuggestions(text: "Python") { state }',
        "recommendedGigs": "recommendedGigs { state }",
        "jobs": "jobs(first: 1) { nodes { id } }",
        "accounts": 'accounts(where: {text: "Hira"}, first: 1) { nodes { id } }',
        "adminActs": "adminActs(first: 1) { nodes { id } }",
        "encryptionStatus": "encryptionStatus { dataKeys }",
        "notifications": "notifications(first: 1) { nodes { id } }",
        "notificationCounts": "notificationCounts { unread }",
        "notificationPreferences": "notificationPreferences { isOn }",
        "room": f'room(id: "{scene.room}") {{ id }}',
        "rooms": "rooms(where: {kind: {eq: GROUP}}) { nodes { id } }",
        "messages": f'messages(roomId: "{scene.room}") {{ nodes {{ text }} }}',
        "message": f'message(roomId: "{scene.room}", id: "{scene.message}") {{ text }}',
        "messageVersions": f'messageVersions(roomId: "{scene.room}", id: "{scene.message}") {{ text }}',
        "messageReaders": f'messageReaders(roomId: "{scene.room}", id: "{scene.message}") {{ person {{ id }} }}',
        "messageSearch": 'messageSearch(query: "cheap") { nodes { text } }',
        "followedThreads": "followedThreads { nodes { id } }",
        "chatCounts": "chatCounts { unread }",
        "chatShowsReceipts": "chatShowsReceipts",
        "chatShowsPresence": "chatShowsPresence",
        "messageDrafts": "messageDrafts { nodes { id } }",
        "scheduledMessages": "scheduledMessages { nodes { id } }",
        "messageReports": "messageReports(first: 1) { nodes { id } }",
        "personBlocks": "personBlocks { nodes { person { id } } }",
        "viewer": "viewer { id }",
        "node": f'node(id: "{scene.contract}") {{ id }}',
        "nodes": f'nodes(ids: ["{scene.gig}", "{scene.application}", "{scene.contract}"]) {{ id }}',
        "rateLimit": "rateLimit { requested }",
    }

    answers = [await stage.world.graphql(stage[caller], f"{{ found: {asked[name]} }}") for caller in CALLERS]

    assert [shown(answer) for answer in answers] == QUERY_ROWS[name].split()


def shown(body: dict[str, Any]) -> str:
    """What there is, or the code of the refusal."""
    if "errors" in body:
        (error,) = body["errors"]
        return str(error["extensions"]["code"])
    return count(body["data"]["found"])


def count(answer: Any) -> str:
    """Like `summary`, for what root queries answer."""
    if isinstance(answer, dict) and answer.get("state") == "NOT_FOR_YOU":
        return "NOT_FOR_YOU"
    if isinstance(answer, dict) and "skills" in answer:
        return str(answer["skills"][0]["count"])
    if isinstance(answer, dict) and "unread" in answer:
        return str(int(answer["unread"] > 0))
    if isinstance(answer, dict) and "nodes" in answer:
        return str(len(answer["nodes"]))
    if isinstance(answer, list):
        return str(sum(item is not None for item in answer))
    return summary(answer)


# -- nothing hidden comes out another way ------------------------------------------------------------------------------


async def cancelled_draft(stage: Stage) -> Scene:
    scene = await stage.draft()
    await gigs.cancel_gig(stage.as_("owner"), key(scene.gig), note="Never mind.")
    return scene


async def invite_only(stage: Stage) -> Scene:
    scene = await stage.open(visibility=GigVisibility.INVITE_ONLY)
    user_id = stage["applicant"].user_id
    assert user_id is not None
    await invitations.invite_freelancer(
        stage.as_("owner"), key(scene.gig), freelancer_id=user_id, message=None
    )
    return scene


WHO_SEES = {
    "a draft": (Stage.draft, {"owner", "admin", "super_admin"}),
    "a gig that waits for approval": (Stage.pending, {"owner", "admin", "super_admin"}),
    "a draft that was cancelled": (cancelled_draft, {"owner", "admin", "super_admin"}),
    "an invite-only gig": (invite_only, {"applicant", "owner", "admin", "super_admin"}),
    "a public gig": (Stage.open, set(CALLERS)),
}


@pytest.mark.parametrize("what", WHO_SEES)
async def test_every_path_to_a_gig_shows_it_to_the_same_people(what: str, stage: Stage) -> None:
    make, expected = WHO_SEES[what]
    scene = await make(stage)
    document = f"""{{
        gig(id: "{scene.gig}") {{ id }} node(id: "{scene.gig}") {{ id }} nodes(ids: ["{scene.gig}"]) {{ id }}
        question: node(id: "{scene.question}") {{ id }}
        gigs(where: {{title: {{eq: "{scene.title}"}}}}) {{ totalCount nodes {{ id }} }}
        search: gigs(search: "\\"{scene.title}\\"", where: {{title: {{eq: "{scene.title}"}}}}) {{ totalCount }}
        gigFacets(where: {{title: {{eq: "{scene.title}"}}}}) {{ skills {{ count }} statuses {{ count }} }}
        skill: skills(where: {{name: {{eq: "Python"}}}}) {{ nodes {{ id }} }}
    }}"""

    answers = {caller: await stage.world.data(stage[caller], document) for caller in CALLERS}

    for caller, answer in answers.items():
        found = {
            "gig": answer["gig"] is not None,
            "node": answer["node"] is not None,
            "nodes": answer["nodes"] != [None],
            "question": answer["question"] is not None,
            "gigs": answer["gigs"]["totalCount"] == 1 == len(answer["gigs"]["nodes"]),
            "search": answer["search"]["totalCount"] == 1,
            "skills": answer["gigFacets"]["skills"] != [],
            "statuses": answer["gigFacets"]["statuses"] != [],
        }
        assert (caller, set(found.values())) == (caller, {caller in expected}), found


async def test_node_hides_what_the_root_lookups_hide(stage: Stage, scene: Scene) -> None:
    ids = [id for name, id in scene.ids.items() if name not in {"title", "act", "message", "sha256", "token"}]
    ids += [stage.id(prefix, name) for prefix, name in
            [("user", "owner"), ("client", "owner"), ("freelancer", "hired"), ("freelancer", "applicant"), ("person", "owner"),
             ("person", "hired")]]  # fmt: skip
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

    seen = {
        caller: {
            node["__typename"]
            for node in (await stage.world.data(stage[caller], document, ids=ids))["nodes"]
            if node
        }
        for caller in ("anonymous", "freelancer", "client")
    }

    public = {"Gig", "GigQuestion", "Feedback"}
    assert seen == {
        "anonymous": public,
        "freelancer": public | {"Freelancer"},
        "client": public | {"Freelancer"},
    }


async def test_a_hidden_client_cannot_be_found_by_filtering_their_gigs(stage: Stage, scene: Scene) -> None:
    owner = stage.id("client", "owner")
    company = {"company": "Secret Ltd", "country": "DE"}
    await profiles.edit_client(stage.as_("owner"), company, expected_version=None)
    filters = [
        {"clientId": owner},
        {"client": {"company": {"eq": "Secret Ltd"}}},
        {"client": {"country": {"eq": "DE"}}},
        {"client": {"rating": {"gte": "1"}}},
        {"NOT": {"client": {"rating": {"null": True}}}},
    ]
    document = (
        "query($w: GigWhere!) { gigs(where: $w) { totalCount } gigFacets(where: $w) { statuses { count } } }"
    )

    async def totals(caller: str) -> list[int]:
        found = []
        for where in filters:
            both = {"AND": [where, {"title": {"eq": scene.title}}]}
            answer = await stage.world.data(stage[caller], document, w=both)
            assert answer["gigs"]["totalCount"] == sum(s["count"] for s in answer["gigFacets"]["statuses"])
            found.append(answer["gigs"]["totalCount"])
        return found

    assert await totals("hired") == [1, 1, 1, 1, 1]
    assert await totals("freelancer") == [0, 0, 0, 0, 1]
    assert await totals("anonymous") == [0, 0, 0, 0, 1]


async def test_filters_and_counts_of_applications_stay_within_what_the_caller_sees(
    stage: Stage, scene: Scene
) -> None:
    document = """query($id: ID!) { gig(id: $id) {
        all: applications { totalCount } accepted: applications(where: {status: {eq: ACCEPTED}}) { totalCount }
        others: applications(where: {NOT: {status: {eq: ACCEPTED}}}, orderBy: {field: PRICE}) { totalCount nodes { id } }
    } }"""

    gig = (await stage.world.data(stage["applicant"], document, id=scene.gig))["gig"]

    assert gig == {
        "all": {"totalCount": 1},
        "accepted": {"totalCount": 0},
        "others": {"totalCount": 1, "nodes": [{"id": scene.application}]},
    }


async def test_what_an_administrator_told_the_client_does_not_show_once_the_gig_is_out(stage: Stage) -> None:
    scene = await stage.pending()
    strict = stage.world.with_rules(Rules(gigs_need_approval=True))
    await gigs.request_gig_changes(
        strict.as_(stage["admin"]), key(scene.gig), reason="Your address is in it."
    )
    status_note = "query($id: ID!) { gig(id: $id) { statusNote } }"
    assert (await stage.world.data(stage["owner"], status_note, id=scene.gig))["gig"]["statusNote"]

    await gigs.publish_gig(strict.as_(stage["owner"]), key(scene.gig))
    await gigs.approve_gig(strict.as_(stage["admin"]), key(scene.gig))

    for caller in ("anonymous", "owner"):
        assert await stage.world.data(stage[caller], status_note, id=scene.gig) == {
            "gig": {"statusNote": None}
        }


async def test_the_name_of_a_hidden_client_shows_in_no_public_activity(stage: Stage, scene: Scene) -> None:
    document = "query($id: ID!) { gig(id: $id) { activity { nodes { kind actorName } } } }"

    answers = {
        caller: (await stage.world.data(stage[caller], document, id=scene.gig))["gig"]["activity"]["nodes"][0]
        for caller in ("anonymous", "client", "applicant")
    }

    assert {name: item["kind"] for name, item in answers.items()} == dict.fromkeys(answers, "GIG_PUBLISHED")
    assert {name: item["actorName"] for name, item in answers.items()} == {
        "anonymous": None, "client": None, "applicant": "Olga",
    }  # fmt: skip


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
