"""The studio opens at once and stays small: its process loads no model library and no graph."""

import subprocess
import sys
from pathlib import Path

from tests.unit.app.concepts.test_concept_threshold import built_concept

HEAVY = ("torch", "langgraph", "open_clip", "openai", "onnx")
GIVE_AWAY = f"""
import sys
from pathlib import Path
from tests.unit.studio.studio_runs import FORM, desk_for, form_token, visitor

client = visitor(desk_for(Path(sys.argv[1])))
here = f"/concepts/{{sys.argv[2]}}/results"
page = client.get(here).text
sent = {{"form_token": form_token(page), "version": "2"}}
for form, more in (("threshold", {{"threshold": "0.35"}}), ("export", {{}})):
    answer = client.post(f"{{here}}/{{form}}", data=sent | more, headers=FORM, follow_redirects=False)
    print(answer.status_code, answer.content[:2] == b"PK")
print([name for name in {HEAVY} if name in sys.modules])
"""


def said_by(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_pages_load_nothing_heavy() -> None:
    asks = f"import sys, fieldmark.studio.application; print([n for n in {HEAVY} if n in sys.modules])"
    assert said_by(asks) == ["[]"]


def test_a_threshold_is_kept_and_a_classifier_given_away_without_one(tmp_path: Path) -> None:
    folder, _ = built_concept(tmp_path)
    assert said_by(GIVE_AWAY, str(tmp_path), folder.path.name) == ["303 False", "200 True", "[]"]
