"""Every Python block of the docs runs, in the order of its page, in an empty folder without network."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEEDS_MORE = {"reports.md": "reads a run folder that the reader has"}
PAGES = sorted(
    path for path in (ROOT / "docs").glob("*.md") if "```python" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in NEEDS_MORE:
        pytest.skip(NEEDS_MORE[page.name])
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "docs"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page.name}, block {number + 1}", "exec"), names)
    assert blocks


def test_at_most_one_import_in_ten_is_deeper_than_the_public_names() -> None:
    blocks = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples").glob("*.py"))]
    for page in [ROOT / "README.md", *PAGES]:
        blocks += re.findall(
            r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    found = re.findall(r"^\s*(?:from|import) (fieldmark[\w.]*)", "\n".join(blocks), re.MULTILINE)
    deeper = [module for module in found if module not in ("fieldmark", "fieldmark.testing")]
    assert len(deeper) * 10 <= len(found), deeper


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_stands_once_in_the_site() -> None:
    listed = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in (ROOT / "docs").glob("*.md"))


def test_the_readme_lists_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in readme]
    assert missing == []


def test_pages_link_to_nothing_outside_of_the_site() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert "](../" not in page.read_text(encoding="utf-8"), page.name


def test_no_page_holds_half_a_merge() -> None:
    for page in ROOT.rglob("*.md"):
        assert not re.search(r"^(<{7}|>{7}) ", page.read_text(encoding="utf-8"), re.MULTILINE), page
