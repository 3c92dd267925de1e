"""The guide's answers to a fixed set of questions, pinned: caches and published figures depend on them.

Where answers change on purpose, `GUIDE_VERSION` is raised and the golden file is written anew for it.
"""

import hashlib
import json
from pathlib import Path

from fieldmark.aviary.guide.guide import GUIDE_VERSION, Guide
from fieldmark.aviary.world.attributes import ATTRIBUTES
from fieldmark.aviary.world.species import species_book
from fieldmark.prompts.class_questions import GENERIC_QUESTIONS
from fieldmark.prompts.contexts import ask_contexts
from fieldmark.prompts.describe import ask_describe
from fieldmark.prompts.differentiate import ask_differentiate
from fieldmark.prompts.differentiate_again import ask_differentiate_again
from fieldmark.prompts.differentiate_group import ask_differentiate_group
from fieldmark.prompts.domain_words import ask_domain_words
from fieldmark.prompts.family import ask_family
from fieldmark.prompts.noun import ask_noun
from fieldmark.prompts.portray import ask_portray
from fieldmark.prompts.queries import ask_queries
from fieldmark.prompts.refine import RefineExample, ask_refine
from fieldmark.prompts.reflect import ConfusedGroup, Confusion, Described, ask_reflect
from fieldmark.prompts.scope import ask_scope
from fieldmark.prompts.subclasses import ask_subclasses
from fieldmark.prompts.synonyms import ask_synonyms
from fieldmark.prompts.tabulate import TabulateAttribute, ask_tabulate
from fieldmark.prompts.task_questions import ask_task_questions
from fieldmark.records import Clause
from tests.unit.aviary.bird_questions import BIRD_QUESTIONS

BOOK = species_book(1)
NAMES = [species.name for species in BOOK]
GOLDEN = Path(__file__).parents[2] / "golden" / "guide" / f"answers.v{GUIDE_VERSION}.json"


def questions():
    """Every kind of question without a picture, about every fifth species (all samples by turns)."""
    attributes = [TabulateAttribute(a.question_name) for a in ATTRIBUTES]
    clause = Clause(id="c1", role="necessary", text="The bird has a red belly.")
    example = RefineExample(
        seen="a red bird", owner="out", reason="it has a cap", call="in", findings={"c1": "yes"}
    )
    yield ask_noun(NAMES)
    yield ask_domain_words(NAMES, noun="bird")
    yield ask_scope("robins", purpose="birds that I call robins", clauses=(clause,), asked=())
    yield ask_queries("robins", purpose="birds that I call robins", clauses=(clause,))
    yield ask_refine(
        "robins", purpose="birds that I call robins", clauses=(clause,), answers=(), examples=[example]
    )
    yield ask_contexts(NAMES, noun="bird")
    yield ask_task_questions(NAMES, noun="bird", task="telling birds apart")
    yield ask_family(NAMES, noun="bird")
    yield ask_subclasses("heron", noun="bird", sample=1)
    for place in range(0, len(NAMES) - 2, 5):
        first, second, third = NAMES[place : place + 3]
        more = {"noun": "bird", "sample": place % 3}
        yield ask_describe(first, **more)
        yield ask_synonyms(first, **more)
        yield ask_portray(first, GENERIC_QUESTIONS[place % 3], **more)
        yield ask_portray(first, BIRD_QUESTIONS[place % 3], **more)
        yield ask_differentiate(first, second, **more)
        yield ask_differentiate_group([first, second, third], **more)
        yield ask_differentiate_again([first, second], ["body colour", "crest"], **more)
        yield ask_tabulate(first, attributes, **more)
        group = ConfusedGroup(
            classes=(
                Described(name=first, descriptors=("a red body",)),
                Described(name=second, descriptors=()),
            ),
            confusions=(Confusion(class_name=first, taken_for=second, wrong=1, of=2, share=0.5),),
            seen="mistakes",
        )
        yield ask_reflect(group, noun="bird")


def answers_by_prompt():
    """SHA-256 of all answers to each kind of question."""
    guide = Guide(BOOK)
    told = {}
    for question in questions():
        schema = question.answer_model.model_json_schema()
        told.setdefault(question.prompt_id, []).append(
            guide.answer(question.messages, schema, question.sample)
        )
    return {
        prompt_id: hashlib.sha256(json.dumps(answers).encode("ascii")).hexdigest()
        for prompt_id, answers in told.items()
    }


def test_the_same_question_gets_the_same_answer_until_the_version_is_raised():
    pinned = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert Guide(BOOK).identity == pinned["identity"]
    assert answers_by_prompt() == pinned["answers"]
