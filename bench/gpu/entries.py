"""Models of the published sizes with random weights that say as much as speech makes the real ones say.

Parakeet's head is balanced so that a window gives as many tokens a second as speech, with such durations. Whisper's
embeddings of places spell a text: at each place of the decoder one token is certain, and after as many as are wanted
the end is. Built with transformers, whose model of the same weights is the reference.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import transformers

from bench.gpu.counts import SAMPLE_RATE_HZ, ParakeetShape, WhisperShape, Work
from stenod_models.contract import Profile
from stenod_models.export.parakeet import write_entry
from stenod_models.export.parakeet_checkpoint import Checkpoint, architecture_of
from stenod_models.export.pbtxt import Placement, profile_of, set_identity, set_placement, set_profile
from stenod_models.export.templates import template_of
from stenod_models.families.parakeet.torch_decoding import GreedyLoop
from stenod_models.families.parakeet.torch_encoder import TorchEncoder, TorchFeatures
from stenod_models.families.whisper.architecture import WEIGHTS, Architecture, default_alignment_heads
from stenod_models.families.whisper.byte_pairs import character_of_byte

Window = npt.NDArray[np.int16]

PARAKEET_TOKENS_S: Final = 3.3
WHISPER_TOKENS_S: Final = 3.0
WHISPER_WINDOW_S: Final = 28.0
_PROMPT: Final = 4  # start, language, task, no timestamps
_LANGUAGES: Final = 100
_TIMESTAMPS: Final = 1501
_CALIBRATION_STEPS: Final = 12
_CALIBRATION_WINDOWS: Final = 4
_CERTAIN: Final = 60.0  # logits above the others

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Subject:
    """An entry of a model repository, what it is tried with, and the same weights in transformers.

    `prepare` takes a batch and gives what runs transformers' generate() on it, and waits until it has; `work` counts a
    batch of rows that are padded to so many samples, stage by stage.
    """

    name: str
    entry: Path
    profile: Profile
    windows: Sequence[Window]
    prepare: Callable[[Sequence[Window]], Callable[[], None]]
    work: Callable[[int, int], dict[str, Work]]

    @property
    def audio_s(self) -> float:
        return sum(map(len, self.windows)) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Trial:
    """`batch` is the most windows that are recognised together."""

    device: str
    precision: str
    windows: int
    batch: int


def parakeet(folder: Path, shape: ParakeetShape, trial: Trial) -> Subject:
    torch.manual_seed(0)
    with torch.device(trial.device), torch.inference_mode():
        model = transformers.ParakeetForTDT(_parakeet_config(shape)).eval()
        _randomise(model)
        model.joint.head.weight.mul_(4.0)
        model.joint.head.bias[shape.vocabulary :] += torch.tensor([-4.0, 1.0, 1.0, 0.5, 0.0])[: shape.durations]
    extractor = transformers.ParakeetFeatureExtractor(feature_size=shape.mels)
    features = {"preemphasis": 0.97}
    architecture = architecture_of(model.config, "tdt", features, precision=trial.precision, runtime="torch")
    windows = _windows(trial.windows, 20.0, 5.0)
    looks_s = _balance(model, architecture, windows[:_CALIBRATION_WINDOWS])
    entry = _entry(folder, "parakeet", trial)
    pieces = [f"▁w{token}" for token in range(shape.vocabulary)]
    write_entry(entry / "1", Checkpoint(model.float().cpu(), extractor, architecture, pieces))
    model.to(trial.device, DTYPES[trial.precision])

    def prepare(batch: Sequence[Window]) -> Callable[[], None]:
        audio = [window.astype(np.float32) / 32768 for window in batch]
        inputs = extractor(audio, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").to(trial.device)
        inputs["input_features"] = inputs["input_features"].to(DTYPES[trial.precision])
        kept_out = list(range(shape.vocabulary, shape.vocabulary + shape.durations))

        def run() -> None:
            options = {"suppress_tokens": kept_out, "decoder_start_token_id": architecture.blank}
            with torch.inference_mode():
                model.generate(**inputs, **options).sequences.cpu()

        return run

    def work(rows: int, samples: int) -> dict[str, Work]:
        length_s = samples / SAMPLE_RATE_HZ
        looks, labels = round(length_s * looks_s), round(length_s * PARAKEET_TOKENS_S)
        return {
            "encoder": shape.encoder(rows, samples, trial.precision),
            "decoder": shape.decoder(rows, looks=looks, labels=labels, precision=trial.precision),
        }

    return Subject(entry.name, entry, profile_of(entry / "config.pbtxt"), windows, prepare, work)


def whisper(folder: Path, shape: WhisperShape, trial: Trial) -> Subject:
    torch.manual_seed(0)
    listed, steps = _whisper_tokens(shape.vocabulary), round(WHISPER_WINDOW_S * WHISPER_TOKENS_S)
    config = _whisper_config(shape, listed)
    with torch.device(trial.device), torch.inference_mode():
        model = transformers.WhisperForConditionalGeneration(config).eval()
        _spell(model.model.decoder, listed.index("<|endoftext|>"), steps)
    _teach_prompts(model.generation_config, listed)
    heads = default_alignment_heads(shape.decoder_layers, shape.heads)
    arch = Architecture(
        shape.mels, shape.width, shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads,
        shape.vocabulary, shape.frames, shape.positions, multilingual=True, alignment_heads=heads,
    )  # fmt: skip
    entry = _entry(folder, "whisper", trial)
    (entry / "1" / "whisper.json").write_text(arch.to_json() + "\n")
    (entry / "1" / "vocabulary.json").write_text(json.dumps(listed, ensure_ascii=False) + "\n", "utf-8")
    state = {name.removeprefix("model."): value for name, value in model.state_dict().items() if "proj_out" not in name}
    torch.save({name: value.to(DTYPES[trial.precision]).cpu() for name, value in state.items()}, entry / "1" / WEIGHTS)
    model.to(DTYPES[trial.precision])
    windows = _windows(trial.windows, WHISPER_WINDOW_S, 0.0)
    extractor = transformers.WhisperFeatureExtractor(feature_size=shape.mels)

    def prepare(batch: Sequence[Window]) -> Callable[[], None]:
        audio = [window.astype(np.float32) / 32768 for window in batch]
        features = extractor(audio, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt").input_features
        features = features.to(trial.device, DTYPES[trial.precision])

        def run() -> None:
            with torch.inference_mode():
                model.generate(features, language="en", task="transcribe", max_new_tokens=steps + 1).cpu()

        return run

    def work(rows: int, _samples: int) -> dict[str, Work]:
        return {
            "encoder": shape.encoder(rows, trial.precision),
            "decoder": shape.decoder(rows, steps + _PROMPT, trial.precision),
        }

    return Subject(entry.name, entry, profile_of(entry / "config.pbtxt"), windows, prepare, work)


def _entry(folder: Path, family: str, trial: Trial) -> Path:
    entry = folder / family
    shutil.copytree(template_of(family), entry, ignore=shutil.ignore_patterns("__pycache__"))
    config = entry / "config.pbtxt"
    set_identity(config, name=family, licence="")
    set_profile(config, replace(profile_of(config), languages=("en",), max_batch_size=trial.batch))
    set_placement(config, Placement(trial.device))
    return entry


def _parakeet_config(shape: ParakeetShape) -> Any:
    encoder = {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "num_mel_bins": shape.mels,
        "conv_kernel_size": shape.kernel,
        "subsampling_conv_channels": shape.channels,
        "attention_bias": False,
        "convolution_bias": False,
        "scale_input": False,
    }
    return transformers.ParakeetTDTConfig(
        vocab_size=shape.vocabulary,
        blank_token_id=shape.vocabulary - 1,
        decoder_hidden_size=shape.predictor,
        num_decoder_layers=shape.predictor_layers,
        durations=list(range(shape.durations)),
        encoder_config=encoder,
    )


def _randomise(model: Any) -> None:
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith(("inv_freq", "num_batches_tracked", "running_var")):
            continue
        if value.dim() > 1 and "bias_" not in name:
            value.normal_(0.0, value[0].numel() ** -0.5)
        elif "norm" in name and name.endswith("weight"):
            value.fill_(1.0)
        else:
            value.normal_(0.0, 0.1)
    model.decoder.embedding.weight.normal_(0.0, 1.0)


def _balance(model: Any, architecture: Any, windows: Sequence[Window]) -> float:
    """Move the blank's bias until the windows give as many tokens a second as wanted; returns the looks a second."""
    weights = {name: value.detach().float() for name, value in model.state_dict().items()}
    device = weights["joint.head.bias"].device
    audio = torch.zeros(len(windows), max(map(len, windows)), dtype=torch.int16, device=device)
    for row, window in enumerate(windows):
        audio[row, : len(window)] = torch.from_numpy(window)
    samples = torch.tensor([len(window) for window in windows], device=device)
    with torch.inference_mode():
        encoded = TorchEncoder(weights, architecture)(*TorchFeatures(architecture, device)(audio, samples))
        loop = GreedyLoop(weights, architecture, rows=len(windows), frames=encoded.shape[1])
        lengths = -(-(samples // 160) // 8)
        low, high = -30.0, 60.0
        bias = weights["joint.head.bias"]
        start = float(bias[architecture.blank])
        for _ in range(_CALIBRATION_STEPS):
            bias[architecture.blank] = start + (low + high) / 2
            found = loop.decode(encoded, lengths, lambda _row: False)
            tokens_s = sum(len(row.tokens) for row in found if row) / (int(samples.sum()) / SAMPLE_RATE_HZ)
            low, high = ((low + high) / 2, high) if tokens_s > PARAKEET_TOKENS_S else (low, (low + high) / 2)
        model.joint.head.bias[architecture.blank] = bias[architecture.blank]
    lasting = [end - begin for row in found if row for begin, end in zip(row.starts, row.ends, strict=True)]
    blanks_s = max(0.0, 12.5 - tokens_s * float(np.mean(lasting or [1]))) / 2.0  # a blank lasts two frames on average
    return tokens_s + blanks_s


def _whisper_tokens(size: int) -> list[str]:
    special = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(
            f"<|{'en' if not place else f'{chr(97 + place // 26)}{chr(97 + place % 26)}q'}|>"
            for place in range(_LANGUAGES)
        ),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
        *(f"<|{place / 50:.2f}|>" for place in range(_TIMESTAMPS)),
    ]
    text = list(character_of_byte().values())
    words = [f"Ġw{token}" for token in range(size - len(special) - len(text))]
    return [*text, *words, *special]


def _whisper_config(shape: WhisperShape, listed: Sequence[str]) -> Any:
    end = listed.index("<|endoftext|>")
    return transformers.WhisperConfig(
        vocab_size=shape.vocabulary,
        num_mel_bins=shape.mels,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=4 * shape.width,
        decoder_ffn_dim=4 * shape.width,
        max_source_positions=shape.frames,
        max_target_positions=shape.positions,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=end + 1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def _teach_prompts(generation: Any, listed: Sequence[str]) -> None:
    """What generate() looks its language and its task up in."""
    generation.is_multilingual = True
    generation.lang_to_id = {"<|en|>": listed.index("<|en|>")}
    generation.task_to_id = {task: listed.index(f"<|{task}|>") for task in ("transcribe", "translate")}
    generation.no_timestamps_token_id = listed.index("<|notimestamps|>")


def _spell(decoder: Any, end: int, steps: int) -> None:
    """Have the place of each token decide what follows it: a text of that many tokens, and the end."""
    table, places = decoder.embed_tokens.weight, decoder.embed_positions.weight
    table.normal_(0.0, 1.0)
    table /= table.norm(dim=1, keepdim=True)
    following = torch.randint(256, end, (len(places),), device=table.device)
    following[_PROMPT - 1 + steps :] = end
    places.copy_(_CERTAIN * table[following])


def _windows(count: int, mean_s: float, spread_s: float) -> list[Window]:
    """Noise that swells and fades: as loud as speech, of lengths as the segmenter cuts them."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(count):
        length_s = float(np.clip(random.normal(mean_s, spread_s), 8.0, 30.0)) if spread_s else mean_s
        time_s = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        swell = 1 + np.sin(2 * np.pi * random.uniform(1, 4) * time_s)
        found.append((random.normal(0, 1000, len(time_s)) * swell).astype(np.int16))
    return found
