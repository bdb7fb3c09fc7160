"""The typical workflow, played by separate people over HTTP against a running server: `make story`.

Everybody registers anew, so that it can be played again and again. Each act is printed with its answer and its time; the
first answer that differs from what the story expects ends it, with exit code 1.
"""

import argparse
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Where `make run` listens with the same environment.
URL = f"http://{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}/graphql"
ERRORS = "errors { code message path }"


class StoryError(Exception):
    """The story cannot go on; the message says which step, and what was different."""


@dataclass(slots=True)
class Person:
    name: str
    id: str = ""
    token: str | None = None


NOBODY = Person("Nobody")


@dataclass(slots=True)
class Teller:
    """Sends each act as its person and prints the transcript."""

    url: str
    tell: Callable[[str], None]
    steps: int = 0
    spent_ms: float = 0

    def chapter(self, title: str) -> None:
        self.tell(f"\n{title}")

    def act(self, who: Person, does: str, document: str, outcome: str = "APPLIED", **variables: Any) -> Any:
        """The first root field of the answer. A payload must have the expected outcome."""
        self.steps += 1
        step = f"{who.name} {does}"
        began = time.perf_counter()
        answer = self._send(who, document, variables, step)
        ms = (time.perf_counter() - began) * 1000
        self.spent_ms += ms
        if errors := answer.get("errors"):
            raise StoryError(f"Step {self.steps}, “{step}”: {errors[0]['message']}")
        result = next(iter(answer["data"].values()))
        is_payload = isinstance(result, dict) and "outcome" in result
        self.tell(f"{ms:7.1f} ms  {step}" + (f" → {result['outcome']}" if is_payload else ""))
        if is_payload:
            self.expect(result["outcome"], outcome, result.get("errors"))
        return result

    def expect(self, actual: object, expected: object, why: object = None) -> None:
        if actual != expected:
            reason = f" ({json.dumps(why, ensure_ascii=False)})" if why else ""
            raise StoryError(f"Step {self.steps}: expected {expected!r}, the answer is {actual!r}{reason}.")

    def note(self, text: str) -> None:
        self.tell(f"            {text}")

    def _send(self, who: Person, document: str, variables: dict[str, Any], step: str) -> dict[str, Any]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if who.token is not None:
            headers["authorization"] = f"Bearer {who.token}"
        body = json.dumps({"query": document, "variables": variables}).encode()
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310  the URL is the user's own
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise StoryError(f"“{step}”: the server answered {error.code} {error.reason}.") from error
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise StoryError(f"No server answers at {self.url}. Start one with `make run`.") from error
        except ValueError as error:
            raise StoryError(f"{self.url} answers, but not as a GraphQL server does.") from error
        return answer


def _print(line: str) -> None:
    # At once, also into a pipe: a complaint must not overtake what went before it.
    print(line, flush=True)


def play(url: str = URL, tell: Callable[[str], None] = _print) -> Teller:
    """Play the whole story. Raises `StoryError`."""
    teller = Teller(url, tell)
    teller.chapter("Four people join")
    client = _join(teller, "Greta", "CLIENT")
    bidders = [_join(teller, name, "FREELANCER") for name in ("Amir", "Béla", "Chiara")]
    gig = _post(teller, client)
    _find(teller, bidders[0], gig)
    bids = _apply(teller, gig, bidders)
    contract = _choose(teller, client, bidders, gig, bids)
    _work(teller, client, bidders[0], contract)
    _judge(teller, client, bidders[0], contract)
    _look_back(teller, client, bidders[1], gig)
    teller.tell(
        f"\n{teller.steps} steps, {teller.spent_ms:,.0f} ms. Everything happened as the story tells it."
    )
    return teller


def _join(teller: Teller, name: str, role: str) -> Person:
    document = f"""mutation Join($input: AccountRegisterInput!) {{
      accountRegister(input: $input) {{ outcome tokens {{ accessToken }} {ERRORS} }} }}"""
    mark = secrets.token_hex(5)
    person = Person(name)
    registration = {
        "email": f"{role.lower()}.{mark}@story.example.com",
        "password": secrets.token_urlsafe(16),
        "name": name,
        "roles": [role],
    }
    payload = teller.act(person, f"registers as a {role.lower()}", document, input=registration)
    person.token = payload["tokens"]["accessToken"]
    return person


def _post(teller: Teller, client: Person) -> dict[str, Any]:
    teller.chapter("The client posts a gig")
    skills = teller.act(client, "looks up a skill by “postgres”",
                        'query Skill { skillSuggest(prefix: "postgres", first: 1) { id name } }')  # fmt: skip
    teller.expect([skill["name"] for skill in skills], ["PostgreSQL"])
    word = f"greenhouse{secrets.token_hex(3)}"
    gig = {
        "title": f"Watering plan for {word}",
        "description": "Sensors write what the soil says every minute. We want to see **when** to water, and how much.",
        "budget": {"kind": "FIXED", "min": "1200.00", "max": "2000.00", "currency": "EUR"},
        "deadline": (datetime.now(UTC) + timedelta(days=20)).isoformat(),
        "expectedDuration": "P15D",
        "skills": [{"skillId": skills[0]["id"], "need": "REQUIRED", "weight": 5}],
        "questions": [{"prompt": "What have you measured before?"}],
        "idempotencyKey": f"story-{word}",
    }
    document = f"""mutation Post($input: GigCreateInput!) {{ gigCreate(input: $input) {{
      outcome gig {{ id key status questions {{ id }} skills {{ id }} }} {ERRORS} }} }}"""
    draft = teller.act(client, f"writes the gig “{gig['title']}”", document, input=gig)["gig"]
    teller.expect(draft["status"], "DRAFT")
    again = teller.act(client, "sends it again, as a bad network would", document, "REPLAYED", input=gig)[
        "gig"
    ]
    teller.expect(again["id"], draft["id"])
    hidden = teller.act(
        NOBODY, "cannot see the draft", "query Hidden($id: ID!) { gig(id: $id) { title } }", id=draft["id"]
    )
    teller.expect(hidden, None)
    document = f"mutation Publish($id: ID!) {{ gigPublish(input: {{ id: $id }}) {{ outcome gig {{ status }} {ERRORS} }} }}"
    published = teller.act(client, "publishes it", document, id=draft["id"])["gig"]
    if published["status"] == "PENDING_APPROVAL":
        raise StoryError("Gigs wait for approval here (GIG_APPROVAL=1). The story needs a server without it.")
    teller.expect(published["status"], "OPEN")
    return {**draft, "word": word}


def _find(teller: Teller, freelancer: Person, gig: dict[str, Any]) -> None:
    teller.chapter("Freelancers find it")
    newest = teller.act(
        freelancer,
        "browses the newest gigs that ask for the skill",
        """query Newest($skill: ID!) { gigs(first: 5, where: { status: { eq: OPEN }, skills: { all: [$skill] } },
           orderBy: [{ field: PUBLISHED_AT }]) { nodes { id } } }""",
        skill=gig["skills"][0]["id"],
    )
    teller.expect(gig["id"] in [node["id"] for node in newest["nodes"]], True)
    found = teller.act(
        freelancer,
        f"searches for “{gig['word']}”",
        "query Search($words: String!) { gigs(first: 5, search: $words) { totalCount nodes { id title } search { mode } } }",
        words=gig["word"],
    )
    teller.expect([node["id"] for node in found["nodes"]], [gig["id"]])
    teller.note(f"found by its {found['search']['mode'].lower()}: {found['nodes'][0]['title']}")


def _apply(teller: Teller, gig: dict[str, Any], bidders: list[Person]) -> list[str]:
    teller.chapter("Three apply")
    submit = f"""mutation Apply($input: ApplicationSubmitInput!) {{ applicationSubmit(input: $input) {{
      outcome application {{ id version freelancer {{ id }} }} {ERRORS} }} }}"""
    applications = []
    for person, price in zip(bidders, ("1800.00", "1500.00", "2400.00"), strict=True):
        bid = {
            "gigId": gig["id"],
            "coverLetter": f"I would begin with the sensor nearest to the door. {person.name}",
            "price": price,
            "duration": "P14D",
            "answers": [{"questionId": gig["questions"][0]["id"], "body": "Rain, for three years."}],
        }
        application = teller.act(person, f"applies for {price} EUR", submit, input=bid)["application"]
        person.id = application["freelancer"]["id"]
        applications.append(application)
    teller.act(
        bidders[0], "applies once more, which changes nothing", submit, "NOOP", input={**bid, "price": "1.00"}
    )
    edit = f"""mutation Edit($input: ApplicationEditInput!) {{ applicationEdit(input: $input) {{
      outcome application {{ price {{ amount }} version }} {ERRORS} }} }}"""
    changes = {"id": applications[0]["id"], "price": "1700.00", "expectedVersion": applications[0]["version"]}
    edited = teller.act(bidders[0], "lowers the price to 1700.00 EUR", edit, input=changes)["application"]
    teller.expect(edited["price"]["amount"], "1700.00")
    teller.act(bidders[0], "tries it with the old version in hand", edit, "REJECTED", input=changes)
    peek = teller.act(bidders[1], "cannot see what the others offer",
                      "query Peek($id: ID!) { gig(id: $id) { applicationCount applications(first: 5) { nodes { id } } } }",
                      id=gig["id"])  # fmt: skip
    teller.expect([node["id"] for node in peek["applications"]["nodes"]], [applications[1]["id"]])
    teller.expect(peek["applicationCount"], 3)
    return [application["id"] for application in applications]


def _choose(
    teller: Teller, client: Person, bidders: list[Person], gig: dict[str, Any], bids: list[str]
) -> str:
    teller.chapter("The client chooses")
    pipeline = teller.act(
        client,
        "compares the bids",
        """query Bids($id: ID!) { gig(id: $id) { applications(first: 5, orderBy: [{ field: PRICE, direction: ASC }]) {
           nodes { id status price { amount } freelancer { name } } } } }""",
        id=gig["id"],
    )["applications"]["nodes"]
    for bid in pipeline:
        teller.note(f"{bid['freelancer']['name']}: {bid['price']['amount']} EUR, {bid['status']}")
    teller.expect([bid["freelancer"]["name"] for bid in pipeline], ["Béla", "Amir", "Chiara"])
    for bid, person in zip(bids, bidders, strict=True):
        _act_on_bid(teller, client, f"reads {person.name}'s letter", "applicationMarkViewed", bid, "VIEWED")
    _act_on_bid(
        teller, client, f"shortlists {bidders[0].name}", "applicationShortlist", bids[0], "SHORTLISTED"
    )
    decline = f"""mutation Decline($input: ApplicationDeclineInput!) {{ applicationDecline(input: $input) {{
      outcome application {{ status reason }} {ERRORS} }} }}"""
    refusal = {"id": bids[2], "reason": "PRICE", "message": "It is beyond what the tomatoes earn."}
    teller.act(client, f"declines {bidders[2].name}, with the reason", decline, input=refusal)
    accept = f"""mutation Accept($id: ID!) {{ applicationAccept(input: {{ id: $id }}) {{
      outcome contract {{ id status gig {{ status }} }} {ERRORS} }} }}"""
    contract = teller.act(client, f"accepts {bidders[0].name}", accept, id=bids[0])["contract"]
    teller.expect((contract["status"], contract["gig"]["status"]), ("ACTIVE", "IN_PROGRESS"))
    teller.act(
        client, f"cannot accept {bidders[1].name} as well: one place, taken", accept, "REJECTED", id=bids[1]
    )
    return str(contract["id"])


def _act_on_bid(teller: Teller, who: Person, does: str, field: str, bid: str, status: str) -> None:
    document = f"mutation Act($id: ID!) {{ {field}(input: {{ id: $id }}) {{ outcome application {{ status }} {ERRORS} }} }}"
    teller.expect(teller.act(who, does, document, id=bid)["application"]["status"], status)


def _work(teller: Teller, client: Person, freelancer: Person, contract: str) -> None:
    teller.chapter("The work")
    steps: list[tuple[Person, str, str, str, str]] = [
        (
            freelancer,
            "reports 40 %",
            "contractReportProgress",
            'percent: 40, note: "Sensors speak."',
            "ACTIVE",
        ),
        (freelancer, "hands the work in", "contractSubmitWork", 'note: "The plan for June."', "SUBMITTED"),
        (client, "asks for changes", "contractRequestChanges", 'note: "Cacti drink less."', "ACTIVE"),
        (freelancer, "hands it in again", "contractSubmitWork", 'note: "Cacti are spared."', "SUBMITTED"),
        (client, "approves it", "contractApprove", "", "COMPLETED"),
    ]
    for who, does, field, more, status in steps:
        document = f"""mutation Work($id: ID!) {{ {field}(input: {{ id: $id, {more} }}) {{
          outcome contract {{ status gig {{ status }} }} {ERRORS} }} }}"""
        answer = teller.act(who, does, document, id=contract)["contract"]
        teller.expect(answer["status"], status)
    teller.expect(answer["gig"]["status"], "COMPLETED")


def _judge(teller: Teller, client: Person, freelancer: Person, contract: str) -> None:
    teller.chapter("Feedback, unseen until both have spoken")
    leave = f"""mutation Leave($id: ID!, $n: Int!, $comment: Markdown!) {{ feedbackLeave(input: {{ contractId: $id,
      availability: $n, communication: $n, cooperation: $n, deadlines: $n, quality: $n, skills: $n, comment: $comment
    }}) {{ outcome feedback {{ id revealedAt }} {ERRORS} }} }}"""
    look = """query Look($id: ID!, $freelancer: ID!) { contract(id: $id) {
      feedbackState { youAnswered otherSideAnswered } feedback { side comment }
      freelancer { rating { count } } } freelancer(id: $freelancer) { rating { count } } }"""
    first = teller.act(client, "says how it was", leave, id=contract, n=5, comment="The tomatoes agree.")[
        "feedback"
    ]
    teller.expect(first["revealedAt"], None)
    seen = teller.act(
        freelancer, "sees that Greta has answered, not what", look, id=contract, freelancer=freelancer.id
    )
    teller.expect(seen["feedbackState"], {"youAnswered": False, "otherSideAnswered": True})
    teller.expect((seen["feedback"], seen["freelancer"]["rating"]["count"]), ([], 0))
    second = teller.act(
        freelancer, "answers, too", leave, id=contract, n=4, comment="Clear, kind, and good tea."
    )
    teller.expect(second["feedback"]["revealedAt"] is not None, True)
    seen = teller.act(client, "reads both", look, id=contract, freelancer=freelancer.id)
    teller.expect(
        {item["comment"] for item in seen["feedback"]}, {"The tomatoes agree.", "Clear, kind, and good tea."}
    )
    teller.expect(seen["freelancer"]["rating"]["count"], 1)
    reply = f"""mutation Reply($id: ID!) {{ feedbackReply(input: {{ id: $id, reply: "So do I." }}) {{
      outcome feedback {{ reply }} {ERRORS} }} }}"""
    teller.act(freelancer, "replies in public", reply, id=first["id"])
    teller.act(freelancer, "cannot reply twice", reply, "REJECTED", id=first["id"])


def _look_back(teller: Teller, client: Person, outsider: Person, gig: dict[str, Any]) -> None:
    teller.chapter("What happened, for each who asks")
    document = """query Activity($id: ID!) { gig(id: $id) { activity(first: 50) { nodes { kind audience actorName } } } }"""
    for who in (client, outsider, NOBODY):
        items = teller.act(who, "looks at the activity", document, id=gig["id"])["activity"]["nodes"]
        counts = {kind: [item["kind"] for item in items].count(kind) for kind in SEEN}
        teller.note(
            f"{len(items)} items, among them {', '.join(f'{n} × {kind}' for kind, n in counts.items() if n)}"
        )
        teller.expect(counts, SEEN if who is client else OWN_BID if who is outsider else PUBLIC)


SEEN = {"APPLICATION_SUBMITTED": 3, "APPLICATION_DECLINED": 1, "CONTRACT_COMPLETED": 1, "FEEDBACK_GIVEN": 2, "GIG_COMPLETED": 1}  # fmt: skip
OWN_BID = {**dict.fromkeys(SEEN, 0), "APPLICATION_SUBMITTED": 1, "GIG_COMPLETED": 1}
PUBLIC = {**OWN_BID, "APPLICATION_SUBMITTED": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the typical workflow against a running server.")
    parser.add_argument("--url", default=URL, help=f"the GraphQL endpoint (default: {URL})")
    try:
        play(parser.parse_args().url)
    except StoryError as error:
        print(f"\nstory: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
