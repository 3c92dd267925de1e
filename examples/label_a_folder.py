"""Label a folder of look-alikes, offline, and print what decided.

A scripted guide behind a real HTTP endpoint takes the place of the language model, and the small bundled one
that of CLIP. With your own images: `Classifier(classes=[…], clip="ViT-L-14:…", llm="gpt-5-mini")`.
"""

from pathlib import Path

from fieldmark import Classifier, aviary

# Twelve species that no model has ever heard of, in families of look-alikes; five images of each.
species = aviary.species_book(7, new=12, known=0)
aviary.render_dataset(Path("birds"), species, images_per_species=5, seed=7)

with aviary.GuideServer(aviary.Guide(species, aviary.GuideSettings(mistakes=0.1))) as server:
    classifier = Classifier(
        classes=[bird.name for bird in species],
        clip="aviary",
        llm=server.model,
        base_url=server.base_url,
        noun="bird",
    )
    result = classifier.resolve("birds")

right = sum(Path(prediction.image).parent.name == prediction.label for prediction in result.predictions)
first = sum(Path(prediction.image).parent.name == prediction.first_label for prediction in result.predictions)
print(f"{len(result)} images: right at the first look {first}, in the end {right}")
print("resolved:", sum(prediction.status == "resolved" for prediction in result.predictions))
print("questions asked:", result.manifest.usage.requests, "\n")
print(result.why(0))
print("\npredictions.csv and book.json are in", result.run)
