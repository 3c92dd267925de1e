"""A concept end to end, by a script: define it, build its classifier, measure, export and use it.

A person would sit where `ByFolder` stands: `fieldmark concept chat` asks the same questions at the terminal.
"""

from pathlib import Path

from fieldmark import (
    BuildOptions,
    ConceptBuilder,
    ConceptClassifier,
    ConceptConversation,
    ConversationQuestion,
    ConversationReply,
    DefineOptions,
    EditOffer,
    ImageLabel,
    LabelReply,
    OfferReply,
    RevealReply,
    ScopeQuestion,
    ScopeReply,
    VerdictReveal,
    aviary,
)

HOME = Path("home")


class ByFolder:
    """Answers every question of the conversation, and labels every image by the folder that it lies in."""

    async def answer(self, payload: ConversationQuestion) -> ConversationReply:
        """One question, one answer."""
        match payload:
            case ScopeQuestion():
                return ScopeReply(answer="it does not matter")
            case VerdictReveal():
                return RevealReply()
            case EditOffer():
                return OfferReply(accept=True)
            case _:
                folders = [(image, concept.images[image].path.parent.name) for image in payload.images]
                return LabelReply(
                    labels=tuple(
                        ImageLabel(image=image, value="in" if "hawk" in folder else "out")
                        for image, folder in folders
                    )
                )


aviary.render_dataset(Path("birds"), aviary.species_book(7, new=6, known=0), images_per_species=16, seed=1)
concept = ConceptConversation.new(
    "bird of prey",
    pool="birds",
    about="hawks and their like",
    clip="aviary",
    options=DefineOptions(boards=3, blind=24),
    home=HOME,
)
sitting = concept.chat(ByFolder())
print("the conversation ended:", sitting.state.stop_reason)
for clause in concept.concept.definition.active:
    print(f"  {clause.role}: {clause.text}")

concept.label_blind(ByFolder())
builder = ConceptBuilder.open("bird of prey", options=BuildOptions(annotate=60, rounds=1), home=HOME)
built = builder.build()
print(f"built a {built.kind} head from {built.annotated} annotated images")
for judge in builder.evaluate().judges:
    print(f"  {judge.name}: F1 {judge.f1.value:.2f} {judge.f1.ci95}")
builder.export("bird-of-prey")

# From here on neither the concept's folder nor a language model is needed.
with ConceptClassifier("bird-of-prey") as classifier:
    for prediction in classifier.predict("birds").predictions[:3]:
        print(prediction.label, f"{prediction.probability:.2f}", prediction.image)
