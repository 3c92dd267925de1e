"""`fieldmark doctor`: looks at everything a run needs, and says what is missing and what to do about it.

It changes nothing but what opening a cache makes; it asks the language model a dozen tiny questions at most.
"""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from fieldmark import __version__
from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.run_options import Json, asking
from fieldmark.cli.terminal import amount, leave, print_json, words
from fieldmark.errors import FieldmarkError
from fieldmark.reading import size_in_words as size

if TYPE_CHECKING:
    from fieldmark.cache.bytestore import LastingByteStore
    from fieldmark.settings import Settings

logger = logging.getLogger(__name__)

State = Literal["ok", "note", "broken"]
STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "broken": "bold red"}
BROKEN = 1
LEAST_ROOM = 10**9
"""Bytes that should be free where answers and vectors are kept."""
PACKAGES = ("torch", "open_clip_torch", "langgraph", "openai", "pydantic", "pillow")


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes:
        name: What was looked at.
        state: "ok", "note" (something does not work, and need not), or "broken".
        says: What was found.
        fix: What to do about it.
    """

    name: str
    state: State
    says: str
    fix: str = ""


@asking
def doctor(
    json: Json = False,
) -> None:
    """Check Python, torch, the models, the endpoint and the cache; exit code 1 if one of them is broken."""
    findings: list[Finding] = []
    with TerminalProgress("Looking") as progress:
        from fieldmark.settings import read_settings

        findings += python()
        try:
            settings = read_settings()
        except FieldmarkError as error:
            findings.append(Finding("settings", "broken", error.message, error.hint))
        else:
            for title, look in LOOKS.items():
                progress.stage(f"Looking at the {title}", line=False)
                findings += carefully(title, look, settings)
    broken = any(finding.state == "broken" for finding in findings)
    console = words(json=json)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.state:6}", style=STYLES[finding.state])
        line.append(f" {finding.name:{width}}  {finding.says}", style="")
        console.print(line, soft_wrap=True)
        if finding.fix:
            console.say(f"{'':6} {'':{width}}  → {finding.fix}")
    if json:
        checks = [asdict(finding) for finding in findings]
        print_json({"schema": "fieldmark.doctor/1", "ok": not broken, "checks": checks})
    leave(BROKEN if broken else 0)


def carefully(title: str, look: "Look", settings: "Settings") -> list[Finding]:
    """Look; what goes wrong while looking is a finding too."""
    found: list[Finding] = []
    try:
        found.extend(look(settings))
    except FieldmarkError as error:
        found.append(Finding(title, "broken", error.message, error.hint))
    except Exception as error:  # a doctor that falls ill helps nobody
        logger.debug("While looking at the %s:", title, exc_info=True)
        hint = "fieldmark --debug doctor shows where."
        found.append(Finding(title, "broken", f"{type(error).__name__}: {error}", hint))
    return found


def python() -> Iterator[Finding]:
    """Python and the packages."""
    from fieldmark.tools.runs.manifest import versions

    found = versions()
    yield Finding("fieldmark", "ok", f"{__version__}, Python {found['python']} ({sys.executable})")
    missing = [name for name in PACKAGES if found.get(name, "") == "not installed"]
    says = ", ".join(f"{name} {found[name]}" for name in PACKAGES if name in found)
    if missing:
        yield Finding("packages", "broken", says, f"Install what is missing: pip install {' '.join(missing)}")
    else:
        yield Finding("packages", "ok", says)


def device(settings: "Settings") -> Iterator[Finding]:
    """Where networks would run."""
    import torch

    from fieldmark.tools.clip.devices import choose_device

    chosen = choose_device(settings.device)
    if chosen.type == "cuda":
        card = torch.cuda.get_device_properties(chosen)
        yield Finding("device", "ok", f"{chosen}: {card.name}, {size(card.total_memory)}")
    else:
        threads = amount(torch.get_num_threads(), "thread")
        yield Finding("device", "ok", str(chosen) + (f" ({threads})" if chosen.type == "cpu" else ""))


def bundled(settings: "Settings") -> Iterator[Finding]:
    """Whether the bundled model loads and encodes."""
    from fieldmark.cache.vectorstore import MemoryVectorStore
    from fieldmark.tools.clip.clip import open_encoder

    encoder = open_encoder("aviary", vectors=lambda _, width: MemoryVectorStore(width=width), device="cpu")
    encoder.encode_texts(["a photo of a bird"])
    yield Finding("bundled model", "ok", f"aviary loads and encodes ({encoder.width} values a vector)")


def configured(settings: "Settings") -> Iterator[Finding]:
    """Whether the CLIP model that would be used is here."""
    from fieldmark.tools.clip.weights import find_model, read_weights

    wanted = "clip" in settings.model_fields_set
    try:
        source = find_model(settings.clip)
        read_weights(source)
    except FieldmarkError as error:
        # The default is a suggestion; only what somebody set is missed.
        yield Finding("CLIP model", "broken" if wanted else "note", error.message, error.hint)
    else:
        yield Finding("CLIP model", "ok", f"{settings.clip} ({'set' if wanted else 'default'}) is here")


def language_model(settings: "Settings") -> Iterator[Finding]:
    """Whether the language model answers, and how it can be asked."""
    import asyncio

    from fieldmark.app.stores import OPENAI, open_llm
    from fieldmark.cache.bytestore import MemoryByteStore
    from fieldmark.tools.llm.address import normal_url
    from fieldmark.tools.llm.endpoint import ModelList
    from fieldmark.tools.llm.probe import EndpointReport, probe_endpoint

    async def look() -> "EndpointReport | ModelList | None":
        # Without a name the endpoint can still be asked what it serves.
        async with open_llm(settings.llm or "unnamed", MemoryByteStore()) as model:
            served = await model.endpoint.models()
            is_script = served is not None and model.model in served.identities
            return await probe_endpoint(model) if settings.llm and not is_script else served

    if settings.llm is None and settings.base_url is None:
        yield Finding(
            "language model",
            "note",
            "none is configured; the demo needs none",
            "Set OPENAI_BASE_URL, OPENAI_API_KEY and FIELDMARK_LLM, or start one: fieldmark vllm MODEL",
        )
        return
    found = asyncio.run(look())
    address = normal_url(settings.base_url or OPENAI)  # without a password that may be in it
    if isinstance(found, ModelList) and settings.llm in found.identities:
        says = f"{settings.llm} at {address}: a script that knows its own classes alone"
        yield Finding("language model", "ok", says)
        return
    if not isinstance(found, EndpointReport):
        where = f"the endpoint {address} is set, and no model is named"
        if found is None:
            yield Finding(
                "language model", "broken", f"{where}; it lists none", "Start it, or correct OPENAI_BASE_URL."
            )
        else:
            yield Finding(
                "language model", "note", where, f"Set FIELDMARK_LLM to one of: {', '.join(found.ids[:8])}"
            )
        return
    where = f"{found.model} at {found.url}"
    if not found.answers:
        says = found.problem if where in found.problem else f"{where}: {found.problem or 'no answer'}"
        if found.said:
            says += f" It says: {found.said}"
        yield Finding("language model", "broken", says, found.fix or "Look at the server's log.")
        return
    took = f", first answer after {found.latency_s:.1f} s" if found.latency_s is not None else ""
    if found.outcome == "off schema":
        says = f"{where} answers{took}, and not with the JSON that was asked for: {found.said}"
        yield Finding(
            "language model", "note", says, "A larger model, or a server that enforces schemas, helps."
        )
    else:
        yield Finding("language model", "ok", f"{where} answers{took}")
    schema = found.json_schema == "yes"
    yield Finding(
        "JSON answers",
        "ok" if schema or found.json_object == "yes" else "note",
        f"schema: {found.json_schema}, JSON mode: {found.json_object}",
        ""
        if schema
        else "Answers are read out of plain text where need be; a server with schemas fails less often.",
    )
    yield Finding("sees images", "ok", f"{found.images} (not needed)")


def kept(settings: "Settings") -> Iterator[Finding]:
    """Whether the cache is sound and has room."""
    from fieldmark.app.stores import open_stores

    with open_stores(settings.home) as stores:
        if settings.cache is not None:
            yield shared_cache(stores.answers)
        own = stores.facts.stats()
        vectors = [store.stats() for store in stores.all_vectors()]
        bad = len(stores.facts.verify().bad)
    rows = sum(each.entries for each in vectors)
    room = shutil.disk_usage(settings.home).free
    says = f"{settings.home}: {amount(own.entries, 'answer')}, {amount(rows, 'vector')}, {size(room)} free"
    if bad:
        yield Finding(
            "cache", "note", f"{says}; {amount(bad, 'bad entry', 'bad entries')}", "fieldmark cache verify"
        )
    elif room < LEAST_ROOM:
        yield Finding("cache", "note", says, "Make room, or set FIELDMARK_HOME to a larger disk.")
    else:
        yield Finding("cache", "ok", says)


def shared_cache(answers: "LastingByteStore") -> Finding:
    """Whether a server keeps answers, and keeps them over a restart; its entries are not read through."""
    from fieldmark.cache.redis_store import RedisByteStore

    says = f"answers at {answers.where}: {amount(answers.stats().entries, 'answer')}"
    if isinstance(answers, RedisByteStore) and not answers.survives_restart:
        fix = "Set appendonly to yes there: else a restart loses what came since its last snapshot."
        return Finding("shared cache", "note", says, fix)
    return Finding("shared cache", "ok", says)


def checkpoints(settings: "Settings") -> Iterator[Finding]:
    """Whether the server that keeps checkpoints can be used, where there is one."""
    import asyncio

    from fieldmark.app.stores import open_stores

    with open_stores() as stores:
        asyncio.run(stores.try_checkpoints())
        if stores.checkpoints is not None:
            yield Finding("checkpoints", "ok", f"new runs keep theirs at {stores.checkpoints.shown}")


Look = Callable[["Settings"], Iterator[Finding]]
LOOKS: dict[str, Look] = {
    "device": device,
    "bundled model": bundled,
    "CLIP model": configured,
    "language model": language_model,
    "checkpoints": checkpoints,
    "cache": kept,
}
