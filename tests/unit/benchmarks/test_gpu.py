"""The script for GPU machines runs from end to end where there is none, and says what it lacks."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import gpu


def test_every_part_is_measured_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--device", "cpu", "--small", "--json", str(tmp_path / "gpu.json")]) == 0
    rows = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["rows"]
    broken = [each for each in rows if "failed" in each or "skipped" in each]
    assert [each["what"] for each in broken] in ([], ["JPEG files decoded on the device"])
    found = {each["what"]: each for each in rows}
    assert found["images, file to stored vector"]["bound"] in ("decoding", "the network")
    assert found["images, our pipeline from decoded ones"]["ratio_to_bare"] > 0
    for what in ("predictions, fp32 here, fp32 on the CPU", "table rule, five corrections"):
        assert (found[what]["equal"], found[what]["differ_beyond_precision"]) == (1.0, 0)
    assert "s in all" in capsys.readouterr().out


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "no GPU here" in capsys.readouterr().err


def test_only_what_stored_values_cannot_tell_apart_may_differ() -> None:
    exact = torch.tensor([[1.0, 0.9999], [1.0, 0.5]])
    assert gpu.agreed(exact, exact.flip(1))["differ_beyond_precision"] == 1
    assert gpu.agreed(exact, exact)["equal"] == 1.0


def test_a_part_that_fails_is_told_and_one_past_the_time_is_left_out() -> None:
    def fails() -> None:
        raise RuntimeError("no kernel")

    told = gpu.Told(within=60)
    told.part("m", "a", fails)
    late = gpu.Told(within=-1)
    late.part("m", "b", fails)
    assert told.rows[0]["failed"] == "RuntimeError: no kernel"
    assert late.rows[0]["skipped"] == "the time is up"
