"""What a run's manifest says."""

from pathlib import Path

import pytest

from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.records import RunManifest, SkippedInput, Usage
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.runs.folder import RunFolder
from fieldmark.tools.runs.manifest import PACKAGES, describe_model, versions, write_manifest
from tests.graph.world import FakeEncoder, World

WORLD = World()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, kind="classify", options={})


def written(run: RunFolder, encoder: FakeEncoder | None = None, **given: object) -> RunManifest:
    values: dict[str, object] = {
        "images": WORLD.images(1),
        "language_model": {"model": "m"},
        "usage": Usage(requests=3, prompt_tokens=10),
        "prompts": {"describe.v1": "0" * 64},
        "stop_reason": "resolved",
        "counts": {"resolved": 16},
    }
    return write_manifest(run, encoder or FakeEncoder(WORLD), **(values | given))  # pyright: ignore


def test_it_names_what_was_run_with_what_and_is_read_back(run: RunFolder) -> None:
    manifest = written(run, seed=7)
    assert run.read("manifest.json", RunManifest) == manifest
    assert (manifest.run_id, manifest.kind, manifest.created) == (run.run_id, "classify", run.config.created)
    assert manifest.finished >= manifest.created
    assert manifest.encoder["name"] == "made-up"
    assert manifest.prompts == {"describe.v1": "0" * 64}
    assert (manifest.seed, manifest.stop_reason, manifest.counts) == (7, "resolved", {"resolved": 16})
    assert manifest.notes == ()


def test_the_data_hash_is_of_contents_in_their_order(run: RunFolder) -> None:
    images = WORLD.images(1)
    same = written(run).data_hash
    assert written(run, images=images).data_hash == same
    assert written(run, images=images[::-1]).data_hash != same
    assert written(run, images=images[1:]).data_hash != same


def test_random_weights_are_said_aloud(run: RunFolder) -> None:
    encoder = FakeEncoder(WORLD)
    encoder.random_weights = True
    first, second = written(run, encoder, notes=("mind the gap",)).notes
    assert "RANDOM" in first
    assert second == "mind the gap"


def test_files_that_failed_while_encoding_are_listed_with_those_skipped_before(run: RunFolder) -> None:
    encoder = FakeEncoder(WORLD, gone=["3-0.png"])
    encoder.encode_images(WORLD.images(1))
    before = (SkippedInput(path="x.png", reason="empty"),)
    manifest = written(run, encoder, skipped=before)
    assert [skipped.path for skipped in manifest.skipped] == ["x.png", "/pictures/3-0.png"]


def test_a_resumed_run_adds_up_what_it_spent(run: RunFolder) -> None:
    earlier = written(run)
    later = written(run, earlier=earlier, usage=Usage(requests=2, failed=1))
    assert (later.usage.requests, later.usage.failed, later.usage.prompt_tokens) == (5, 1, 10)


def test_versions_cover_what_results_depend_on() -> None:
    found = versions()
    assert set(found) == {"python", *PACKAGES}
    assert found["torch"][0].isdigit()


def test_a_model_is_named_without_its_key() -> None:
    chat = ChatModel(
        "m", base_url="http://127.0.0.1:9/v1", api_key="sk-x", store=MemoryByteStore(), identity="i"
    )
    said = describe_model(chat)
    assert said == {"model": "m", "identity": "i", "response_format": "json_schema"}
    assert describe_model(None) == {"model": None}
