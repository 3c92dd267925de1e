"""Questions about birds, as a data set of birds would bring them along."""

BIRD_QUESTIONS = (
    "Which colours does the plumage of the class {class} show?",
    "What do the head and the bill of the class {class} look like?",
    "What do the wings, the tail and the legs of the class {class} look like?",
)
