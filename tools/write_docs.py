"""Write the pages of docs/ that repeat what the code declares: workflows.md and errors.md.

`python tools/write_docs.py` writes them; tests/architecture fails while a page says something else than the code.
"""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))

from strawberry.utils.str_converters import to_camel_case  # noqa: E402  after the path

from auth.viewer import SignInRequired  # noqa: E402
from models import registry  # noqa: E402
from models.application import APPLICATION_WORKFLOW, ApplicationStatus  # noqa: E402
from models.contract import CONTRACT_WORKFLOW, ContractStatus  # noqa: E402
from models.errors import DomainError  # noqa: E402
from models.gig_workflow import GIG_WORKFLOW, GigStatus  # noqa: E402
from models.invitation import INVITATION_WORKFLOW, InvitationStatus  # noqa: E402
from models.workflow import Workflow  # noqa: E402
from schema import payloads, root  # noqa: E402

assert root  # declares every mutation

Markdown = str

WORKFLOWS: list[tuple[Workflow[Any], type[StrEnum]]] = [
    (GIG_WORKFLOW, GigStatus),
    (INVITATION_WORKFLOW, InvitationStatus),
    (APPLICATION_WORKFLOW, ApplicationStatus),
    (CONTRACT_WORKFLOW, ContractStatus),
]
WHO = {
    "OWNER": "the client who owns the gig",
    "APPLICANT": "the freelancer who applied",
    "FREELANCER": "the freelancer",
    "CLIENT": "the client",
    "EITHER": "the client or the freelancer",
    "ADMIN": "an administrator",
    "SYSTEM": "the system, as a consequence",
}
WRITTEN = "<!-- Written by tools/write_docs.py from the code. Change the code, then run it again. -->"


def workflows() -> Markdown:
    intro = (
        "A workflow is a declared table in `models/`. The verbs, the exhaustive test, `allowedTransitions` and "
        "`viewer { can cannot }` in the API, and this page read the same one. A verb that the table does not allow is "
        "refused as `InvalidTransitionError` and changes nothing; beyond the table a verb may have guards of its own "
        "(places left, a deadline ahead, somebody hired), which docs/errors.md lists as refusals."
    )
    chapters = [_chapter(workflow, statuses) for workflow, statuses in WORKFLOWS]
    return "\n\n".join(["# Workflows", WRITTEN, intro, *chapters]) + "\n"


def _chapter(workflow: Workflow[Any], statuses: type[StrEnum]) -> Markdown:
    rows = [
        (f"`{step.verb}`", f"`{source}`", f"`{step.to}`", WHO[step.by])
        for step in workflow.transitions
        for source in _in_order(step.sources, statuses)
    ]
    meanings = [(f"`{status}`", getattr(status, "description", "")) for status in statuses]
    return "\n\n".join(
        [
            f"## {workflow.noun.capitalize()}",
            _diagram(workflow, statuses),
            _table(("Verb", "From", "To", "By whom"), rows),
            _table(("Status", "Meaning"), meanings),
        ]
    )


def _diagram(workflow: Workflow[Any], statuses: type[StrEnum]) -> Markdown:
    """Verbs between the same two states share an arrow."""
    labels: dict[tuple[str, str], list[str]] = {}
    for step in workflow.transitions:
        for source in _in_order(step.sources, statuses):
            labels.setdefault((source, step.to), []).append(step.verb)
    first = next(iter(statuses))
    ends = [status for status in statuses if not workflow.allowed(status)]
    lines = [
        f"    [*] --> {first}",
        *(f"    {source} --> {to}: {', '.join(verbs)}" for (source, to), verbs in labels.items()),
        *(f"    {end} --> [*]" for end in ends),
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def _in_order(sources: Iterable[StrEnum], statuses: type[StrEnum]) -> list[StrEnum]:
    return sorted(sources, key=list(statuses).index)


def errors() -> Markdown:
    intro = (
        "A refusal is a state of the world that a caller can act on. It arrives in the `errors` of the mutation's payload, "
        "typed: `code` for programs, `message` for people, `path` for forms, and the facts of its member. Nothing was "
        "changed. What is no refusal (not signed in, malformed, over a limit, our fault) is a top-level GraphQL error "
        "with `extensions.code`. Codes are never reused for another meaning."
    )
    members = [*dict.fromkeys(member.__name__ for _, member, _ in payloads.MEMBERS), None]
    chapters = [_errors_of(member) for member in members]
    return "\n\n".join(["# Errors", WRITTEN, intro, *chapters]) + "\n"


def _errors_of(member: str | None) -> Markdown:
    """One chapter for each typed member; the last one for what is answered outside of payloads."""
    classes = sorted((c for c in registry.all_refusals() if member_of(c) == member), key=lambda c: c.code)
    rows = [(f"`{c.code}`", _sentence(c), _declared_by(c)) for c in classes]
    title = f"## `{member}`" if member else "## Answered as a top-level error"
    return "\n\n".join([title, _table(("Code", "What it says", "Mutations"), rows)])


def member_of(refusal: type[DomainError]) -> str | None:
    """The name of the type that answers it in a payload; None for `UNAUTHENTICATED`."""
    if issubclass(refusal, SignInRequired):
        return None
    return next(member.__name__ for family, member, _ in payloads.MEMBERS if issubclass(refusal, family))


def _declared_by(refusal: type[DomainError]) -> Markdown:
    """Mutations that name it or, but for what all of them answer, its family."""
    if issubclass(refusal, SignInRequired):
        return "every mutation that needs somebody signed in, as `UNAUTHENTICATED`"
    families = set(refusal.__mro__) - set(payloads._ALWAYS) | {refusal}
    names = [name for name, declared in payloads.DECLARED.items() if families & set(declared)]
    if len(names) == len(payloads.DECLARED):
        return "every mutation"
    return ", ".join(f"`{to_camel_case(name)}`" for name in sorted(names)) or "none"


def _sentence(refusal: type[DomainError]) -> str:
    return " ".join((refusal.__doc__ or "").split("\n\n")[0].split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Markdown:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


PAGES: dict[Path, Callable[[], Markdown]] = {
    CHECKOUT / "docs" / "workflows.md": workflows,
    CHECKOUT / "docs" / "errors.md": errors,
}


def main() -> None:
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
        print(f"wrote {path.relative_to(CHECKOUT)}")


if __name__ == "__main__":
    main()
