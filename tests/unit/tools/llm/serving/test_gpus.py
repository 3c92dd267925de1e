"""The GPUs that a server would see, with a small script in the place of the program that lists them."""

from pathlib import Path

import pytest

from fieldmark.tools.llm.serving.gpus import Gpu, find_gpus

LISTED = """\
#!/bin/sh
echo "0, GPU-aaaa-1, NVIDIA H200, 143771"
echo "1, GPU-bbbb-2, NVIDIA A10, 23028"
echo "2, GPU-cccc-3, NVIDIA Odd, [N/A]"
"""
H200, A10 = Gpu("NVIDIA H200", 143771 << 20), Gpu("NVIDIA A10", 23028 << 20)


def listing(folder: Path, script: str) -> str:
    program = folder / "list"
    program.write_text(script)
    program.chmod(0o700)
    return str(program)


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (None, (H200, A10)),
        ("1,0", (A10, H200)),
        ("GPU-bbbb", (A10,)),
        ("", ()),
        ("1,7,0", (A10,)),  # CUDA, too, stops at the first that is not there
    ],
)
def test_cuda_visible_devices_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, seen: tuple[Gpu, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpus(listing(tmp_path, LISTED)) == seen


@pytest.mark.parametrize(
    "script", ["#!/bin/sh\necho 'Failed to initialize NVML'\nexit 9\n", "#!/bin/sh\necho\n"]
)
def test_a_driver_that_lists_nothing_is_no_gpu(tmp_path: Path, script: str) -> None:
    assert find_gpus(listing(tmp_path, script)) == ()
    assert find_gpus(str(tmp_path / "not-here")) == ()
