import pytest

from stenod_server.text.language_of_text import LangidTextLanguage

LANGUAGES = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it",
    "lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk",
)  # fmt: skip
# One in each script and group, and pairs that are easily taken for one another.
SENTENCES = {
    "cs": "Nevím proč obchod dnes ještě není otevřený ale počkám",
    "da": "Jeg ved ikke hvorfor butikken ikke er åben endnu i dag",
    "de": "Ich weiß nicht warum das Geschäft heute noch nicht offen ist",
    "el": "Δεν ξέρω γιατί το μαγαζί δεν είναι ακόμα ανοιχτό σήμερα",
    "en": "I do not know why the shop is not open yet today",
    "es": "No sé por qué la tienda todavía no está abierta hoy",
    "fi": "En tiedä miksi kauppa ei ole vielä auki tänään aamulla",
    "fr": "Je ne sais pas pourquoi le magasin n'est pas encore ouvert",
    "nl": "Ik weet niet waarom de winkel vandaag nog niet open is",
    "pl": "Nie wiem dlaczego sklep nie jest dziś jeszcze otwarty rano",
    "pt": "Não sei porque a loja ainda não está aberta hoje de manhã",
    "ru": "Я не знаю почему магазин сегодня ещё не открыт утром",
    "sk": "Neviem prečo obchod dnes ešte nie je otvorený ale počkám",
    "sv": "Jag vet inte varför affären inte har öppnat än idag",
    "uk": "Я не знаю чому магазин сьогодні ще не відчинений вранці",
}


@pytest.fixture(scope="module")
def texts() -> LangidTextLanguage:
    return LangidTextLanguage(LANGUAGES)


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(texts: LangidTextLanguage, language: str) -> None:
    found = texts.identify(SENTENCES[language])
    assert found is not None
    assert found[0] == language
    assert 0.95 <= found[1] <= 1.0


def test_a_few_words_tell_nothing(texts: LangidTextLanguage) -> None:
    assert texts.identify("Ich weiß nicht warum") is None
    assert texts.identify("") is None


def test_only_languages_that_can_be_are_told() -> None:
    assert LangidTextLanguage(("en-GB", "fr", "x-none")).languages == {"en", "fr"}
    found = LangidTextLanguage(("sk", "en")).identify(SENTENCES["cs"])
    assert found is None or found[0] == "sk"
    assert LangidTextLanguage(("x-none",)).identify(SENTENCES["en"]) is None
