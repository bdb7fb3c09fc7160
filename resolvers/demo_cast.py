"""The people of the demo world. None of them exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.profile import SkillLevel, Visibility
from models.user import Role


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    name: str
    label: str
    roles: tuple[Role, ...]


def _freelancer(handle: str, name: str) -> Person:
    label = f"{handle.capitalize()}, freelancer"
    return Person(f"{handle}@demo.skillsync.dev", name, label, (Role.FREELANCER,))


CARLA = Person("carla@demo.skillsync.dev", "Carla Conti", "Carla, client", (Role.CLIENT,))
JONAS = Person("jonas@demo.skillsync.dev", "Jonas Lindqvist", "Jonas, client", (Role.CLIENT,))
ADA = Person("ada@demo.skillsync.dev", "Ada Osei", "Ada, administrator", (Role.CLIENT,))
FARID = _freelancer("farid", "Farid Haddad")
MEI = _freelancer("mei", "田中 芽衣 (Mei Tanaka)")
OLENA = _freelancer("olena", "Олена Коваленко")
THABO = _freelancer("thabo", "Thabo Mokoena")
ANA = _freelancer("ana", "Ana Sofía Ríos")
CAST = (CARLA, JONAS, ADA, FARID, MEI, OLENA, THABO, ANA)

_L = SkillLevel
PROFILES: Mapping[Person, Mapping[str, Any]] = {
    FARID: {
        "headline": "Python and PostgreSQL, calmly",
        "overview": (
            "I build the part of a product that nobody sees and everybody waits for: APIs, data, migrations.\n\n"
            "أعمل مع فرق صغيرة، وأكتب الاختبارات أولًا، وأشرح ما أفعله بكلمات بسيطة."
        ),
        "rate": ("65.00", "EUR"),
        "hours_per_week": 30,
        "time_zone": "Asia/Beirut",
        "country": "LB",
        "languages": ["ar", "en", "fr"],
        "skills": {
            "python": (_L.EXPERT, 9),
            "postgresql": (_L.EXPERT, 8),
            "graphql": (_L.ADVANCED, 4),
            "docker": (_L.ADVANCED, 6),
            "pandas": (_L.ADVANCED, 5),
        },
    },
    MEI: {
        "headline": "Interfaces and identities · 使いやすさを形に",
        "overview": (
            "小さなチームのために、画面とロゴを設計しています。紙の上で考え、ブラウザで確かめます。\n\n"
            "I draw first, then build: React, CSS, and drawings that load in a blink."
        ),
        "rate": ("7200", "JPY"),
        "hours_per_week": 20,
        "time_zone": "Asia/Tokyo",
        "country": "JP",
        "languages": ["ja", "en"],
        "skills": {
            "figma": (_L.EXPERT, 7),
            "logo design": (_L.EXPERT, 10),
            "adobe illustrator": (_L.EXPERT, 10),
            "illustration": (_L.ADVANCED, 10),
            "react": (_L.ADVANCED, 4),
            "css": (_L.EXPERT, 8),
        },
    },
    OLENA: {
        "headline": "Data that can be trusted",
        "overview": (
            "Дані повинні відповідати на питання, а не ставити нові. Я будую звіти, яким вірять.\n\n"
            "SQL, Python and careful questions; ten years in banks, now with smaller and happier teams."
        ),
        "rate": ("48.00", "EUR"),
        "hours_per_week": 35,
        "time_zone": "Europe/Kyiv",
        "country": "UA",
        "languages": ["uk", "en", "pl"],
        "skills": {
            "sql": (_L.EXPERT, 12),
            "data analysis": (_L.EXPERT, 10),
            "python": (_L.ADVANCED, 7),
            "data visualisation": (_L.ADVANCED, 6),
            "penetration testing": (_L.INTERMEDIATE, 2),
        },
    },
    THABO: {
        "headline": "Mobile apps that work in the tunnel",
        "overview": (
            "Offline first, because half of the world is. I build apps with Flutter and the services behind them, and "
            "I stay until the first hundred users have stopped writing to you."
        ),
        "rate": ("55.00", "USD"),
        "hours_per_week": 40,
        "time_zone": "Africa/Johannesburg",
        "country": "ZA",
        "languages": ["en", "zu", "st"],
        "skills": {
            "flutter": (_L.EXPERT, 6),
            "kotlin": (_L.ADVANCED, 7),
            "swift": (_L.INTERMEDIATE, 3),
            "graphql": (_L.ADVANCED, 4),
            "typescript": (_L.ADVANCED, 5),
        },
    },
    ANA: {
        "headline": "Textos que se leen hasta el final",
        "overview": (
            "Traduzco y escribo sobre viajes, comida y ciudades. Nada de frases hechas.\n\n"
            "I translate from English and Italian into Spanish, and write copy in both of my languages."
        ),
        "rate": ("40.00", "EUR"),
        "hours_per_week": 25,
        "time_zone": "America/Bogota",
        "country": "CO",
        "languages": ["es", "en", "it"],
        "visibility": Visibility.MEMBERS,
        "skills": {
            "translation": (_L.EXPERT, 11),
            "spanish": (_L.EXPERT, 30),
            "copywriting": (_L.ADVANCED, 8),
            "seo": (_L.INTERMEDIATE, 3),
        },
    },
}
