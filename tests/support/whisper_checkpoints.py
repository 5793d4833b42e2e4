"""Small random Whisper checkpoints, saved as transformers saves them. Needs the extra `export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stenod_models.export import whisper
from stenod_models.export.pbtxt import profile_of
from stenod_models.families.whisper.byte_pairs import character_of_byte
from stenod_models.families.whisper.runtime import WhisperRecogniser

LANGUAGES: Final = ("en", "zh", "de", "fr", "jw")
_MERGES: Final = (
    ("Ġ", "t"), ("h", "e"), ("Ġ", "a"), ("Ġt", "he"), ("i", "n"), ("r", "e"), ("o", "n"), ("Ġ", "s"), ("n", "d"),
    ("Ġa", "nd"), ("e", "r"), ("l", "o"), ("lo", "bs"), ("Ã", "¤"), ("b", "s"), ("t", "er"),
)  # fmt: skip
_SPECIAL: Final = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
    *(f"<|{place / 50:.2f}|>" for place in range(11)),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a checkpoint; `source_positions` are 20 ms each."""

    mels: int = 80
    width: int = 32
    encoder_layers: int = 2
    decoder_layers: int = 2
    heads: int = 2
    source_positions: int = 100
    target_positions: int = 64


def tokens() -> list[str]:
    merged = [left + right for left, right in _MERGES if left + right != "lobs"]
    return [*character_of_byte().values(), *merged, *_SPECIAL]


def make_model(shape: Shape, seed: int, sharpness: float = 1.0) -> Any:
    """A random `WhisperForConditionalGeneration`; its logits spread enough to have clear winners."""
    import torch  # noqa: PLC0415 - the extra `export` only
    from transformers import WhisperConfig, WhisperForConditionalGeneration  # noqa: PLC0415

    listed = tokens()
    end = listed.index("<|endoftext|>")
    config: Any = WhisperConfig(
        vocab_size=len(listed),
        num_mel_bins=shape.mels,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        encoder_attention_heads=shape.heads,
        decoder_attention_heads=shape.heads,
        encoder_ffn_dim=3 * shape.width,
        decoder_ffn_dim=3 * shape.width,
        max_source_positions=shape.source_positions,
        max_target_positions=shape.target_positions,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=listed.index("<|startoftranscript|>"),
        suppress_tokens=[3, 7],
        begin_suppress_tokens=[32, end],
        init_std=0.3,
    )
    torch.manual_seed(seed)
    model: Any = WhisperForConditionalGeneration(config)
    model.eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
        model.model.decoder.layer_norm.weight.mul_(sharpness)
    model.generation_config.suppress_tokens = [3, 7]
    model.generation_config.begin_suppress_tokens = [32, end]
    model.generation_config.is_multilingual = True
    model.generation_config.alignment_heads = [[0, shape.heads - 1], [shape.decoder_layers - 1, 0]]
    return model


def reference_tokenizer() -> Any:
    """Of the `tokenizers` library, with the vocabulary of every checkpoint here."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415

    listed = tokens()
    end = listed.index("<|endoftext|>")
    vocabulary = {token: number for number, token in enumerate(listed[:end])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [pair for pair in _MERGES if pair[0] + pair[1] in vocabulary]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIAL])
    return tokenizer


def save_checkpoint(model: Any, directory: Path) -> None:
    """As transformers saves it."""
    model.save_pretrained(directory)
    reference_tokenizer().save(str(directory / "tokenizer.json"))


def build_random(
    folder: Path, shape: Shape, seed: int, precision: str = "fp32", *, sharpness: float = 1.0
) -> tuple[Any, WhisperRecogniser]:
    """The torch model, and our recogniser built from its checkpoint. `sharpness` scales its logits."""
    model = make_model(shape, seed, sharpness)
    source, target = folder / "source", folder / "entry"
    source.mkdir(parents=True)
    target.mkdir()
    save_checkpoint(model, source)
    whisper.build(target, source=source, precision=precision, report=lambda _phase, _done: None)
    return model, WhisperRecogniser(target / "1", profile_of(target / "config.pbtxt"), threads=1)
