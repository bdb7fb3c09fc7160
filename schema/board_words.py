"""Words of boards that several modules show: made words of the public language before anybody uses them."""

from models.board import ColumnCategory, Edge
from models.task import TaskPriority, TaskRelationKind
from schema.words import words

__all__ = ["ColumnCategory", "Edge", "TaskPriority", "TaskRelationKind"]

for _vocabulary in (ColumnCategory, Edge, TaskPriority, TaskRelationKind):
    words(_vocabulary)
