"""Small random Parakeet checkpoints as Hugging Face directories, and what transformers itself makes of them.

The heads are biased so that token streams look like speech: about a third of the frames looked at give a label, and
labels last one to four frames. Needs torch and transformers: guard with `pytest.importorskip("transformers")`.
"""

import importlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

torch: Any = importlib.import_module("torch")
transformers: Any = importlib.import_module("transformers")
tokenizers: Any = importlib.import_module("tokenizers")
torch.set_grad_enabled(False)  # nothing is trained here
transformers.logging.disable_progress_bar()

Kind = Literal["tdt", "rnnt", "ctc"]
Window = npt.NDArray[np.int16]

KINDS: tuple[Kind, ...] = ("tdt", "rnnt", "ctc", "tdt")
SAMPLE_RATE_HZ = 16_000
LABEL_RATIO = {"tdt": 0.4, "rnnt": 0.15, "ctc": 0.3}
_MODELS = {
    "tdt": (transformers.ParakeetTDTConfig, transformers.ParakeetForTDT),
    "rnnt": (transformers.ParakeetRNNTConfig, transformers.ParakeetForRNNT),
    "ctc": (transformers.ParakeetCTCConfig, transformers.ParakeetForCTC),
}
_LARGE_ENCODER = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 8,
    "intermediate_size": 4096,
    "num_mel_bins": 128,
    "conv_kernel_size": 9,
    "subsampling_conv_channels": 256,
    "attention_bias": False,
    "convolution_bias": False,
    "scale_input": False,
}
_LARGE_VOCABULARY = 8192


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs from checkpoint to checkpoint. `is_large`: the sizes of parakeet-tdt-0.6b-v3."""

    kind: Kind
    seed: int
    is_large: bool = False

    @property
    def encoder(self) -> dict[str, Any]:
        return _LARGE_ENCODER if self.is_large else self._small_encoder()

    def _small_encoder(self) -> dict[str, Any]:
        random = np.random.default_rng(self.seed)
        heads = int(random.choice([2, 4]))
        return {
            "hidden_size": heads * int(random.choice([16, 24])),
            "num_hidden_layers": int(random.integers(1, 4)),
            "num_attention_heads": heads,
            "intermediate_size": int(random.choice([96, 160])),
            "num_mel_bins": int(random.choice([80, 128])),
            "conv_kernel_size": int(random.choice([5, 9])),
            "subsampling_conv_channels": 16,
            "attention_bias": bool(random.integers(2)),
            "convolution_bias": bool(random.integers(2)),
            "scale_input": bool(random.integers(2)),
        }


def make_checkpoint(folder: Path, shape: Shape, *, blank_shift: float = 0.0) -> Path:
    """Save a checkpoint in `folder`. `blank_shift` is added to the blank's bias: with 1e3 the model hears nothing."""
    torch.manual_seed(shape.seed)
    pieces = vocabulary(shape.seed)
    if shape.is_large:
        pieces += [f"▁w{number}" for number in range(_LARGE_VOCABULARY - len(pieces))]
    tokenizer = _tokenizer(pieces, shape.kind)
    blank = len(pieces)
    config_class, model_class = _MODELS[shape.kind]
    options: dict[str, Any] = {"vocab_size": blank + 1, "encoder_config": shape.encoder}
    if shape.kind == "ctc":
        options |= {"pad_token_id": blank}
    else:
        options |= {"blank_token_id": blank, "pad_token_id": 2, "num_decoder_layers": 2}
        options["decoder_hidden_size"] = 640 if shape.is_large else 40
    model = model_class(config_class(**options)).eval()
    if shape.kind != "ctc":
        model.generation_config.decoder_start_token_id = blank
    if shape.kind == "tdt":  # generate() chooses among tokens and durations alike
        model.generation_config.suppress_tokens = list(range(blank + 1, blank + 1 + len(model.config.durations)))
    _randomise(model)
    extractor = transformers.ParakeetFeatureExtractor(feature_size=shape.encoder["num_mel_bins"])
    _calibrate(model, extractor, shape.kind, blank)
    _head_of(model, shape.kind).bias.data[blank] += blank_shift
    model.save_pretrained(folder)
    transformers.ParakeetProcessor(extractor, tokenizer, decoder_type=shape.kind).save_pretrained(folder)
    return folder


def vocabulary(seed: int) -> list[str]:
    """Pieces like a SentencePiece model's: control tokens, bytes, punctuation, words, letters."""
    random = np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrstuvwxyzäéñß"
    made = {"".join(random.choice(list(letters), random.integers(1, 4))) for _ in range(150)}
    opening = [f"▁{piece}" for piece in sorted(made)[::2]]
    byte_pieces = [f"<0x{byte:02X}>" for byte in (0x41, 0x42, 0x43)]
    control = ["<unk>", "<|nospeech|>", "<pad>", "<|endoftext|>"]
    return [*control, *byte_pieces, "▁", ".", ",", *opening, *sorted(made)[1::2]]


def _tokenizer(pieces: Sequence[str], kind: Kind) -> Any:
    table = {piece: index for index, piece in enumerate(pieces)}
    built = tokenizers.Tokenizer(tokenizers.models.BPE(table, [], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    parts = tokenizers.decoders
    built.decoder = parts.Sequence(
        [parts.Replace("▁", " "), parts.ByteFallback(), parts.Fuse(), parts.Strip(" ", 1, 0)]
    )
    special = [piece for piece in pieces if piece.startswith("<") and not piece.startswith("<0x")]
    built.add_special_tokens([tokenizers.AddedToken(piece, normalized=False, special=True) for piece in special])
    blank = "<blank>"
    built.add_special_tokens([tokenizers.AddedToken(blank, normalized=False, special=True)])
    padding = blank if kind == "ctc" else "<pad>"
    return transformers.ParakeetTokenizer(tokenizer_object=built, unk_token="<unk>", pad_token=padding)


def _randomise(model: Any) -> None:
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif name.endswith(("inv_freq", "num_batches_tracked")):
            continue
        elif value.dim() > 1 and "bias_" not in name:
            value.normal_(0.0, 1.0 / np.sqrt(value[0].numel()))
        elif "norm" in name and name.endswith("weight"):
            value.normal_(1.0, 0.1)
        else:
            value.normal_(0.0, 0.1)
    if hasattr(model, "decoder"):
        model.decoder.embedding.weight.normal_(0.0, 1.0)


def _head_of(model: Any, kind: Kind) -> Any:
    return model.ctc_head if kind == "ctc" else model.joint.head


def _calibrate(model: Any, extractor: Any, kind: Kind, blank: int) -> None:
    """Sharpen the head, give every token its chance, and let the blank win as often as wanted."""
    head = _head_of(model, kind)
    head.weight.mul_(4.0)
    inputs = extractor(as_floats(window_of(20.0, 1)), sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
    if kind == "ctc":
        logits = model(**inputs).logits[0]
    else:
        encoded = model.get_audio_features(**inputs).pooler_output
        said = torch.randint(0, blank, (1, encoded.shape[1]))
        logits = model.joint(model.decoder(said), encoded)[0]
    head.bias -= logits.mean(dim=0)
    if kind == "tdt":
        head.bias[blank + 1 :] += torch.tensor([-4.0, 1.0, 1.0, 0.5, 0.0])
    logits = logits - logits.mean(dim=0)
    others = logits[:, :blank].max(dim=1).values
    head.bias[blank] += torch.quantile(others - logits[:, blank], 1 - LABEL_RATIO[kind])


def as_floats(window: Window) -> npt.NDArray[np.float32]:
    scaled: npt.NDArray[np.float32] = window.astype(np.float32) / np.float32(32768)
    return scaled


def window_of(seconds: float, seed: int) -> Window:
    """Gliding tones, noise bursts and pauses, so that features change all the time."""
    random = np.random.default_rng(seed)
    samples = int(seconds * SAMPLE_RATE_HZ)
    pieces: list[npt.NDArray[np.float64]] = []
    while sum(len(piece) for piece in pieces) < samples:
        length = int(random.integers(800, 6400))
        time_s = np.arange(length) / SAMPLE_RATE_HZ
        tone = np.sin(2 * np.pi * (random.uniform(80, 3000) + random.uniform(-2000, 2000) * time_s) * time_s)
        pieces.append(tone * random.choice([0.0, 0.05, 0.3]) + random.normal(0, random.choice([0.002, 0.1]), length))
    sound = np.concatenate(pieces)[:samples] if pieces else np.zeros(0)
    window: Window = np.clip(sound * 32767, -32768, 32767).astype(np.int16)
    return window


@dataclass(frozen=True, slots=True)
class Heard:
    """One window: its labels, the frames they span, the text, the smallest top-2 margin on the way, and the most labels
    of one frame.
    """

    tokens: list[int]
    starts: list[int]
    ends: list[int]
    text: str
    margin: float
    most_at_frame: int


class Reference:
    """transformers' own feature extractor, model, generate() and decode()."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.model = _MODELS[kind][1].from_pretrained(folder).eval()
        self.processor = transformers.ParakeetProcessor.from_pretrained(folder)
        self.blank = self.model.config.pad_token_id if kind == "ctc" else self.model.config.blank_token_id

    def inputs(self, windows: Sequence[Window]) -> Any:
        audio = [as_floats(window) for window in windows]
        return self.processor.feature_extractor(audio, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")

    def exact_features(self, window: Window) -> npt.NDArray[np.float64]:
        """What ParakeetFeatureExtractor computes, step by step as it does, but in double precision."""
        extractor = self.processor.feature_extractor
        audio = torch.from_numpy(window / 32768.0)[None]
        sharpened = torch.cat([audio[:, :1], audio[:, 1:] - extractor.preemphasis * audio[:, :-1]], dim=1)
        hann = torch.hann_window(extractor.win_length, periodic=False, dtype=torch.float64)
        options = {"hop_length": extractor.hop_length, "win_length": extractor.win_length, "window": hann}
        spectrum = torch.stft(sharpened, extractor.n_fft, **options, return_complex=True, pad_mode="constant")
        power = torch.view_as_real(spectrum).square().sum(-1)
        bands = transformers.audio_utils.mel_filter_bank(
            257, extractor.feature_size, 0.0, 8000.0, SAMPLE_RATE_HZ, norm="slaney", mel_scale="slaney"
        )
        features = torch.log(torch.from_numpy(bands.T) @ power + 2**-24)[0].T[: len(window) // extractor.hop_length]
        exact: npt.NDArray[np.float64] = ((features - features.mean(0)) / (features.std(0) + 1e-5)).numpy()
        return exact

    def encoded(self, windows: Sequence[Window]) -> list[npt.NDArray[np.float32]]:
        """Of each window its own frames: what the joint network takes, or the CTC logits."""
        inputs = self.inputs(windows)
        if self.kind == "ctc":
            values = self.model(**inputs).logits
        else:
            values = self.model.get_audio_features(**inputs).pooler_output
        lengths = self._lengths(inputs)
        return [value[:length].numpy() for value, length in zip(values, lengths, strict=True)]

    def _lengths(self, inputs: Any) -> list[int]:
        lengths: list[int] = self.model._get_subsampling_output_length(inputs["attention_mask"].sum(-1)).tolist()
        return lengths

    def hear(self, windows: Sequence[Window]) -> list[Heard]:
        inputs = self.inputs(windows)
        lengths = self._lengths(inputs)
        if self.kind == "ctc":
            return list(self._ctc(self.model.generate(**inputs), self.encoded(windows), lengths))
        out = self.model.generate(**inputs)
        encoded = self.model.get_audio_features(**inputs).pooler_output
        rows = zip(out.sequences.tolist(), out.durations.tolist(), encoded, lengths, strict=True)
        return [self._transduced(*row) for row in rows]

    def _ctc(
        self, sequences: Any, logits: Sequence[npt.NDArray[np.float32]], lengths: Sequence[int]
    ) -> Iterator[Heard]:
        for row, (scores, length) in enumerate(zip(logits, lengths, strict=True)):
            tokens = sequences[row, :length].tolist()
            starts = [i for i, token in enumerate(tokens) if token != self.blank and (i == 0 or tokens[i - 1] != token)]
            ends = [next((j for j in range(i, length) if tokens[j] != tokens[i]), length) for i in starts]
            margin = _margin(torch.from_numpy(scores))
            text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True)
            yield Heard([tokens[i] for i in starts], starts, ends, text, margin, 1)

    def _transduced(self, sequence: list[int], advances: list[int], encoded: Any, length: int) -> Heard:
        """A row whose frames are used up goes on stepping with its batch: what it says after that is not its text."""
        frame, steps = 0, []
        for token, advance in zip(sequence[1:], advances[1:], strict=True):
            if frame >= length:
                break
            steps.append((token, frame, advance))
            frame += advance
        labels = [step for step in steps if step[0] != self.blank]
        tokens, starts = [step[0] for step in labels], [step[1] for step in labels]
        lasting = [step[2] if self.kind == "tdt" else 0 for step in labels]  # an RNN-T's steps are no durations
        ends = [min(start + frames, length) for start, frames in zip(starts, lasting, strict=True)]
        text = self.processor.tokenizer.decode(tokens, skip_special_tokens=True, group_tokens=False)
        most = max((starts.count(start) for start in set(starts)), default=0)
        return Heard(tokens, starts, ends, text, self._margin_along(steps, encoded), most)

    def _margin_along(self, steps: Sequence[tuple[int, int, int]], encoded: Any) -> float:
        """The smallest difference between the best and the second best choice of all steps of a decoded row."""
        said, taken = [self.blank], []
        for token, _frame, _advance in steps:
            taken.append(len(said) - 1)
            if token != self.blank:
                said.append(token)
        predicted = self.model.decoder(torch.tensor([said]))[0, taken]
        frames = torch.tensor([frame for _token, frame, _advance in steps])
        logits = self.model.joint(predicted, encoded[frames])
        size = self.model.config.vocab_size
        margin = _margin(logits[:, :size])
        return min(margin, _margin(logits[:, size:])) if self.kind == "tdt" else margin


def _margin(logits: Any) -> float:
    best = logits.topk(2, dim=-1).values
    return float((best[..., 0] - best[..., 1]).min())


def export_as_nemo_does(reference: Reference, folder: Path) -> Path:
    """The graphs, names and shapes of a NeMo export, with onnx-asr's vocabulary and config.json."""
    model = reference.model
    model.set_attn_implementation("eager")
    size = model.config.encoder_config.num_mel_bins
    audio = (torch.zeros(2, size, 160), torch.tensor([160, 80]))
    axes = {"audio_signal": {0: "batch", 2: "time"}, "length": {0: "batch"}}
    folder.mkdir()
    if reference.kind == "ctc":
        _export(_NemoCtc(model), audio, folder / "model.onnx", axes, ["logprobs"])
    else:
        _export(_NemoEncoder(model), audio, folder / "encoder-model.onnx", axes, ["outputs", "encoded_lengths"])
        _export_decoder(model, folder / "decoder_joint-model.onnx")
    table = {token: piece for piece, token in reference.processor.tokenizer.get_vocab().items()}
    lines = [f"{'<blk>' if token == reference.blank else table[token]} {token}" for token in sorted(table)]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", "utf-8")
    config = {"model_type": f"nemo-conformer-{reference.kind}", "features_size": size, "subsampling_factor": 8}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _export_decoder(model: Any, path: Path) -> None:
    size, width = model.config.num_decoder_layers, model.config.decoder_hidden_size
    states = torch.zeros(2, size, 3, width)
    one = torch.ones(3, dtype=torch.int32)
    encoded = torch.zeros(3, model.config.encoder_config.hidden_size, 1)
    axes = {
        "encoder_outputs": {0: "batch"},
        "targets": {0: "batch"},
        "target_length": {0: "batch"},
        "input_states_1": {1: "batch"},
        "input_states_2": {1: "batch"},
    }
    names = ["outputs", "prednet_lengths", "output_states_1", "output_states_2"]
    _export(_NemoDecoder(model), (encoded, one[:, None], one, states[0], states[1]), path, axes, names)


def _export(module: Any, inputs: tuple[Any, ...], path: Path, axes: dict[str, Any], outputs: list[str]) -> None:
    torch.onnx.export(
        module.eval(),
        inputs,
        str(path),
        input_names=list(axes),
        output_names=outputs,
        dynamic_shapes=tuple(axes.values()),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


class _NemoEncoder(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, audio_signal: Any, length: Any) -> tuple[Any, Any]:
        mask = torch.arange(audio_signal.shape[2]) < length[:, None]
        encoded = self.model.encoder(audio_signal.transpose(1, 2), attention_mask=mask)
        return encoded.last_hidden_state.transpose(1, 2), (length + 7) // 8


class _NemoCtc(_NemoEncoder):
    def forward(self, audio_signal: Any, length: Any) -> Any:
        encoded, _lengths = super().forward(audio_signal, length)
        return self.model.ctc_head(encoded.transpose(1, 2)).log_softmax(-1)


class _NemoDecoder(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, encoder_outputs: Any, targets: Any, target_length: Any, first: Any, second: Any) -> Any:
        decoder = self.model.decoder
        said, (hidden, cell) = decoder.lstm(decoder.embedding(targets), (first, second))
        heard = self.model.encoder_projector(encoder_outputs.transpose(1, 2))
        logits = self.model.joint(decoder.decoder_projector(said), heard)
        return logits[:, None], target_length, hidden, cell
