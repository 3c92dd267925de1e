"""Questions about birds, as a data set of birds would bring them along, and how a guide is asked."""

BIRD_QUESTIONS = (
    "Which colours does the plumage of the class {class} show?",
    "What do the head and the bill of the class {class} look like?",
    "What do the wings, the tail and the legs of the class {class} look like?",
)


def ask(guide, question):
    """The guide's answer, read as the question's answer model."""
    text = guide.answer(question.messages, question.answer_model.model_json_schema(), question.sample)
    return question.answer_model.model_validate_json(text)
