"""Types that refer to each other across modules, by name.

A type checker sees the classes; at run time Strawberry looks them up when the schema is built.
"""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from schema.accounts import UserType
    from schema.applications import ApplicationType
    from schema.attachments import AttachmentType
    from schema.boards import BoardColumnType, BoardLabelType, BoardType
    from schema.contracts import ContractType
    from schema.drafts import MessageDraftType
    from schema.feedback import FeedbackType
    from schema.gigs import GigType
    from schema.invitations import InvitationType
    from schema.message_reports import MessageReportType
    from schema.people import PersonType
    from schema.profiles import ClientType, FreelancerType
    from schema.rooms import RoomType
    from schema.scheduled_messages import ScheduledMessageType
    from schema.skills import SkillType
    from schema.snippet_parts import SnippetCommentType, SnippetShareType, SnippetVersionType
    from schema.snippets import SnippetType
    from schema.task_parts import TaskChecklistItemType, TaskChecklistType, TaskCommentType
    from schema.tasks import TaskType

User = Annotated["UserType", strawberry.lazy("schema.accounts")]
Gig = Annotated["GigType", strawberry.lazy("schema.gigs")]
Application = Annotated["ApplicationType", strawberry.lazy("schema.applications")]
Attachment = Annotated["AttachmentType", strawberry.lazy("schema.attachments")]
Contract = Annotated["ContractType", strawberry.lazy("schema.contracts")]
Feedback = Annotated["FeedbackType", strawberry.lazy("schema.feedback")]
Invitation = Annotated["InvitationType", strawberry.lazy("schema.invitations")]
Freelancer = Annotated["FreelancerType", strawberry.lazy("schema.profiles")]
Client = Annotated["ClientType", strawberry.lazy("schema.profiles")]
Board = Annotated["BoardType", strawberry.lazy("schema.boards")]
BoardColumn = Annotated["BoardColumnType", strawberry.lazy("schema.boards")]
BoardLabel = Annotated["BoardLabelType", strawberry.lazy("schema.boards")]
Person = Annotated["PersonType", strawberry.lazy("schema.people")]
Task = Annotated["TaskType", strawberry.lazy("schema.tasks")]
TaskChecklist = Annotated["TaskChecklistType", strawberry.lazy("schema.task_parts")]
TaskChecklistItem = Annotated["TaskChecklistItemType", strawberry.lazy("schema.task_parts")]
TaskComment = Annotated["TaskCommentType", strawberry.lazy("schema.task_parts")]
Room = Annotated["RoomType", strawberry.lazy("schema.rooms")]
Snippet = Annotated["SnippetType", strawberry.lazy("schema.snippets")]
SnippetVersion = Annotated["SnippetVersionType", strawberry.lazy("schema.snippet_parts")]
SnippetComment = Annotated["SnippetCommentType", strawberry.lazy("schema.snippet_parts")]
SnippetShare = Annotated["SnippetShareType", strawberry.lazy("schema.snippet_parts")]
Skill = Annotated["SkillType", strawberry.lazy("schema.skills")]
MessageDraft = Annotated["MessageDraftType", strawberry.lazy("schema.drafts")]
ScheduledMessage = Annotated["ScheduledMessageType", strawberry.lazy("schema.scheduled_messages")]
MessageReport = Annotated["MessageReportType", strawberry.lazy("schema.message_reports")]
