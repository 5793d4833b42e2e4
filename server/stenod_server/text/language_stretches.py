"""Which language is spoken from when on, as a json-v2 transcript tells it."""

from typing import Any

from stenod_server.domain.transcript import LANGUAGE_UNCERTAIN, Segment, TranscriptInfo


class LanguageStretches:
    """Is given the segments of a transcript in order; holds where the language changes."""

    def __init__(self, info: TranscriptInfo) -> None:
        self._info = info
        self._stretches: list[tuple[str, float]] = []  # the language, and since when, in seconds

    def feed(self, segment: Segment) -> None:
        if segment.language and (not self._stretches or self._stretches[-1][0] != segment.language):
            self._stretches.append((segment.language, segment.start_s))

    def languages(self) -> list[str]:
        """In order of appearance."""
        return list(dict.fromkeys(language for language, _ in self._stretches))

    def identification(self) -> dict[str, Any]:
        """The stretches fill the recording. How sure it is, is known of the language of the whole alone."""
        info = self._info
        if not info.language:
            return {"results": [], "error": "NO_SPEECH", "message": "nothing was said"}
        spoken = self._stretches or [(info.language, 0.0)]
        starts_s = [0.0, *(start_s for _, start_s in spoken[1:]), info.duration_s]
        results = [
            {
                "alternatives": [self._alternative(language)],
                "start_time": round(start_s, 3),
                "end_time": round(end_s, 3),
            }
            for (language, _), start_s, end_s in zip(spoken, starts_s[:-1], starts_s[1:], strict=True)
        ]
        doubt = next((warning.message for warning in info.warnings if warning.reason == LANGUAGE_UNCERTAIN), "")
        return {"results": results, "error": "LOW_CONFIDENCE" if doubt else None, "message": doubt}

    def _alternative(self, language: str) -> dict[str, Any]:
        if language != self._info.language:
            return {"language": language}
        return {"language": language, "confidence": round(self._info.language_confidence, 4)}
