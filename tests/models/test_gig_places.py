"""However a gig's verbs follow each other, it never hires more people than it wants."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import DomainError, Refusals
from models.gig import Gig
from models.gig_content import GigContent
from models.gig_workflow import EDITABLE, GigStatus
from models.ids import new_id
from tests.models.test_workflows import LATER, NOW, a_gig

REMARK = new_id()
VERBS = (
    "hire",
    "complete",
    "end",
    "publish",
    "pause",
    "resume",
    "reopen",
    "stop_hiring",
    "expire",
    "cancel",
    "edit",
)


class Story:
    """A gig with its contracts, as the use cases keep them."""

    def __init__(self, wanted: int) -> None:
        self.gig: Gig = a_gig(GigStatus.DRAFT, wanted=wanted)
        self.live = 0
        self.completed = 0

    def tell(self, verb: str, number: int) -> None:
        """Do the verb as its use case would; a refusal changes nothing."""
        try:
            self._do(verb, number)
        except (DomainError, Refusals):
            return

    def _do(self, verb: str, number: int) -> None:
        gig = self.gig
        if verb == "hire":
            gig.hire(at=NOW)
            self.live += 1
        elif verb in {"complete", "end"} and self.live:
            self.live -= 1
            self.completed += verb == "complete"
            gig.contract_over(
                completed=verb == "complete",
                live_contracts=self.live,
                any_completed=self.completed > 0,
                at=NOW,
            )
        elif verb == "publish":
            gig.publish(needs_approval=False, at=NOW)
        elif verb == "reopen":
            gig.reopen(deadline=LATER, at=NOW)
        elif verb in {"stop_hiring", "expire"}:
            getattr(gig, verb)(live_contracts=self.live, at=NOW)
        elif verb == "cancel":
            gig.cancel(remark_id=REMARK, at=NOW)
        elif verb == "edit" and gig.status in EDITABLE:
            replace(GigContent.of(gig, (), ()), wanted=number).write_to(gig, now=NOW)
        elif verb in {"pause", "resume"}:
            getattr(gig, verb)(at=NOW)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    wanted=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(VERBS), st.integers(-1, 6)), max_size=40),
)
def test_a_gig_never_hires_more_people_than_it_wants(wanted: int, steps: list[tuple[str, int]]) -> None:
    story = Story(wanted)
    story.tell("publish", 0)

    for verb, number in steps:
        story.tell(verb, number)

        assert 0 <= story.gig.hired <= story.gig.wanted
        assert story.gig.hired == story.live + story.completed
        assert not (story.gig.status in {GigStatus.CANCELLED, GigStatus.COMPLETED} and story.live)


def test_stories_get_far_enough_to_fill_a_gig() -> None:
    story = Story(2)

    for verb in ("publish", "hire", "hire"):
        story.tell(verb, 0)

    assert (story.gig.status, story.gig.hired) == (GigStatus.IN_PROGRESS, 2)
    assert story.gig.deadline > datetime(2026, 11, 22, tzinfo=UTC) + timedelta(days=1)
