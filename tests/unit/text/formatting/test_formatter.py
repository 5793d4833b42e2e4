from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenod_server.domain.formatting import Formatting, ProfanityFilter, Replacement
from stenod_server.domain.formatting_rules import FIELDS
from stenod_server.domain.transcript import Segment, WordTag
from stenod_server.errors import InvalidField
from stenod_server.text.formatting import Formatter, disfluencies, profanity, rules, spelling
from tests.support.formatting_cases import SOUND_SAMPLES, WORD_SAMPLES, spoken

_MASK = ProfanityFilter.MASK


def _text(said: str, asked: Formatting, language: str = "en") -> str | None:
    segment = _formatted(said, asked, language)
    return segment.text if segment else None


def _formatted(said: str, asked: Formatting, language: str = "en") -> Segment | None:
    return Formatter(asked, language).format(spoken(said.split(), language))


def _tagged(said: str, language: str = "en") -> list[str]:
    segment = _formatted(said, Formatting(), language)
    assert segment is not None
    return [word.text for word in segment.words if word.tags]


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Um, I think so.", "I think so."),
        ("I, um, think", "I think"),
        ("So, um I think", "So, I think"),
        ("I think so, um.", "I think so."),
        ("Is it uh?", "Is it?"),
        ('"Um, well," he said', '"Well," he said'),
        ("I went. Um, you know, er, then", "I went. You know then"),
        ("Um, iPhones are, er, good.", "iPhones are good."),
        ("Um. Uh.", None),
        ("No. Um. I think", "No. I think"),
        ("No. Um, it is late.", "No. It is late."),
        ("No um. I think", "No. I think"),
        ("Apples, pears, etc. um. So", "Apples, pears, etc. So"),
        ("Apples, etc., um? So", "Apples, etc.? So"),
        ("at five p.m. Um, we left", "at five p.m. We left"),
        ("Dr. um. Smith", "Dr. Smith"),
        ("Really... um. Yes", "Really... Yes"),
        ("Uh-huh.", "Uh-huh."),
        ("I like, you know, umbrellas", "I like, you know, umbrellas"),
    ],
)
def test_disfluencies_are_removed_with_their_marks_and_capitals_carried_over(said: str, written: str | None) -> None:
    assert _text(said, Formatting(remove_disfluencies=True)) == written
    assert _text(said, Formatting()) == said


def test_disfluencies_are_tagged_by_language_whatever_is_asked() -> None:
    assert _tagged("Um, I er think like, mm, so") == ["Um,", "er", "mm,"]
    assert _tagged("um das Haus, ähm, herum", "de") == ["ähm,"]
    assert _tagged("um artigo, hum", "pt") == ["hum"]


def test_a_number_is_one_across_a_disfluency_that_goes() -> None:
    asked = Formatting(numerals=True, remove_disfluencies=True)
    assert _text("a hundred uh and twenty people", asked) == "120 people"


def test_swear_words_are_masked_whole_with_inflections_and_nothing_else_is() -> None:
    said = "Scunthorpe is a fucking shithole, you bull-shitter. Fuck's sake, I assess the kick-ass cockpit. Shitake?"
    masked = "Scunthorpe is a f****** s*******, you b***-*******. F***'s sake, I assess the k***-*** cockpit. Shitake?"
    assert _text(said, Formatting(profanity_filter=_MASK)) == masked
    assert _text(said, Formatting()) == said
    assert _tagged(said) == ["fucking", "shithole,", "bull-shitter.", "Fuck's", "kick-ass"]


@pytest.mark.parametrize(
    ("language", "said", "masked"),
    [
        ("de", "So eine Scheiße, Ascher!", "So eine S******, Ascher!"),
        ("es", "¡Mierda, la computadora!", "¡M*****, la computadora!"),
        ("fr", "Merde, dispute!", "M****, dispute!"),
        ("it", "Cazzo, cazzuola!", "C****, cazzuola!"),
    ],
)
def test_swear_words_of_other_languages_are_masked(language: str, said: str, masked: str) -> None:
    assert _text(said, Formatting(profanity_filter=_MASK), language) == masked


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Tit for tat, they prick up their ears, a fag, pussy willow, spic and span, two great tits."),
        ("fr", "Un cul-de-sac, la tapette, il met en branle."),
        ("es", "La zorra, la verga del barco, las hostias y la polla."),
        ("it", "Il cavallo di Troia."),
    ],
)
def test_words_that_have_a_harmless_sense_are_no_swear_words(language: str, said: str) -> None:
    assert _text(said, Formatting(profanity_filter=_MASK), language) == said
    assert _tagged(said, language) == []


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en-GB", "The colour of organised theatres, travelling kilometres. COLOUR"),
        ("en-US", "The color of organized theaters, traveling kilometers. COLOR"),
        ("en-CA", "The colour of organized theatres, travelling kilometres. COLOUR"),
        ("en-AU", "The colour of organised theatres, travelling kilometres. COLOUR"),
        ("en-gb", "The colour of organised theatres, travelling kilometres. COLOUR"),
    ],
)
def test_words_are_spelled_as_the_locale_spells_them(locale: str, written: str) -> None:
    for said in (
        "The color of organized theaters, traveling kilometers. COLOR",
        "The colour of organised theatres, travelling kilometres. COLOUR",
    ):
        assert _text(said, Formatting(output_locale=locale)) == written


def test_names_and_words_of_two_meanings_keep_their_spelling() -> None:
    said = "He licensed Pearl Harbor and Lincoln Center to practice on the program, among others. Check the tire."
    assert _text(said, Formatting(output_locale="en-GB")) == said


def test_the_locale_decides_how_amounts_are_written() -> None:
    said = "the third of May twenty twenty at five p m for twenty pounds"
    british, american = (
        Formatting(numerals=True, output_locale="en-GB"),
        Formatting(numerals=True, output_locale="en-US"),
    )
    assert _text(said, british) == "3 May 2020 at 5 pm for £20"
    assert _text(said, american) == "May 3, 2020 at 5 p.m. for 20 pounds"
    assert _text(said, Formatting(numerals=True), "en-GB") == "3 May 2020 at 5 pm for £20"


def test_marks_that_are_not_permitted_go_and_capitals_stay() -> None:
    said = "Hello, Mr. Smith! It's 3.5 (yes); well-done... Ok?"
    assert _text(said, Formatting(permitted_marks=("?",))) == "Hello Mr. Smith It's 3.5 yes well-done Ok?"
    assert _text(said, Formatting(permitted_marks=(",", "!"))) == "Hello, Mr. Smith! It's 3.5 yes well-done Ok"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("No. I mean it.", "No I mean it"),
        ("At No. 5, or Nos. 6 and 7.", "At No. 5 or Nos. 6 and 7"),
        ("Nr. 5? Sí. No.", "Nr. 5? Sí No"),
        ("'hello'. ‘Yes,’ no", "hello Yes no"),  # noqa: RUF001  as recognisers write it
        ("'Hello, my world,' he said. 'Tis", "Hello my world he said 'Tis"),
        ("the dogs' bowls, rock 'n' roll", "the dogs' bowls rock n roll"),
        ("(Mr. Smith) at 5 p.m.", "Mr. Smith at 5 p.m."),
    ],
)
def test_the_point_of_an_abbreviation_stays_and_single_quotes_go_in_pairs(said: str, written: str) -> None:
    assert _text(said, Formatting(permitted_marks=("?",))) == written


def test_a_pair_of_quotes_goes_where_the_mark_inside_of_it_stays() -> None:
    assert _text("'hello'. 'Good bye.'", Formatting(permitted_marks=(".",))) == "hello. Good bye."
    assert _text("'hello'. 'Good bye.'", Formatting(punctuation=False)) == "hello Good bye"


def test_a_word_behind_no_begins_a_sentence_and_is_spelled() -> None:
    assert _text("No. Color is", Formatting(output_locale="en-GB")) == "No. Colour is"
    assert _text("Dr. Color is", Formatting(output_locale="en-GB")) == "Dr. Color is"


def test_without_punctuation_words_carry_no_marks_and_what_is_nothing_else_goes() -> None:
    assert _text("\"Well, 3.5 don't! — Go.", Formatting(punctuation=False)) == "Well 3.5 don't Go"
    assert _text("— ...", Formatting(punctuation=False)) is None


def test_without_casing_all_is_in_lower_case() -> None:
    assert _text("Hello, NASA. Über uns", Formatting(casing=False)) == "hello, nasa. über uns"


def test_words_quieter_than_the_threshold_are_left_out_and_unmeasured_ones_stay() -> None:
    segment = spoken(["loud", "quiet", "unknown"])
    loud, quiet, unknown = segment.words
    measured = replace(segment, words=(replace(loud, volume=20.0), replace(quiet, volume=19.9), unknown))
    formatted = Formatter(Formatting(volume_threshold=20), "en").format(measured)
    assert formatted is not None
    assert formatted.text == "loud unknown"


def _replaced(said: str, *given: tuple[str, str]) -> str | None:
    return _text(said, Formatting(replacements=tuple(Replacement(*one) for one in given)))


@pytest.mark.parametrize(
    ("said", "pattern", "replacement", "written"),
    [
        ("Hello, Acme corp! and acme corp.", "acme corp", "ACME Inc.", "Hello, ACME Inc.! and ACME Inc.."),
        ("Acme, corp", "acme corp", "x", "Acme, corp"),
        ("the acme corp", "Acme Corp", "ACME", "the ACME"),
        ("the cat concatenates cats", "cat", "dog", "the dog concatenates cats"),
        ("I mean it, basically. I mean so", "basically", "", "I mean it. I mean so"),
        ("Basically it is", "basically", "", "It is"),
        ("well", "well", "", None),
        ("so — what", "—", "-", "so - what"),
        ("call 555-123 or 44, ok", r"/\d\d+/", "#", "call #-# or #, ok"),
        ("foo bar1 bar2", r"/(\w)o+ bar/", r"\1-", "f-1 bar2"),
        ("Über straße", "/(?i)ÜBER STRA/", "x", "xße"),
        ("my number is 42", "/ is \\d+/", "", "my number"),
        ("one two three", "/two/", "", "one three"),
        ("aaa", "/^/", "x", "aaa"),
        ("a b c", "/ /", "-", "a-b-c"),
        (", a, b", "a", "", ", b"),
        ("é 漢 b", "/./", "x", "xxxxx"),
        ("foo bar", "/foo /", "x", "xbar"),
        ("foo bar baz", "/o b|r b/", "", "foaaz"),
        ("foo bar", "/$|bar$/", "", "foo"),
    ],
)
def test_texts_are_replaced(said: str, pattern: str, replacement: str, written: str | None) -> None:
    assert _replaced(said, (pattern, replacement)) == written


def test_replacements_are_made_one_after_the_other_and_after_everything_else() -> None:
    assert _replaced("a", ("a", "b"), ("b", "c")) == "c"
    last = Formatting(numerals=True, casing=False, replacements=(Replacement("$20", "TWENTY"),))
    assert _text("Pay twenty dollars.", last) == "pay TWENTY."


def test_replacements_that_write_without_end_are_cut_short_with_a_warning() -> None:
    doubling = (Replacement("/./", "xx"),) * 40
    formatter = Formatter(Formatting(replacements=doubling), "en")
    formatted = formatter.format(spoken(["word"] * 20))
    assert formatted is not None
    assert 1000 < len(formatted.text) < 40_000
    (warning,) = formatter.warnings()
    assert warning.message.startswith("formatting.replacements:")


def test_words_that_are_replaced_share_their_time() -> None:
    segment = _formatted("no new york now", Formatting(replacements=(Replacement("new york", "the big apple"),)))
    assert segment is not None
    bounds = [(word.start_samples, word.end_samples) for word in segment.words[1:4]]
    assert bounds[0][0] == WORD_SAMPLES
    assert bounds[2][1] == 2 * WORD_SAMPLES + SOUND_SAMPLES
    assert bounds[0][1] == bounds[1][0]
    assert bounds[1][1] == bounds[2][0]


def test_an_entity_of_which_a_word_is_replaced_stays_one_and_one_that_is_replaced_with_others_does_not() -> None:
    for pattern, kinds in (("$20", ["money"]), ("/.20 now/", [])):
        asked = Formatting(numerals=True, entities=True, replacements=(Replacement(pattern, "x y"),))
        segment = _formatted("twenty dollars now", asked)
        assert segment is not None
        assert [entity.kind for entity in segment.entities] == kinds


def test_what_there_is_not_for_a_language_is_named_in_a_warning() -> None:
    asked = Formatting(
        numerals=True, remove_disfluencies=True, profanity_filter=_MASK, output_locale="en-GB", casing=False
    )
    formatter = Formatter(asked, "auto")
    assert formatter.warnings() == ()
    formatter.format(spoken(["tak"], "pl"))
    formatter.format(spoken(["yes"], "en"))
    told = formatter.warnings()
    assert {warning.reason for warning in told} == {"FIELD_WITHOUT_EFFECT"}
    fields = ["numerals", "remove_disfluencies", "profanity_filter", "output_locale"]
    assert [warning.message.partition(":")[0] for warning in told] == [f"formatting.{field}" for field in fields]
    assert all("'pl'" in warning.message for warning in told)
    assert Formatter(asked, "en").warnings() == ()


@pytest.mark.parametrize("language", ["da", "de", "es", "fr", "it", "nl", "pt", "de-CH"])
def test_kinds_of_numbers_that_a_language_has_not_are_named_in_a_warning(language: str) -> None:
    code = language[:2]
    for asked, field in ((Formatting(numerals=True), "numerals"), (Formatting(entities=True), "entities")):
        (warning,) = Formatter(asked, language).warnings()
        assert warning.reason == "FIELD_WITHOUT_EFFECT"
        assert warning.message == (
            f"formatting.{field}: of speech in {code!r} these are written: cardinal, decimal, ordinal, phone; "
            "not these: alphanum, date, fraction, money, percentage, span, time"
        )
    assert Formatter(Formatting(), language).warnings() == ()


@pytest.mark.parametrize(
    ("asked", "language", "field", "problem"),
    [
        (Formatting(output_locale="en-NZ"), "en", "output_locale", "en-AU"),
        (Formatting(output_locale="de-CH"), "de", "output_locale", "de-CH"),
        (Formatting(output_locale="en-GB"), "de", "output_locale", "'de'"),
        (Formatting(replacements=(Replacement("a", "b"), Replacement("/(/", ""))), "en", "replacements.1", "missing )"),
        (Formatting(replacements=(Replacement("/a/", r"\1"),)), "en", "replacements.0", "group"),
        (Formatting(replacements=(Replacement(r"/\C/", ""),)), "en", "replacements.0", "half a character"),
        (Formatting(replacements=(Replacement("/(\\w{900}){900}/", ""),)), "en", "replacements.0", "size"),
    ],
)
def test_what_no_segment_could_be_given_is_refused_by_name(
    asked: Formatting, language: str, field: str, problem: str
) -> None:
    with pytest.raises(InvalidField, match=r"config\.formatting") as refused:
        rules.check(asked, language, FIELDS)
    assert refused.value.field == f"config.formatting.{field}"
    assert problem in refused.value.problem


def test_what_some_segment_could_be_given_is_taken() -> None:
    for language in ("auto", "en", "en-US"):
        rules.check(Formatting(output_locale="en-GB", replacements=(Replacement("/a(b)/", r"\1"),)), language, FIELDS)


def test_a_segment_of_which_nothing_changes_is_itself() -> None:
    segment = spoken(["I", "like,", "you", "know,", "umbrellas"])
    for language in ("en", "auto", "pl"):
        assert Formatter(Formatting(), language).format(segment) is segment
    assert Formatter(Formatting(), "en").format(replace(segment, words=())) is None


def test_what_a_word_is_is_found_out_once() -> None:
    segment = spoken(["Um,", "damn", "shit"])
    formatter = Formatter(Formatting(), "en")
    formatter.format(segment)
    before = [tag.is_one.cache_info().misses for tag in (disfluencies, profanity)]
    formatter.format(segment)
    assert [tag.is_one.cache_info().misses for tag in (disfluencies, profanity)] == before


@pytest.mark.parametrize("language", ["en", "auto"])
def test_what_formatting_needs_is_read_when_a_formatter_is_made(language: str) -> None:
    for table in (spelling.spellings, profanity.swear_words):
        table.cache_clear()
    profanity.is_one.cache_clear()
    formatter = Formatter(Formatting(output_locale="en-GB"), language)
    read = [table.cache_info().misses for table in (spelling.spellings, profanity.swear_words)]
    assert read[0] == 1
    formatted = formatter.format(spoken(["shit", "color"]))
    assert formatted is not None
    assert formatted.text == "shit colour"
    assert [table.cache_info().misses for table in (spelling.spellings, profanity.swear_words)] == read


_texts = st.lists(
    st.sampled_from(
        ["um,", "Um", "fuck.", "color", "twenty", "five", "a", "b,", "—", "Mr.", '"x"', "p.m.", "uh?", "$5"]
    ),
    min_size=1,
    max_size=12,
)
_asked = st.builds(
    Formatting,
    punctuation=st.booleans(),
    numerals=st.booleans(),
    entities=st.booleans(),
    casing=st.booleans(),
    remove_disfluencies=st.booleans(),
    profanity_filter=st.sampled_from(ProfanityFilter),
    output_locale=st.sampled_from(["", "en-GB"]),
    replacements=st.lists(
        st.builds(
            Replacement, st.sampled_from(["a", "/[a-z]/", "b um", "/ /", "25"]), st.sampled_from(["", "x y", "-"])
        ),
        max_size=3,
    ).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(texts=_texts, asked=_asked)
def test_whatever_is_asked_words_stay_in_order_and_inside_the_segment(texts: list[str], asked: Formatting) -> None:
    segment = spoken(texts)
    formatted = Formatter(asked, "en").format(segment)
    if formatted is None:
        return
    assert all(word.text and not word.text.isspace() for word in formatted.words)
    assert all(a.start_samples <= b.start_samples for a, b in pairwise(formatted.words))
    assert all(0 <= word.start_samples <= word.end_samples <= segment.end_samples for word in formatted.words)
    ends = [entity.first_word + entity.word_count for entity in formatted.entities]
    assert all(end <= start.first_word for end, start in zip(ends, formatted.entities[1:], strict=False))
    assert all(end <= len(formatted.words) for end in ends)
    assert all(WordTag.DISFLUENCY not in word.tags for word in formatted.words) or not asked.remove_disfluencies
