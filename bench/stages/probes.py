"""Which functions make up which stage. A test looks each of them up, so that a rename is noticed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bench.stages.stopwatch import Probe

DECODING, ACTIVITY, CUTTING = "decoding", "voice activity", "levels and cutting"
FEATURES, ENCODER, DECODER, ALIGNMENT = "features", "encoder", "decoder steps", "alignment"
BETWEEN: Final = "between the graphs"  # of the recogniser: choosing tokens, spelling, copying

FRONT_END: Final = (
    Probe("stenod_server.audio.decode:Decoding.__enter__", DECODING),
    Probe("stenod_server.audio.decode:Decoding.blocks", DECODING, gives_items=True),
    Probe("stenod_server.audio.vad:Silero.probabilities", ACTIVITY),
)
RECOGNISERS: Final[Mapping[str, Sequence[Probe]]] = MappingProxyType(
    {
        "moonshine": (
            Probe("stenod_models.families.moonshine.sessions:Encoder.encode", ENCODER),
            Probe("stenod_models.families.moonshine.sessions:StepBatch.advance", DECODER),
            Probe("stenod_models.families.moonshine.runtime:attended_words", ALIGNMENT),
        ),
        "whisper": (
            Probe("stenod_models.families.whisper.features:LogMel.__call__", FEATURES),
            Probe("stenod_models.families.whisper.sessions:Encoder.encode", ENCODER),
            Probe("stenod_models.families.whisper.sessions:DecoderRun.advance", DECODER),
            Probe("stenod_models.families.whisper.sessions:DecoderRun.logits", DECODER),
            Probe("stenod_models.families.whisper.runtime:timed_words", ALIGNMENT),
        ),
        "parakeet": (
            Probe("stenod_models.families.parakeet.features:FeatureExtractor.batch", FEATURES),
            Probe("stenod_models.families.parakeet.sessions:OnnxBackend._encode", ENCODER),
            Probe("stenod_models.families.parakeet.sessions:_Run.predict", DECODER),
            Probe("stenod_models.families.parakeet.sessions:_Run.join", DECODER),
            Probe("stenod_models.families.parakeet.runtime:ParakeetRecogniser._heard", ALIGNMENT),
        ),
    }
)
