"""The words of English numbers, and those that say what is counted."""

from typing import Final

_ONES: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ORDINAL_ONES: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
_ORDINAL_TEENS: Final = (
    "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth",
)  # fmt: skip

UNITS: Final = {word: value for value, word in enumerate(_ONES, start=1)}
TEENS: Final = {word: value for value, word in enumerate(_TEENS, start=10)}
TENS: Final = {word: 10 * value for value, word in enumerate(_TENS, start=2)}
ORDINAL_UNITS: Final = {word: value for value, word in enumerate(_ORDINAL_ONES, start=1)}
ORDINALS: Final = {word: value for value, word in enumerate(_ORDINAL_TEENS, start=10)} | {
    word.removesuffix("y") + "ieth": value for word, value in TENS.items()
}
DECADES: Final = {word.removesuffix("y") + "ies": value for word, value in TENS.items()}
SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
LARGE_SCALES: Final = SCALES.keys() - {"thousand"}  # written as words: 2 million
NUMBER_WORDS: Final = frozenset(UNITS) | TEENS.keys() | TENS.keys() | SCALES.keys() | {"hundred", "zero"}
ZEROS: Final = frozenset({"zero", "oh", "o"})
# Denominators that people write in digits; halves to tenths are words.
DENOMINATORS: Final = {word + "s": value for word, value in ORDINALS.items() if value > 10} | {
    "hundredths": 100,
    "thousandths": 1000,
}

MONTHS: Final = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ]
)
PERCENT: Final = frozenset({"percent", "percentage"})
CURRENCIES: Final = {
    "dollar": "$", "dollars": "$", "euro": "€", "euros": "€", "pound": "£", "pounds": "£", "quid": "£", "yen": "¥",
    "rupee": "₹", "rupees": "₹",
}  # fmt: skip
SMALL_CURRENCIES: Final = {"cent": "$", "cents": "$", "penny": "£", "pence": "£"}
_LENGTHS: Final = ("millimeter", "millimetre", "centimeter", "centimetre", "meter", "metre", "kilometer", "kilometre")
_OTHERS: Final = (
    "inch", "yard", "mile", "acre", "hectare", "gram", "kilogram", "kilo", "ounce", "pound", "ton", "tonne", "liter",
    "litre", "milliliter", "millilitre", "gallon", "pint", "degree", "volt", "watt", "kilowatt", "megawatt", "amp",
    "hertz", "kilohertz", "megahertz", "gigahertz", "bit", "byte", "kilobyte", "megabyte", "gigabyte", "terabyte",
    "kilobit", "megabit", "gigabit", "decibel", "calorie", "milligram", "microgram", "pixel",
)  # fmt: skip
MEASURES: Final = frozenset(
    [*_LENGTHS, *_OTHERS, *(word + "s" for word in (*_LENGTHS, *_OTHERS)), "inches", "foot", "feet", "square", "cubic"]
)
# What stands behind a number in a compound: a twenty-year-old, a two-hundred-page book.
IN_COMPOUNDS: Final = MEASURES | {
    "year", "month", "week", "day", "hour", "minute", "second", "page", "point", "man", "person", "seat", "story",
    "storey", "dollar", "percent", "part", "inch", "bed", "room", "century",
}  # fmt: skip
# What a number is the name of: chapter 5.
LABELS: Final = frozenset(
    [
        "chapter",
        "page",
        "section",
        "version",
        "episode",
        "season",
        "figure",
        "gate",
        "flight",
        "route",
        "highway",
        "platform",
        "paragraph",
        "verse",
    ]
)
POSSESSIVES: Final = frozenset({"my", "your", "his", "her", "its", "our", "their", "whose"})
DETERMINERS: Final = POSSESSIVES | {
    "the", "this", "that", "these", "those", "a", "an", "no", "any", "some", "every", "each", "either", "neither",
    "which", "what", "another", "same", "only",
}  # fmt: skip
UNITS_OF_TIME: Final = frozenset(
    word + plural
    for word in ("second", "minute", "hour", "day", "night", "week", "month", "year", "decade", "generation")
    for plural in ("", "s")
)
# Behind `of` and before `a million`: a third of a million.
PARTS: Final = frozenset(
    word + plural for word in ("quarter", "fraction", *list(ORDINAL_UNITS)[2:], *ORDINALS) for plural in ("", "s")
) | {"half", "halves"}
