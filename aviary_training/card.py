"""Writes the model card of the aviary model from what was measured."""

from pathlib import Path
from string import Template

from aviary_training.measure import Measured
from fieldmark.aviary.world.attributes import ATTRIBUTE_BY_KEY

_CARD = Template("""\
# The aviary model

A very small CLIP that knows one thing: the drawn birds of Fieldmark's aviary. It exists so that demos,
tests and measurements run at once, offline and on any CPU. **It is no general CLIP**: it has never seen
a photograph, and its tokenizer knows only the words of the aviary. Do not use it on your own images.

| file | content |
|---|---|
| `open_clip_config.json` | model and preprocessing, as open_clip writes them |
| `open_clip_model.safetensors` | weights, float16 |
| `bpe.txt.gz` | byte-pair merges for open_clip's `SimpleTokenizer` |
| `reference.safetensors` | `image_vectors`, float16 `[512, 192]`: unit vectors of random training images |

The reference vectors say what images of this world look like on average: they centre scores when only
one image is at hand. The model loads with stock open_clip; only the merges must be named, because
open_clip does not look for them in the folder:

```python
model, _, preprocess = open_clip.create_model_and_transforms("local-dir:PATH")
tokenizer = open_clip.get_tokenizer("local-dir:PATH", bpe_path="PATH/bpe.txt.gz")
```

## Architecture

open_clip's own `CLIP` class, 4.45 M parameters: a ModifiedResNet (blocks 1, 2, 2, 1; width 24) on
64-pixel images, a causal text transformer (3 layers, width 160, context 48, vocabulary 1,415), both into
192 dimensions.

## Training

Everything is drawn and worded by the package itself; $images images (128-pixel JPEG, then resized to 64,
as files on disk are) of known species (30%), random birds of the ten kinds (45%) and free mixtures (25%). In
60% of the images of a kind the habitat is the one that kind prefers. About $minutes minutes on two
shared CPU cores:

1. **Supervised warm-up.** The vision tower is trained with labels: one cosine classifier for each of the
   sixteen attributes, habitat and light. This is unlike a real CLIP, whose vision tower learns from
   captions alone. It is done because contrastive learning from scratch does not take off within CPU
   minutes. A consequence: image vectors are close to linear in the attributes, so linear probes do
   better here, compared with text prompts, than one should expect elsewhere.
2. **Locked-image alignment.** The text tower and an affine map, folded into the vision projection afterwards,
   are trained on fixed image vectors. Loss: open_clip's `ClipLoss` on image-caption pairs, plus
   cross-entropy over sets of captions that differ in one thing only (hard negatives). Half of the captions
   mention one mark in the form "a photo of a bird, which has a red cap."; colours of small parts are
   mentioned more, absences less often.
3. **Joint fine-tuning** of both towers with the same losses.

New species of a species book never occur in training, and no training name contains a syllable of theirs.

Reproduce with `python -m aviary_training --out DIR --compile` (training stops by the
clock, so another machine gives another, similar model).

## Measured

Zero-shot on $measured_on fresh renders of 80 new species in look-alike families and 20 known ones,
128-pixel JPEG files through the model's own preprocessing; habitats spread evenly; one plain prompt a
value ("a photo of a bird, which has a red cap."), no ensembles, no centring.

| attribute | values | chance | accuracy |
|---|---|---|---|
$rows| **mean** | | | **$mean** |

Chance is one over the number of values.

| task | accuracy |
|---|---|
| kind of bird, among 10 | $noun |
| habitat, among 6 | $habitat |
| known species by name, among the 200 names of the roster | $known |
| new species by name, among the 80 new names (chance .01) | $new |
""")


def write_card(file: Path, measured: Measured, *, images: int, minutes: float, measured_on: int) -> None:
    """Write `MODEL.md`.

    Args:
        file: Where.
        measured: The figures.
        images: Number of training images.
        minutes: Training time.
        measured_on: Number of images the figures come from.
    """
    rows = "".join(
        f"| {ATTRIBUTE_BY_KEY[key].question_name} | {len(ATTRIBUTE_BY_KEY[key].values)} "
        f"| {1 / len(ATTRIBUTE_BY_KEY[key].values):.2f} | {accuracy:.2f} |\n"
        for key, accuracy in measured.attributes.items()
    )
    text = _CARD.substitute(
        images=f"{images:,}",
        minutes=f"{minutes:.0f}",
        measured_on=f"{measured_on:,}",
        rows=rows,
        mean=f"{measured.mean:.3f}",
        noun=f"{measured.noun:.2f}",
        habitat=f"{measured.habitat:.2f}",
        known="not measured" if measured.known_name is None else f"{measured.known_name:.2f}",
        new="not measured" if measured.new_name is None else f"{measured.new_name:.2f}",
    )
    file.write_text(text, encoding="utf-8")
