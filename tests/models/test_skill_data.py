"""What readers of models/skills.jsonl.gz may rely on, checked on the shipped file itself."""

import gzip
import json
import re
import unicodedata
import uuid
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKILLS = ROOT / "models" / "skills.jsonl.gz"

CATEGORIES = frozenset(
    {
        "ADMIN_AND_SUPPORT",
        "BUSINESS_AND_MANAGEMENT",
        "CLOUD_AND_DEVOPS",
        "DATABASES",
        "DATA_AND_AI",
        "DESIGN",
        "EDUCATION_AND_SCIENCE",
        "ENGINEERING_AND_ARCHITECTURE",
        "FINANCE_AND_LEGAL",
        "MARKETING_AND_SALES",
        "MOBILE_AND_GAMES",
        "PROGRAMMING_LANGUAGES",
        "SECURITY",
        "SOFTWARE_ENGINEERING",
        "TRANSLATION_AND_LANGUAGES",
        "VIDEO_AND_AUDIO",
        "WEB",
        "WRITING",
    }
)

WELL_KNOWN = {
    "python": "Python",
    "javascript": "JavaScript",
    "js": "JavaScript",
    "typescript": "TypeScript",
    "golang": "Go",
    "c sharp": "C#",
    "c++": "C++",
    "react": "React",
    "reactjs": "React",
    "next": "Next.js",
    "vue": "Vue.js",
    "node": "Node.js",
    "django": "Django",
    "rails": "Ruby on Rails",
    "dotnet": ".NET",
    "k8s": "Kubernetes",
    "docker": "Docker",
    "aws": "Amazon Web Services",
    "gcp": "Google Cloud Platform",
    "terraform": "Terraform",
    "postgres": "PostgreSQL",
    "mongo": "MongoDB",
    "mssql": "Microsoft SQL Server",
    "ml": "Machine learning",
    "llm": "Large language models",
    "power bi": "Power BI",
    "android": "Android development",
    "ios": "iOS development",
    "flutter": "Flutter",
    "unity": "Unity",
    "pentesting": "Penetration testing",
    "photoshop": "Adobe Photoshop",
    "figma": "Figma",
    "ui/ux": "UI/UX design",
    "logo design": "Logo design",
    "premiere pro": "Adobe Premiere Pro",
    "voiceover": "Voice-over",
    "seo": "SEO",
    "search engine optimization": "SEO",
    "copywriting": "Copywriting",
    "proofreading": "Proofreading",
    "mandarin": "Mandarin Chinese",
    "google ads": "Google Ads",
    "wordpress": "WordPress",
    "quickbooks": "QuickBooks",
    "va": "Virtual assistance",
    "excel": "Microsoft Excel",
    "autocad": "AutoCAD",
}


class SkillRow(TypedDict):
    id: str
    label: str
    aliases: list[str]
    category: str
    status: str
    source: str
    uri: str | None
    replacedBy: NotRequired[str]


@pytest.fixture(scope="module")
def skills() -> list[SkillRow]:
    with gzip.open(SKILLS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def names(skill: SkillRow) -> list[str]:
    return [skill["label"], *skill["aliases"]]


def name_key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def test_the_file_is_small_enough_to_ship_and_large_enough_to_be_useful(skills: list[SkillRow]) -> None:
    assert SKILLS.stat().st_size < 1_000_000
    assert len(skills) >= 3_000


def test_ids_are_version_five_uuids_in_order_and_never_shared(skills: list[SkillRow]) -> None:
    ids = [skill["id"] for skill in skills]

    assert {uuid.UUID(id_).version for id_ in ids} == {5}
    assert ids == sorted(set(ids))


def test_an_esco_concept_is_published_once(skills: list[SkillRow]) -> None:
    uris = [skill["uri"] for skill in skills if skill["uri"]]

    assert len(uris) == len(set(uris))
    assert all(uri.startswith("http://data.europa.eu/esco/skill/") for uri in uris)
    assert all(skill["uri"] for skill in skills if skill["source"] == "esco")


def test_every_name_belongs_to_one_skill(skills: list[SkillRow]) -> None:
    owners: dict[str, list[str]] = {}
    for skill in skills:
        for name in names(skill):
            owners.setdefault(name_key(name), []).append(skill["label"])

    assert {name: labels for name, labels in owners.items() if len(labels) > 1} == {}


def test_every_skill_has_a_known_category_source_and_status(skills: list[SkillRow]) -> None:
    active = [skill for skill in skills if skill["status"] == "ACTIVE"]
    deprecated = [skill for skill in skills if skill["status"] == "DEPRECATED"]
    active_ids = {skill["id"] for skill in active}

    assert {skill["category"] for skill in skills} == CATEGORIES
    assert {skill["source"] for skill in skills} == {"esco", "skillsync"}
    assert len(active) + len(deprecated) == len(skills)
    assert all(skill.get("replacedBy") in active_ids for skill in deprecated)


@pytest.mark.parametrize(("name", "label"), WELL_KNOWN.items())
def test_a_name_people_type_finds_the_skill_they_mean(skills: list[SkillRow], name: str, label: str) -> None:
    found = [skill["label"] for skill in skills if name_key(name) in map(name_key, names(skill))]

    assert found == [label]


def test_names_are_clean_text_of_a_sane_length(skills: list[SkillRow]) -> None:
    every_name = [name for skill in skills for name in names(skill)]

    assert [name for name in every_name if not unicodedata.is_normalized("NFC", name)] == []
    assert [name for name in every_name if any(unicodedata.category(char)[0] == "C" for char in name)] == []
    assert [name for name in every_name if name != " ".join(name.split()) or not name] == []
    assert [name for name in every_name if len(name) > 80] == []


def test_ids_do_not_change_between_releases(skills: list[SkillRow]) -> None:
    by_label = {skill["label"]: skill["id"] for skill in skills}

    assert by_label["Python"] == "9d4d9e44-5810-58e2-bc00-448b98595cdc"
    assert by_label["C++"] == "c7e4e560-7170-5441-85ca-c7c2a2f8d09d"
    assert by_label["Translate texts"] == "811b3605-78dc-5f38-a050-571633ab3219"


def test_the_docs_describe_every_category_with_its_count(skills: list[SkillRow]) -> None:
    text = (ROOT / "docs" / "skills.md").read_text(encoding="utf-8")
    documented = {
        row[1]: int(row[2]) for row in re.finditer(r"^\| `([A-Z_]+)` \|.*\| (\d+) \|$", text, re.MULTILINE)
    }

    counted = {category: sum(skill["category"] == category for skill in skills) for category in CATEGORIES}
    assert documented == counted
