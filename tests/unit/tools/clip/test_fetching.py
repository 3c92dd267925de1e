"""Weights come from a hub once: size first, hash checked, and a clear error where there is none."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import hf_hub_download, is_offline_mode

from fieldmark.errors import FetchError, HubUnreachable, ModelError
from fieldmark.tools.clip.fetching import fetch, plan_fetch
from fieldmark.tools.clip.network import ClipNetwork
from fieldmark.tools.clip.weights import find_model, read_weights
from tests.fake_hub import FakeHub

TAG = "ViT-B-32:laion2b_s34b_b79k"
ITS_REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.fixture
def tiny(tiny_folder: Path) -> dict[str, bytes]:
    """The files of a tiny model, as a repository has them."""
    files = {name: (tiny_folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    return files | {"README.md": b"A card.", "tokenizer.json": b"{}", "onnx/model.onnx": b"0" * 99}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def never_waits(seconds: float) -> None:
    """The library waits half a minute in all before it gives up; a hub is asked for a sign of life before."""
    raise AssertionError("the library tried again")


def ask_at(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What HF_ENDPOINT does when the library is imported."""
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    waiting = SimpleNamespace(sleep=never_waits, time=time.time)
    monkeypatch.setattr("huggingface_hub.utils._http.time", waiting)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> Iterator[FakeHub]:
    with hub:
        ask_at(monkeypatch, hub.endpoint)
        yield hub


def test_a_repository_is_fetched_once_and_found(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError) as missing:
        find_model("hf-hub:owner/tiny")
    assert missing.value.hint.endswith("fieldmark fetch hf-hub:owner/tiny")
    with serving(monkeypatch, FakeHub({"owner/tiny": tiny})) as hub:
        plan = plan_fetch("hf-hub:owner/tiny")
        assert [file.name for file in plan.files] == [CONFIG, WEIGHTS, "tokenizer.json"]
        assert plan.size == plan.missing == sum(len(tiny[file.name]) for file in plan.files)
        assert not cache.exists()  # nothing is fetched before the size was said
        came: list[int] = []
        source = fetch(plan, told=came.append)
        assert sum(came) == plan.missing
        assert source == find_model("hf-hub:owner/tiny")
        assert read_weights(source).logit_scale is not None
        asked = len(hub.asked)
        again = plan_fetch("hf-hub:owner/tiny")
        assert again.missing == 0
        assert all(file.here for file in again.files)
        fetch(again)
        assert not any("GET" in path and "/resolve/" in path for path in hub.asked[asked:])


def test_the_weights_of_a_tag_are_put_where_open_clip_looks(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {WEIGHTS: tiny[WEIGHTS], "open_clip_pytorch_model.bin": b"pickled"}
    with serving(monkeypatch, FakeHub({ITS_REPOSITORY: files})):
        plan = plan_fetch(TAG)
        assert [file.name for file in plan.files] == [WEIGHTS]  # safetensors where there is a choice
        source = fetch(plan)
    assert source.weights is not None
    assert Path(source.weights).read_bytes() == tiny[WEIGHTS]


def test_a_tokenizer_of_another_repository_comes_along(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {
        "laion/CLIP-ViT-B-32-roberta-base-laion2B-s12B-b32k": {WEIGHTS: tiny[WEIGHTS]},
        "roberta-base": {"config.json": b"{}", "vocab.json": b"{}", "model.safetensors": b"0" * 9},
    }
    with serving(monkeypatch, FakeHub(held)):
        plan = plan_fetch("roberta-ViT-B-32:laion2b_s12b_b32k")
    assert {file.name for file in plan.files} == {WEIGHTS, "vocab.json", "config.json"}


@pytest.mark.parametrize("wrong", [WEIGHTS, CONFIG])
def test_another_hash_is_refused_and_removed(
    wrong: str, tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, FakeHub({"owner/tiny": tiny}, wrong=(wrong,))):
        plan = plan_fetch("hf-hub:owner/tiny")
        with pytest.raises(FetchError, match=f"{wrong} of owner/tiny has not the hash"):
            fetch(plan)
    with pytest.raises(ModelError, match="not on this machine"):
        find_model("hf-hub:owner/tiny")
    # What is left is whole: the same command goes on.
    with serving(monkeypatch, FakeHub({"owner/tiny": tiny})):
        fetch(plan_fetch("hf-hub:owner/tiny"))


def test_a_damaged_file_that_is_here_is_found(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(monkeypatch, FakeHub({"owner/tiny": tiny})):
        source = fetch(plan_fetch("hf-hub:owner/tiny"))
        path = Path(source.weights or "").resolve()
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(FetchError, match="hash"):
            fetch(plan_fetch("hf-hub:owner/tiny"))
        fetch(plan_fetch("hf-hub:owner/tiny"))


def test_without_a_network_it_is_said_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeHub({}) as hub:
        closed = hub.endpoint
    ask_at(monkeypatch, closed)
    with pytest.raises(HubUnreachable, match=f"{closed} cannot be reached") as caught:
        plan_fetch(TAG)
    assert "network" in caught.value.hint
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FetchError) as switched_off:
        plan_fetch(TAG)
    assert switched_off.value.hint == "Unset HF_HUB_OFFLINE."


def test_a_hub_that_is_silent_is_not_waited_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ask_at(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("fieldmark.tools.clip.hub.REACH_S", 0.2)
        with pytest.raises(HubUnreachable, match="cannot be reached"):
            plan_fetch(TAG)


class HubTokenizer:
    """What `transformers` does for a tokenizer: it asks the hub for the file, also where it is here."""

    @classmethod
    def from_pretrained(cls, name: str, **more: Any) -> "HubTokenizer":
        hf_hub_download(name, "tokenizer.json")
        return cls()

    def batch_encode_plus(self, texts: list[str], **more: Any) -> Any:
        return SimpleNamespace(input_ids=torch.ones(len(texts), 77, dtype=torch.int64))


def test_what_is_here_is_loaded_without_a_question_to_the_hub(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(tiny[CONFIG])
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "owner/tiny"
    tiny = tiny | {CONFIG: json.dumps(config).encode()}
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(AutoTokenizer=HubTokenizer))
    with serving(monkeypatch, FakeHub({"owner/tiny": tiny})) as hub:
        source = fetch(plan_fetch("hf-hub:owner/tiny"))
        assert source.hub == "owner/tiny"
        asked = list(hub.asked)
        ClipNetwork(source, device=torch.device("cpu"), precision="fp32")
        assert hub.asked == asked
        next(cache.rglob("tokenizer.json")).unlink()
        with pytest.raises(ModelError, match='tokenizer of "hf-hub:owner/tiny" is not on this') as lacking:
            ClipNetwork(source, device=torch.device("cpu"), precision="fp32")
        assert lacking.value.hint.endswith("fieldmark fetch hf-hub:owner/tiny")
        assert hub.asked == asked
        assert not is_offline_mode()  # it is for loading alone


def test_what_the_hub_refuses_is_said(
    tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"owner/tiny": tiny, "owner/other": {"model.safetensors": b""}}
    with serving(monkeypatch, FakeHub(held, gated=("owner/tiny",))):
        with pytest.raises(FetchError, match="no model repository owner/none"):
            plan_fetch("hf-hub:owner/none")
        with pytest.raises(FetchError, match="has no open_clip_config"):
            plan_fetch("hf-hub:owner/other")
        with pytest.raises(FetchError, match="no repository name"):
            plan_fetch("hf-hub:a/b/c/d")
        with pytest.raises(FetchError, match="accepted its terms"):
            fetch(plan_fetch("hf-hub:owner/tiny"))


def test_there_must_be_room(tiny: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with (
        serving(monkeypatch, FakeHub({"owner/tiny": tiny})),
        pytest.raises(FetchError, match="has room for 10 bytes"),
    ):
        fetch(plan_fetch("hf-hub:owner/tiny"))


@pytest.mark.parametrize("spec", ["aviary", "ViT-B-32:random=3"])
def test_what_needs_no_fetching(spec: str) -> None:
    with pytest.raises(FetchError, match="needs no fetching"):
        plan_fetch(spec)


def test_an_unknown_name_has_near_ones() -> None:
    with pytest.raises(ModelError) as caught:
        plan_fetch("ViT-B-32:laion2b_s34b")
    assert "laion2b_s34b_b79k" in caught.value.hint
