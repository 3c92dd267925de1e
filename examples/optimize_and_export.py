"""Find the best prompts from one labelled image a class, and export them in the form of CuPL."""

import json
from pathlib import Path

from fieldmark import OptimizeOptions, Optimizer, PromptBook, aviary, export_book

# One folder a class: six species that the small bundled model knows by name, and five images of each.
aviary.render_dataset(Path("birds"), aviary.species_book(3, new=0, known=6), images_per_species=5, seed=3)

# One image a class is for training, the others are for testing. No language model is asked.
optimizer = Optimizer(
    data="birds",
    shots=1,
    clip="aviary",
    options=OptimizeOptions(noun="bird", generations=2, passes=1),
)
result = optimizer.run()
print(f"training fitness {result.start.fitness:.2f} -> {result.best.fitness:.2f}")

book = PromptBook.model_validate_json((Path(result.run) / "book.json").read_bytes())
for name in book.classes[:2]:
    print(name, book.texts(name))

exported = export_book(book, "cupl")
Path("cupl.json").write_text(json.dumps(exported.value, indent=2), encoding="utf-8")
print("wrote cupl.json; what the format cannot hold:", exported.lost)
