"""What becomes of a job of which it is not certain which language is spoken: its `low_confidence_action`."""

from stenod_server.domain.job import JobConfig, LowConfidenceAction
from stenod_server.domain.transcript import LANGUAGE_UNCERTAIN, Warning  # noqa: A004  the word the API uses
from stenod_server.errors import LanguageUncertain
from stenod_server.recognition.language_choice import LanguageChoice
from stenod_server.scheduler.abilities import WITHOUT_EFFECT

_NOBODY_TELLS = "low_confidence_action: no recogniser was asked which language is spoken"


def check(config: JobConfig, heard: LanguageChoice) -> None:
    """Raises LanguageUncertain."""
    if heard.doubt and config.low_confidence_action is LowConfidenceAction.REJECT:
        raise LanguageUncertain(f"the language is not certain: {heard.doubt}")


def warnings(config: JobConfig, heard: LanguageChoice | None) -> tuple[Warning, ...]:
    """What the caller should know of how the language was found. None: nobody listened for it."""
    if heard is None:
        is_asked = config.low_confidence_action is not LowConfidenceAction.ALLOW
        return (Warning(WITHOUT_EFFECT, _NOBODY_TELLS),) if is_asked else ()
    if not heard.doubt:
        return ()
    done = f"taken for {config.default_language}" if config.default_language else "left to the model"
    return (Warning(LANGUAGE_UNCERTAIN, f"{heard.doubt}; {done}"),)
