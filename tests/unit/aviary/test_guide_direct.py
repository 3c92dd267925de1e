import pytest
from pydantic import BaseModel

from fieldmark.aviary.guide.direct import DirectGuide
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import GuideServer
from fieldmark.aviary.world.species import species_book
from fieldmark.cache.bytestore import MemoryByteStore
from fieldmark.errors import QuestionFailed
from fieldmark.prompts.describe import ask_describe
from fieldmark.records import ChatMessage, Question
from fieldmark.tools.llm.chat import ChatModel


class Weather(BaseModel):
    degrees: int


async def test_it_answers_as_the_guide_does_and_remembers_what_was_asked():
    book = species_book(3, new=4, known=0)
    guide = DirectGuide(Guide(book))
    question = ask_describe(book[0].name, noun="bird")
    first, second = await guide.ask(question), await guide.ask(question)
    assert first.value.descriptors
    assert second.value == first.value
    assert (first.cached, second.cached) == (False, True)
    other = await guide.ask(ask_describe(book[1].name, noun="bird"))
    assert other.key != first.key
    assert not other.cached


async def test_its_answers_are_those_that_come_over_http():
    book = species_book(3, new=4, known=0)
    guide = Guide(book)
    with GuideServer(guide) as server:
        model = ChatModel(server.model, base_url=server.base_url, api_key=None, store=MemoryByteStore())
        async with model:
            for species in book:
                question = ask_describe(species.name, noun="bird")
                over_http, direct = await model.ask(question), await DirectGuide(guide).ask(question)
                assert direct.value == over_http.value
                assert direct.key == over_http.key


async def test_a_question_that_it_does_not_know_fails_alone():
    guide = DirectGuide(Guide(species_book(3, new=4, known=0)))
    strange = Question(
        prompt_id="weather.v1",
        messages=(ChatMessage(role="user", content="How warm is it?"),),
        answer_model=Weather,
        temperature=0.0,
        max_tokens=10,
    )
    with pytest.raises(QuestionFailed, match="does not understand") as failed:
        await guide.ask(strange)
    assert failed.value.code == "http_400"
