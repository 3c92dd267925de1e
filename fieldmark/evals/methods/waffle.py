"""WaffleCLIP: DCLIP with random words and characters for descriptors, the control for every description."""

import math
import random
import statistics
from collections.abc import Mapping, Sequence

from torch import Tensor

from fieldmark.errors import InputError
from fieldmark.evals.methods.shared.questions import descriptors
from fieldmark.evals.table.bench import EvalBench
from fieldmark.evals.table.method import EvalMethod, MethodScores
from fieldmark.evals.table.test_set import MethodNeed
from fieldmark.tools.books.wording import descriptor_prompt
from fieldmark.tools.scoring.dclip import mean_cosine_scores
from fieldmark.tools.scoring.vectors import Encode

PLAIN_WORDS: tuple[str, ...] = (
    "able", "above", "across", "actor", "after", "again", "agree", "ahead", "allow", "almost", "alone",
    "along", "already", "also", "always", "among", "amount", "answer", "anyone", "appear", "apple",
    "around", "arrive", "artist", "aside", "asleep", "aunt", "autumn", "awake", "away", "axis", "baby",
    "back", "balance", "bank", "barrel", "basket", "bath", "beauty", "become", "before", "began",
    "behind", "believe", "belong", "below", "bench", "beside", "better", "between", "beyond", "birth",
    "blanket", "board", "boat", "body", "border", "borrow", "both", "bottle", "bottom", "bowl", "branch",
    "brave", "bread", "break", "bridge", "brief", "bring", "broad", "brother", "build", "burst",
    "business", "butter", "button", "cabin", "cake", "call", "camera", "candle", "capital", "captain",
    "care", "carpet", "carry", "castle", "catch", "cause", "ceiling", "center", "chain", "chair",
    "chalk", "chance", "change", "chapter", "charge", "cheap", "cheese", "choice", "church", "circle",
    "citizen", "city", "clean", "clear", "clever", "climb", "clock", "close", "cloth", "coast", "coin",
    "colony", "column", "comfort", "common", "compare", "copper", "corner", "cotton", "council", "count",
    "country", "courage", "cousin", "cover", "craft", "cream", "credit", "crowd", "crown", "culture",
    "cupboard", "curtain", "custom", "daily", "damage", "dance", "danger", "daughter", "debate",
    "decide", "deep", "defend", "degree", "deliver", "desert", "design", "detail", "dinner", "direct",
    "distant", "divide", "doctor", "dollar", "doubt", "dozen", "drama", "dream", "dress", "drive",
    "during", "duty", "eager", "early", "earn", "earth", "east", "echo", "editor", "effect", "effort",
    "eight", "either", "elbow", "elder", "empty", "enemy", "energy", "engine", "enjoy", "enough",
    "enter", "equal", "error", "escape", "even", "evening", "event", "every", "exact", "example",
    "except", "excuse", "expect", "explain", "fabric", "factor", "fail", "fair", "family", "famous",
    "farmer", "fashion", "father", "favour", "feeling", "fellow", "fence", "festival", "fiction",
    "field", "fifteen", "figure", "final", "finger", "finish", "fireplace", "first", "follow", "foreign",
    "forget", "formal", "forward", "fourth", "frame", "freedom", "fresh", "friend", "front", "fuel",
    "future", "gain", "garden", "gather", "gentle", "giant", "gift", "glass", "global", "glove", "goal",
    "gold", "govern", "grain", "grand", "great", "green", "ground", "group", "guard", "guess", "guest",
    "guide", "habit", "half", "hammer", "handle", "happen", "harbour", "hardly", "harvest", "heart",
    "heavy", "height", "hello", "helpful", "history", "holiday", "honest", "honour", "hope", "hospital",
    "hotel", "hour", "house", "huge", "human", "hundred", "hungry", "hurry", "idea", "image", "imagine",
    "income", "indoor", "industry", "inform", "inside", "instead", "invite", "island", "issue", "jacket",
    "joint", "journey", "judge", "juice", "jump", "junior", "justice", "keep", "kettle", "kind",
    "kingdom", "kitchen", "knee", "knock", "know", "labour", "ladder", "lady", "lamp", "language",
    "large", "laugh", "lawyer", "leader", "learn", "leather", "leave", "legal", "lemon", "length",
    "letter", "level", "library", "light", "limit", "linen", "listen", "little", "lively", "local",
    "lonely", "lose", "lucky", "lunch", "machine", "magic", "manner", "many", "map", "market", "master",
    "matter", "maybe", "meadow", "measure", "medal", "member", "memory", "mention", "metal", "method",
    "middle", "mild", "minute", "mirror", "mission", "model", "modern", "moment", "money", "month",
    "moral", "morning", "mother", "motion", "mountain", "mouth", "movie", "muscle", "music", "narrow",
    "nation", "nearly", "needle", "neither", "nephew", "never", "nine", "noble", "noise", "normal",
    "north", "notice", "number", "object", "obtain", "ocean", "offer", "office", "often", "onion",
    "open", "orange", "orchestra", "order", "other", "outside", "oven", "over", "owner", "package",
    "page", "paint", "pair", "palace", "paper", "parent", "parcel", "park", "partner", "party",
    "passage", "past", "patient", "pattern", "peace", "pencil", "people", "perfect", "perhaps", "period",
    "person", "picture", "piece", "pillow", "pipe", "plain", "planet", "plate", "please", "pleasure",
    "plenty", "pocket", "poem", "point", "polite", "popular", "porch", "position", "possible", "pour",
    "powder", "power", "prepare", "present", "pretty", "price", "pride", "print", "private", "prize",
    "problem", "produce", "promise", "proper", "proud", "public", "pull", "purple", "purpose", "quality",
    "quarter", "queen", "question", "quick", "quiet", "quite", "radio", "railway", "rain", "rather",
    "reach", "ready", "reason", "recent", "record", "reduce", "region", "remain", "repair", "repeat",
    "reply", "report", "rescue", "rest", "result", "return", "reward", "ribbon", "rich", "right", "ring",
    "river", "road", "rocket", "roof", "room", "rough", "round", "royal", "rule", "sadly", "safety",
    "sail", "salt", "same", "sand", "sauce", "scene", "school", "science", "screen", "search", "season",
    "seat", "second", "secret", "select", "sense", "serious", "serve", "seven", "shadow", "shape",
    "share", "sharp", "shelf", "shirt", "shoulder", "shout", "shower", "signal", "silent", "silver",
    "simple", "since", "single", "sister", "sketch", "sleep", "slight", "smart", "smile", "smooth",
    "social", "society", "soft", "soldier", "solid", "someone", "song", "sorry", "sound", "south",
    "space", "spare", "speak", "special", "speech", "spend", "spirit", "spoon", "spread", "spring",
    "square", "stage", "stairs", "stamp", "state", "station", "steady", "steel", "still", "stone",
    "story", "straight", "street", "strong", "student", "study", "style", "sudden", "sugar", "suggest",
    "summer", "supper", "supply", "surface", "swim", "table", "talent", "target", "taste", "teacher",
    "temple", "tender", "test", "theatre", "theory", "thick", "thing", "third", "though", "thought",
    "thread", "thunder", "ticket", "tidy", "timber", "title", "today", "together", "tomorrow", "tongue",
    "topic", "total", "touch", "toward", "tower", "town", "trade", "train", "travel", "treasure",
    "trial", "trouble", "true", "trust", "twelve", "twenty", "uncle", "under", "unique", "unless",
    "until", "upper", "useful", "usual", "valley", "value", "vary", "velvet", "verse", "village",
    "visit", "voice", "volume", "voyage", "waiter", "walk", "warm", "wash", "watch", "water", "wealth",
    "weather", "wedding", "weekend", "weight", "welcome", "west", "whisper", "whole", "wide", "window",
    "winner", "winter", "wisdom", "wish", "within", "without", "wonder", "wooden", "word", "worker",
    "world", "worry", "worth", "writer", "yellow", "yesterday", "young", "zero",
)  # fmt: skip
"""Everyday words of three to nine letters, in no relation to any set of classes."""

PLAIN_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-'"
"""Characters that descriptions are written with, without spaces, commas and full stops."""


PAIRS = 15
"""Random descriptors come in pairs, one of words and one of characters: 30 texts a class."""

SEEDS = range(7)
"""The seeds that the authors report a mean and a spread over."""


def waffle_scores(
    image_vectors: Tensor,
    encode: Encode,
    names: Sequence[str],
    *,
    seed: int,
    pairs: int = PAIRS,
    concept: str | None = None,
    descriptors: Mapping[str, Sequence[str]] | None = None,
) -> Tensor:
    """Mean cosine of each image with a class name and random descriptors.

        score[n,c] = mean over d of cos(x_n, text(c, d)),  d random and the same for all classes

    One seed is one draw: report the mean and the spread over `SEEDS`.

    Source: Roth et al. 2023 (WaffleCLIP), section 3.3, and released code. See `waffle_prompts`.

    Args:
        image_vectors: Unit image vectors [N, D].
        encode: Texts to vectors [M, D]; called once, with each distinct text once.
        names: Class names in the order of the scores' columns.
        seed: Decides the random descriptors.
        pairs: See `waffle_descriptors`.
        concept: See `waffle_prompts`.
        descriptors: See `waffle_prompts`.

    Returns:
        Scores [N, C], float32.

    Raises:
        InputError: If there is no class, `pairs` is below 1, or a class lacks real descriptors.
    """
    prompts = waffle_prompts(names, seed=seed, pairs=pairs, concept=concept, descriptors=descriptors)
    return mean_cosine_scores(image_vectors, encode, prompts)


def waffle_prompts(
    names: Sequence[str],
    *,
    seed: int,
    pairs: int = PAIRS,
    concept: str | None = None,
    descriptors: Mapping[str, Sequence[str]] | None = None,
) -> list[list[str]]:
    """The texts of each class: "A photo of a {name}, which has {random}.", clauses chosen as in DCLIP.

    With a concept: "A photo of a {concept}: a {name}, which has {random}." With real descriptors there are
    as many texts a class as without (30): 10 random pairs, the same for all classes, and 20 real descriptors,
    drawn with replacement from the class's own, make 40, of which each class draws 30.

    Where this differs from the released code: it puts the random descriptors of one class into all others by
    replacing that class's name, which also replaces the name inside other words; here they are put to each
    name.

    Source: Roth et al. 2023, sections 3.3 and 3.4; released code (modes "waffle" and "waffle_and_gpt").

    Args:
        names: Class names; underscores become spaces.
        seed: Decides everything random.
        pairs: See `waffle_descriptors`.
        concept: What all classes are ("food"); none where not given.
        descriptors: Class name to real descriptors, to be mixed in; an empty list counts as one empty
            descriptor.

    Returns:
        One list of texts per class: 2 `pairs` of them, or 3 (2 `pairs` // 3) with real descriptors.

    Raises:
        InputError: If there is no class, `pairs` is below 1, or `descriptors` lacks a class.
    """
    start = "A photo of a " if concept is None else f"A photo of a {concept}: a "
    if descriptors is None:
        shared = waffle_descriptors(names, seed=seed, pairs=pairs)
        return [[start + descriptor_prompt(name, item, after=".") for item in shared] for name in names]
    missing = [name for name in names if name not in descriptors]
    if missing:
        raise InputError(
            f"{len(missing)} classes have no descriptors, e.g. {missing[0]!r}.",
            hint="Give a list for every class, empty where there are none, or no descriptors at all.",
        )
    fewer = max(1, 2 * pairs // 3)
    shared = waffle_descriptors(names, seed=seed, pairs=fewer)
    draw = random.Random(f"{seed} real")
    prompts: list[list[str]] = []
    for name in names:
        real = draw.choices(list(descriptors[name]) or [""], k=2 * fewer)
        mixed = draw.sample(shared + real, k=3 * fewer)
        prompts.append([start + descriptor_prompt(name, item, after=".") for item in mixed])
    return prompts


def waffle_descriptors(names: Sequence[str], *, seed: int, pairs: int = PAIRS) -> list[str]:
    """Random descriptors shaped like the class names: words and characters by turns.

        words       as many as a class name has on average (at least 1), each cut to the average length of a
                    name's words
        characters  g groups joined by ", "; g = 1 + the average number of spaces in a name; L = the average
                    length of a name's longest word, rounded up; each group has (L + g - L mod g) / g
                    characters (where g divides L, one more than L / g, as in the released code)

    Where this differs from the released code: the words are ours (`PLAIN_WORDS`), the characters are a fixed
    set rather than those of a descriptor file, underscores count as spaces, and the random generator is
    Python's: the same seed gives other texts.

    Source: Roth et al. 2023, section 3.3 and appendix; released code (mode "waffle").

    Args:
        names: Class names.
        seed: Decides the draw.
        pairs: How many of each kind, at least 1.

    Returns:
        2 `pairs` descriptors, a random-word one first.

    Raises:
        InputError: If there is no class, or `pairs` is below 1.
    """
    if not names or pairs < 1:
        raise InputError(
            f"{pairs} pairs of random descriptors for {len(names)} classes.",
            hint="Give at least one class name and at least one pair.",
        )
    words = [name.replace("_", " ").split(" ") for name in names]
    count = max(1, round(statistics.fmean(len(own) for own in words)))
    length = max(1, round(statistics.fmean(statistics.fmean(map(len, own)) for own in words)))
    groups = round(statistics.fmean(len(own) - 1 for own in words)) + 1
    longest = math.ceil(statistics.fmean(max(map(len, own)) for own in words))
    size = (longest + groups - longest % groups) // groups
    draw = random.Random(seed)
    found: list[str] = []
    for _ in range(pairs):
        found.append(" ".join(draw.choice(PLAIN_WORDS)[:length] for _ in range(count)))
        found.append(", ".join("".join(draw.choices(PLAIN_CHARACTERS, k=size)) for _ in range(groups)))
    return found


_SOURCE = "Roth et al. 2023"


async def by_random_words(bench: EvalBench) -> MethodScores:
    """Random words and characters, the same for all classes."""
    return _scored(bench)


async def under_a_concept(bench: EvalBench) -> MethodScores:
    """The same after what all classes are: "a photo of a bird: a wren, which has …"."""
    concept = bench.test.concept or bench.noun
    return _scored(bench, concept=concept)


async def among_descriptors(bench: EvalBench) -> MethodScores:
    """Random ones and real descriptors mixed, as many a class as without."""
    phrases = await descriptors(bench)
    return _scored(bench, real=dict(zip(bench.classes, phrases, strict=True)))


def _scored(
    bench: EvalBench, *, concept: str | None = None, real: Mapping[str, Sequence[str]] | None = None
) -> MethodScores:
    scores = waffle_scores(
        bench.vectors, bench.encode, bench.classes, seed=bench.seed, concept=concept, descriptors=real
    )
    return MethodScores(scores=bench.logit_scale * scores)


METHODS = (
    EvalMethod(
        key="waffle",
        title="WaffleCLIP, random words",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES}),
        run=by_random_words,
        seeded=True,
    ),
    EvalMethod(
        key="waffle-concept",
        title="WaffleCLIP, random words under a concept",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES}),
        run=under_a_concept,
        seeded=True,
    ),
    EvalMethod(
        key="waffle-descriptors",
        title="WaffleCLIP, random words among descriptors",
        source=_SOURCE,
        needs=frozenset({MethodNeed.NAMES, MethodNeed.LLM}),
        run=among_descriptors,
        seeded=True,
    ),
)
