"""What a language is called, and how it is written."""

from typing import Final

_NAMES: Final = {
    "ar": "Arabic", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech",
    "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mn": "Mongolian", "mr": "Marathi",
    "ms": "Malay", "mt": "Maltese", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "sw": "Swahili",
    "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "yue": "Cantonese", "zh": "Chinese",
}  # fmt: skip
_WITHOUT_BLANKS: Final = frozenset({"ja", "th", "yue", "zh"})
_RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})


def name_of(code: str) -> str:
    """In English; the code itself where that is not known."""
    return _NAMES.get(_stem(code), code)


def word_delimiter(code: str) -> str:
    return "" if _stem(code) in _WITHOUT_BLANKS else " "


def writing_direction(code: str) -> str:
    return "right-to-left" if _stem(code) in _RIGHT_TO_LEFT else "left-to-right"


def _stem(code: str) -> str:
    return code.lower().partition("-")[0]
