import asyncio
import base64
import io
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from openai import BadRequestError, OpenAI
from PIL import Image

from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.clauses import read_document
from fieldmark.aviary.guide.completions import CompletionRequest, complete
from fieldmark.aviary.guide.gallery import Gallery, PictureFacts
from fieldmark.aviary.guide.guide import Guide, UnknownQuestionError
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.guide.sight import SMALL_PARTS, Sight, SightSettings
from fieldmark.aviary.language.understand import values_described
from fieldmark.aviary.world.conditions import FEATURES, HABITAT, LIGHT, UNKNOWN_VALUE
from fieldmark.aviary.world.flock import plan_flock, read_flock, render_flock
from fieldmark.aviary.world.species import Species
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import InputError, QuestionFailed
from fieldmark.prompts.choose import DisputedAttribute, ask_choose, ask_choose_by_examples
from fieldmark.prompts.debate import Argument, answered, ask_argue, ask_argue_again, ask_settle
from fieldmark.prompts.gap import ask_gap
from fieldmark.prompts.judge import FINDING, ask_judge
from fieldmark.prompts.judge_by_document import ask_judge_by_document
from fieldmark.prompts.name_group import GroupHints, ask_name_group_seen
from fieldmark.prompts.steps import ask_caption, ask_inquire, ask_weigh
from fieldmark.records import ChatMessage, Clause, Concept, Definition, ImagePart, Label
from fieldmark.tools.concepts.instructions import instructions_of
from fieldmark.tools.llm.chat import ChatModel
from fieldmark.tools.llm.word_shares import read_tokens, word_shares
from tests.unit.aviary.bird_questions import ask

CLEAR = SightSettings(mistakes=0, cannot_tell=0, refused=0)
DOCUMENT = """# Label: hunters

An image is **in** if all of these must hold:
- (c1) The bird has a hooked or dagger-like bill.
- (c2) The bird is large or medium-sized.

None of these may hold:
1. The bird is seen at night.

Examples:
- A small bird with a red cap.
"""


@pytest.fixture(scope="module")
def flock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sight") / "birds"
    render_flock(folder, 60, seed=8, workers=1)
    return folder


@pytest.fixture(scope="module")
def gallery(flock):
    return Gallery.of_folders([flock])


@pytest.fixture(scope="module")
def clear(gallery):
    return Guide((), sight=Sight(gallery, CLEAR))


def imagined(count):
    """A gallery of birds that were never drawn: for counting what is perceived."""
    shown = [
        PictureFacts(f"{number:064x}", t.marks | {HABITAT: t.habitat, LIGHT: t.light})
        for number, t in enumerate(plan_flock(count, seed=2))
    ]
    return shown, Gallery(shown, np.zeros((count, 16, 16, 3), np.uint8))


def part(data, kind="jpeg"):
    return ImagePart(data_url=f"data:image/{kind};base64,{base64.b64encode(data).decode()}")


def part_of(flock, truth):
    return part((flock / truth.file).read_bytes())


def clauses(*texts, role="necessary"):
    return tuple(Clause(id=f"c{n}", role=role, text=text) for n, text in enumerate(texts, 1))


def in_by_rule(truth):
    return (
        truth.marks["bill"] in ("hooked", "dagger")
        and truth.marks["size"] in ("large", "medium")
        and truth.light != "night"
    )


def hunters(flock):
    return [(t, part_of(flock, t), in_by_rule(t)) for t in read_flock(flock)]


RULE = (
    *clauses("The bird has a hooked or dagger-like bill.", "The bird is large or medium-sized."),
    Clause(id="c3", role="negative", text="The bird is seen at night."),
)
RULE_TREE = Definition(clauses=RULE)


def settled(guide, picture, said=("It is in.", "It is out."), **about):
    """Who is right after these arguments."""
    chat = answered(ask_argue(picture, **about, side="in"), Argument(argument=said[0], concedes=False))
    chat = answered(ask_argue_again(chat, side="out"), Argument(argument=said[1], concedes=False))
    return ask(guide, ask_settle(chat, turn=1))


def test_a_clear_sight_judges_every_clause_rightly(clear, flock):
    asked = clauses(
        "The bird has a red or orange cap.", "It is seen at night.", "It is on fire with joy and zest."
    )
    for truth in read_flock(flock):
        answer = ask(clear, ask_judge(part_of(flock, truth), asked))
        found = {f.clause: f.finding for f in answer.findings}
        assert found["c1"] == ("yes" if truth.marks["cap"] in ("red", "orange") else "no")
        assert found["c2"] == ("yes" if truth.light == "night" else "no")
        assert {f.clause for f in answer.findings} == {"c1", "c2", "c3"}
        assert truth.marks["body"] in answer.seen and truth.light[:3] in answer.seen


def test_what_it_does_not_understand_it_cannot_tell(clear, flock):
    picture = part_of(flock, read_flock(flock)[0])
    answer = ask(clear, ask_judge(picture, clauses("The soup is salty.", "It smells of tea.")))
    assert [(f.finding, f.confidence) for f in answer.findings] == [("cannot_tell", 50)] * 2


def test_a_picture_it_does_not_know_it_cannot_tell(clear):
    written = io.BytesIO()
    Image.effect_noise((128, 128), 90).convert("RGB").save(written, "PNG")
    answer = ask(clear, ask_judge(part(written.getvalue(), "png"), RULE))
    assert {f.finding for f in answer.findings} == {"cannot_tell"} and "cannot tell" in answer.seen
    picture = part(written.getvalue(), "png")
    about = {"concept": "hunters", "purpose": "", "definition": RULE_TREE}
    assert settled(clear, picture, **about).side == "cannot_tell"
    assert ask(clear, ask_judge_by_document(picture, DOCUMENT)).label == "unsure"
    assert ask(clear, ask_gap(picture, **about, call="in", seen="")).gaps


def test_settling_and_instructions_follow_the_clauses(clear, flock):
    about = {"concept": "hunters", "purpose": "birds that hunt", "definition": RULE_TREE}
    calls = Counter()
    for _, picture, is_in in hunters(flock):
        side = settled(clear, picture, **about).side
        label = ask(clear, ask_judge_by_document(picture, DOCUMENT)).label
        assert side == label == ("in" if is_in else "out")
        calls[side] += 1
    assert min(calls.values()) > 5


def test_every_rule_of_written_instructions_is_read():
    rules = (*RULE, Clause(id="c4", role="positive", text="The bird has a crest."))
    concept = Concept(name="hunters", purpose="Birds that must hunt. Never pets.")
    label = Label(image="x", value="in", split="dev", reason="Never mind the cap.", at="")
    text = instructions_of(
        concept,
        Definition(clauses=rules),
        labels={"x": label},
        exemplars={"x": "exemplars/x.jpg"},
        described={"x": "A small bird with a red cap."},
    )
    read = {(clause.role, clause.text) for clause in read_document(text)}
    assert read == {(rule.role, rule.text) for rule in rules}


def test_that_there_is_a_bird_holds_for_every_bird(clear, flock):
    for truth in read_flock(flock)[:5]:
        answer = ask(clear, ask_judge(part_of(flock, truth), clauses("The picture shows a bird.")))
        assert answer.findings[0].finding == "yes"


def test_arguments_speak_of_the_picture(clear, flock):
    about = {"concept": "hunters", "purpose": "", "definition": RULE_TREE}
    for truth, picture, _ in hunters(flock)[:10]:
        said = [ask(clear, ask_argue(picture, **about, side=side)).argument for side in ("in", "out")]
        assert said[0] != said[1]
        assert ("night" in said[1]) >= (truth.light == "night")


def test_gaps_name_what_the_picture_shows(clear, flock):
    about = {"concept": "hunters", "purpose": "", "definition": RULE_TREE}
    named = Counter()
    for truth, picture, is_in in hunters(flock):
        gaps = ask(clear, ask_gap(picture, **about, call="in" if is_in else "out", seen="")).gaps
        assert 1 <= len(gaps) <= 3
        named.update(gap.gap for gap in gaps)
        if truth.light == "night" and not is_in:
            assert "birds at night" in [gap.gap for gap in gaps]
    assert named.most_common(1)[0][1] > 3  # several pictures share one


def test_it_chooses_among_candidates_by_their_marks(clear, flock):
    for truth in read_flock(flock)[:20]:
        other = "white" if truth.marks["body"] != "white" else "black"
        crest = "a crest" if truth.marks["crest"] != "none" else "no crest"
        marks = [
            DisputedAttribute("body colour", {"gull": truth.marks["body"], "tern": other}),
            DisputedAttribute("crest", {"gull": crest}),
        ]
        answer = ask(
            clear, ask_choose(part_of(flock, truth), ["tern", "gull"], attributes=marks, noun="bird")
        )
        assert answer.choice == "gull" and answer.confidence > 50


def test_without_marks_it_chooses_by_what_it_holds_of_the_names_or_by_examples(gallery, flock):
    first, second = read_flock(flock)[:2]
    two = (("red finch", first), ("tern", second))
    book = [Species(name, "finch", "finch-1", truth.marks, known=False) for name, truth in two]
    guide = Guide(book, GuideSettings(mistakes=0), sight=Sight(gallery, CLEAR))
    names = [species.name for species in book]
    for name, truth in two:
        answer = ask(guide, ask_choose(part_of(flock, truth), names, noun="bird"))
        assert answer.choice == name and answer.confidence > 50
    shown = [("tern", part_of(flock, first)), ("red finch", part_of(flock, second))]  # what is seen counts
    assert (
        ask(guide, ask_choose_by_examples(part_of(flock, first), names, shown, noun="bird")).choice == "tern"
    )
    lacking = ask_choose_by_examples(part_of(flock, first), names, shown, noun="bird")
    message = lacking.messages[-1]
    lost = replace(lacking, messages=(message.model_copy(update={"images": message.images[1:]}),))
    with pytest.raises(UnknownQuestionError, match="3 pictures"):
        ask(guide, lost)


def test_a_group_is_named_by_what_its_pictures_show_but_never_as_what_is_listed(gallery, flock):
    first, second = read_flock(flock)[:2]
    two = (("ruby finch", first), ("grey tern", second))
    book = [Species(name, name.split()[-1], name, truth.marks, known=False) for name, truth in two]
    guide = Guide(book, GuideSettings(mistakes=0), sight=Sight(gallery, CLEAR))
    for name, truth in two:
        shown = [part_of(flock, truth)] * 2
        answer = ask(guide, ask_name_group_seen(shown, GroupHints()))
        assert (answer.group_names[0], len(answer.photo_captions)) == (name, 2)
        assert name not in ask(guide, ask_name_group_seen(shown, GroupHints(listed=(name,)))).group_names


@pytest.mark.parametrize("rate", [0.0, 0.06, 0.15])
def test_mistakes_come_as_often_as_asked_and_stay(rate):
    shown, gallery = imagined(1500)
    eyes = Sight(gallery, SightSettings(mistakes=rate, cannot_tell=0.02, refused=0.05))
    wrong, unknown, places = Counter(), 0, 0
    sure = {True: [], False: []}
    refused = 0
    for each in shown:
        glimpse = eyes._perceive(each)
        assert glimpse == eyes._perceive(each)
        refused += glimpse.refused
        for key in FEATURES:
            value = glimpse.view.values[key]
            if value == UNKNOWN_VALUE:
                unknown += 1
                continue
            right = value == each.values[key]
            sure[right].append(glimpse.view.certainty[key])
            wrong[key] += not right
            places += not right and each.values[LIGHT] in ("night", "fog")
    cells = len(shown) * len(FEATURES)
    assert sum(wrong.values()) / cells == pytest.approx(rate, abs=0.008)
    assert unknown / cells == pytest.approx(0.02, abs=0.004)
    assert refused / len(shown) == pytest.approx(0.05, abs=0.02)
    if rate:
        assert np.mean(sure[True]) > np.mean(sure[False]) + 0.05
        small = np.mean([wrong[key] for key in SMALL_PARTS])
        assert small > 1.7 * np.mean([wrong[key] for key in FEATURES if key not in SMALL_PARTS])
        assert places / sum(wrong.values()) > 0.27  # a fifth of the pictures


def test_who_wavers_sees_anew_with_every_question_and_sample():
    shown, gallery = imagined(400)
    steady = Sight(gallery, SightSettings(mistakes=0.03, cannot_tell=0))
    eyes = Sight(gallery, SightSettings(mistakes=0.03, cannot_tell=0, wavering=0.06))
    wrong = {"steady": 0, "a": 0, "b": 0, "both": 0}
    for each in shown:
        one, two = (eyes._perceive(each, question).view.values for question in "ab")
        assert one == eyes._perceive(each, "a").view.values
        kept = steady._perceive(each, "b").view.values
        assert kept == steady._perceive(each, "a").view.values
        for key in FEATURES:
            missed = [values[key] != each.values[key] for values in (kept, one, two)]
            for name, miss in zip(
                ("steady", "a", "b", "both"), (*missed, missed[1] and missed[2]), strict=True
            ):
                wrong[name] += miss
    cells = len(shown) * len(FEATURES)
    assert wrong["steady"] / cells == pytest.approx(0.03, abs=0.01)
    assert wrong["a"] / cells == pytest.approx(0.09, abs=0.015)
    assert wrong["both"] < 0.6 * wrong["b"]  # a question's own mistakes are seldom another one's
    assert "wavering" not in steady.identity and "wavering=0.06" in eyes.identity


def in_steps(guide, picture, asked, *, caption=None):
    """Caption and findings of a picture that is judged in steps."""
    said = ask(guide, ask_caption(picture, asked)).shows
    answers = ask(guide, ask_inquire(picture, asked, caption or said))
    weighed = ask(guide, ask_weigh(asked, caption or said, answers))
    return said, {each.clause: each for each in weighed.findings}


def test_a_caption_tells_of_the_clauses_less_what_it_passes_over(clear, flock):
    asked = clauses("The bird has a red or orange cap.", "It is seen at night.", "The soup is salty.")
    right, silent = [], []
    for truth in read_flock(flock):
        said, found = in_steps(clear, part_of(flock, truth), asked)
        told = values_described(said)
        assert set(told) <= {"cap", LIGHT}
        silent.append("cap" not in told)
        true = {"c1": truth.marks["cap"] in ("red", "orange"), "c2": truth.light == "night"}
        right += [found[name].finding == ("yes" if holds else "no") for name, holds in true.items()]
        assert (found["c3"].finding, found["c3"].confidence) == ("cannot_tell", 50)
    assert 0 < sum(silent) < 15
    assert 0.9 < sum(right) / len(right) <= 1


def test_a_caption_of_another_picture_sways_some_answers_and_lowers_all_confidence(clear, flock):
    asked = clauses("The bird has a red or orange cap.")
    own, other = [], []
    for truth in read_flock(flock):
        capped = truth.marks["cap"] in ("red", "orange")
        wrong = "A bird with a blue cap." if capped else "A bird with a red cap."
        for rows, caption in ((own, None), (other, wrong)):
            found = in_steps(clear, part_of(flock, truth), asked, caption=caption)[1]["c1"]
            rows.append((found.finding == ("yes" if capped else "no"), found.confidence))
    assert np.mean(own, axis=0)[0] > np.mean(other, axis=0)[0] + 0.1
    assert np.mean(own, axis=0)[1] > np.mean(other, axis=0)[1] + 10


def test_a_judge_goes_by_two_who_say_the_same_against_its_own_look(clear, flock):
    rule = Definition(clauses=clauses("The bird has a red cap."))
    about = {"concept": "red caps", "purpose": "", "definition": rule}
    truth = next(each for each in read_flock(flock) if each.marks["cap"] != "red")
    picture = part_of(flock, truth)
    red, cap = (
        "a red cap, and the definition says: The bird has a red cap",
        f"It has a {truth.marks['cap']} cap.",
    )
    assert settled(clear, picture, (red, "It is out."), **about).side == "out"
    assert settled(clear, picture, (red, "A red cap."), **about).side == "in"
    doubted = settled(clear, picture, (red, "It is out."), **about).confidence
    assert doubted < settled(clear, picture, ("It is in.", cap), **about).confidence


def test_settings_that_cannot_be_met_are_refused():
    with pytest.raises(InputError, match="mistakes"):
        SightSettings(mistakes=0.5)


def test_the_identity_changes_with_sight_and_gallery(gallery):
    blind = Guide(())
    names = {
        blind.identity,
        Guide((), sight=Sight(gallery, CLEAR)).identity,
        Guide((), sight=Sight(gallery)).identity,
        Guide((), sight=Sight(gallery, SightSettings(seed=1))).identity,
        Guide((), sight=Sight(imagined(3)[1])).identity,
    }
    assert len(names) == 5


def test_questions_about_pictures_need_one_picture_that_can_be_read(clear, flock):
    def asked(*images, data=None):
        text = f"<data>\n{json.dumps(data or {'clauses': []})}\n</data>"
        schema = {"properties": {"findings": {}}}
        return clear.answer([ChatMessage(role="user", content=text, images=images)], schema)

    good = part_of(flock, read_flock(flock)[0])
    assert json.loads(asked(good))["findings"] == []
    for images in [(), (good, good), (ImagePart(data_url="http://x/y.jpg"),), (ImagePart(data_url=""),),
                   (ImagePart(data_url="data:image/png;base64,%%%"),), (part(b"no picture"),),
                   (part(b""),), (ImagePart(data_url=good.data_url[:200]),)]:  # fmt: skip
        with pytest.raises(UnknownQuestionError, match="picture"):
            asked(*images)
    for data in [{"clauses": 3}, {"clauses": [3]}, {"clauses": [{"text": 1}]}, {"x": 1}]:
        with pytest.raises(UnknownQuestionError, match="clauses"):
            asked(good, data=data)


def test_over_http_with_the_real_client(gallery, flock):
    guide = Guide((), sight=Sight(gallery, SightSettings(mistakes=0.1, refused=0.2)))
    truth = read_flock(flock)

    async def judged(server):
        model = ChatModel(
            server.model, base_url=server.base_url, api_key="none", store=MemoryByteStore(),
            answer_retries=0,
        )  # fmt: skip
        async with model:
            questions = [ask_judge(part_of(flock, t), RULE) for t in truth]
            return await asyncio.gather(*(model.ask(q) for q in questions), return_exceptions=True)

    with GuideServer(guide) as server:
        answers = asyncio.run(judged(server))
    refused = [a for a in answers if isinstance(a, QuestionFailed)]
    assert 3 <= len(refused) <= 25 and {a.reason for a in refused} == {"refused"}
    told = [a.value for a in answers if not isinstance(a, BaseException)]
    assert len(told) + len(refused) == len(truth)
    findings = Counter(f.finding for value in told for f in value.findings)
    assert findings["yes"] > 10 < findings["no"]


def test_hostile_pictures_over_http_are_the_clients_error(clear, flock):
    with (
        GuideServer(clear) as server,
        OpenAI(base_url=server.base_url, api_key="none", max_retries=0, timeout=20) as client,
    ):

        def asked(*urls):
            text = '<data>\n{"clauses": []}\n</data>\n{"seen": "", "findings": [], "rationale": ""}'
            content = [{"type": "text", "text": text}]
            content += [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            return client.chat.completions.create(
                model=server.model, messages=[{"role": "user", "content": content}]
            )

        good = part_of(flock, read_flock(flock)[0]).data_url
        assert json.loads(asked(good).choices[0].message.content)["findings"] == []
        bomb = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
        for urls in [(), (good, good), ("data:image/jpeg;base64,????",), ("x" * 1_000_000,), (5,),
                     (part(bomb.getvalue(), "png").data_url,)]:  # fmt: skip
            with pytest.raises(BadRequestError, match="picture"):
                asked(*urls)


def test_findings_are_as_likely_as_the_guide_is_sure_of_them(clear, flock):
    truth = read_flock(flock)[0]
    body = truth.marks["body"]
    clauses = [Clause(id=f"c{n}", role="positive", text=f"The bird has a {colour} body.")
               for n, colour in enumerate((body, "red" if body != "red" else "blue"))]  # fmt: skip
    question = ask_judge(part_of(flock, truth), clauses)
    asked = CompletionRequest(
        list(question.messages), question.answer_model.model_json_schema(), 0, None, True
    )
    choice = complete(asked, clear)["choices"][0]
    said = question.answer_model.model_validate_json(choice["message"]["content"])
    tokens = read_tokens(choice["logprobs"])
    shares = word_shares(choice["message"]["content"], tokens, FINDING)
    assert [each.finding for each in said.findings] == ["yes", "no"]
    for finding, share in zip(said.findings, shares, strict=True):
        assert share[finding.finding] == pytest.approx(finding.confidence / 100)
        assert sum(share.values()) == pytest.approx(1)
    plain = replace(asked, weighed=False)
    assert complete(plain, clear)["choices"][0]["logprobs"] is None
