"""Labels from a file that knows a part of the images only."""

from pathlib import Path

from fieldmark.agents.define.run import converse
from fieldmark.app.concepts.answers_file import AnswerLine, AnswersFile
from fieldmark.app.concepts.conversation import ConceptConversation
from fieldmark.app.concepts.setup import ConceptSetup
from fieldmark.app.event_loop import run_to_end
from fieldmark.tools.concepts.changes import blind_labels
from tests.graph.define_world import SMALL, scene


def test_the_whole_blind_test_is_gone_through_and_what_has_no_line_stays_without_a_label(
    tmp_path: Path,
) -> None:
    at = scene(tmp_path)
    folder, files = at.context.folder, at.owner.files
    names = list(files)[:12]
    folder.save(folder.load().model_copy(update={"blind": dict.fromkeys(names, 1.0)}))
    options = SMALL.model_copy(update={"blind_batch": 2})
    concept = ConceptConversation(folder=folder, setup=ConceptSetup(clip="aviary"), options=options)
    for known in (names[::5], []):
        owner = AnswersFile([AnswerLine(image=name, label="in") for name in known], files)
        assert concept.label_blind(owner) == 9
        assert set(blind_labels(concept.concept)) == set(names[::5])


def test_a_conversation_leaves_a_blind_test_that_nobody_answers_for_another_day(tmp_path: Path) -> None:
    at = scene(tmp_path, SMALL.model_copy(update={"boards": 0}))
    sitting = run_to_end(converse(at.context, AnswersFile([], at.owner.files)))
    assert sitting.pending is None
    assert blind_labels(at.concept) == {}
