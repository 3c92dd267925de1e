"""`fieldmark fetch` gets a model from a hub, says so, and the model is used like any other."""

from dataclasses import replace
from pathlib import Path

from PIL import Image

from fieldmark.tools.clip.weights import BUNDLED
from tests.command_line import CommandLine
from tests.fake_hub import FakeHub

FILES = ("open_clip_config.json", "open_clip_model.safetensors", "bpe.txt.gz")


def test_a_model_is_fetched_and_used(command_line: CommandLine, tmp_path: Path) -> None:
    files = {name: (BUNDLED / "aviary" / name).read_bytes() for name in FILES}
    spec = "hf-hub:owner/birds"
    Image.new("RGB", (64, 64), "red").save(command_line.folder / "red.png")
    with FakeHub({"owner/birds": files}) as hub:
        line = replace(command_line, more={"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf")})
        planned = line.run("fetch", spec, "--dry-run", "--json")
        assert planned.code == 0, planned.err
        assert planned.json["missing_bytes"] == sum(map(len, files.values()))
        assert not planned.json["fetched"]
        assert not (tmp_path / "hf").exists()
        fetched = line.run("fetch", spec)
        assert fetched.code == 0, fetched.err
        assert f"to fetch from {hub.endpoint}" in fetched.lines[0]
        assert len(fetched.lines) == 4
        assert "Every file has the hash" in fetched.out
        used = line.run(
            "classify", "red.png", "--classes", "a,b", "--clip", spec, "--start", "names",
            "--max-rounds", "0", "--no-report",
        )  # fmt: skip
        assert used.code == 0, used.err
    # The hub is gone now.
    here = line.run("fetch", spec, "--json")
    assert here.code == 0, here.err
    assert Path(here.json["weights"]).is_file()
    assert not here.json["fetched"]
    assert "cannot be reached" in here.err
