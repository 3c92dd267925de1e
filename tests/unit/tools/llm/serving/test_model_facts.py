"""What is read of a model before it is served: from a folder, from a hub, and from neither."""

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from fieldmark.errors import InputError
from fieldmark.tools.llm.serving.model_facts import ModelFacts, read_model_facts

WORDS = {"max_position_embeddings": 32768, "num_attention_heads": 28}
SEEING = {"vision_config": {"hidden_size": 8}, "text_config": WORDS, "num_attention_heads": None}


def saved(folder: Path, config: Any, **weights: int) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for name, size in weights.items():
        (folder / name.replace("__", ".")).write_bytes(b"x" * size)
    return str(folder)


def test_a_folder_says_what_it_holds(tmp_path: Path) -> None:
    model = saved(tmp_path / "m", WORDS, one__safetensors=30, two__safetensors=12, old__bin=99)
    assert read_model_facts(model) == ModelFacts(sees=False, context=32768, heads=28, weights=42)


def test_a_model_that_sees_keeps_its_words_apart(tmp_path: Path) -> None:
    facts = read_model_facts(saved(tmp_path / "m", SEEING))
    assert facts == ModelFacts(sees=True, context=32768, heads=28, weights=None)


@pytest.mark.parametrize(("config", "says"), [("{", "cannot be read"), ("[]", "holds no configuration")])
def test_a_broken_configuration_is_named(tmp_path: Path, config: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_model_facts(saved(tmp_path / "m", config))


def test_a_path_where_no_model_lies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no config"):
        read_model_facts(str(tmp_path))
    with pytest.raises(InputError, match="There is no folder"):
        read_model_facts("./not-here")


def test_of_a_hub_the_configuration_and_the_sizes_are_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(saved(tmp_path / "cached", SEEING))

    class Listing:
        def __init__(self, name: str, size: int) -> None:
            self.rfilename, self.size = name, size

    class Api:
        def model_info(self, model: str, **options: Any) -> Any:
            self.siblings = [
                Listing("a.safetensors", 5),
                Listing("b.safetensors", 6),
                Listing("onnx/c.bin", 9),
            ]
            return self

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda model, name, **_: str(folder / name))
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert read_model_facts("owner/model") == ModelFacts(sees=True, context=32768, heads=28, weights=11)


def test_nothing_is_known_where_the_hub_is_out_of_reach() -> None:
    assert read_model_facts("owner/nowhere") == ModelFacts()  # the tests reach no other machine
