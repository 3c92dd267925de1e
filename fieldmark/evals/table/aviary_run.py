"""Runs methods on settings of the aviary, each with a scripted guide that knows its species."""

from collections.abc import Callable

from fieldmark.aviary.guide.beliefs import GuideSettings
from fieldmark.aviary.guide.guide import Guide
from fieldmark.aviary.guide.server import asked_over_http
from fieldmark.cache.bytestore import ByteStore
from fieldmark.evals.table.aviary_settings import SETTINGS, AviaryWorld
from fieldmark.evals.table.method import Method
from fieldmark.evals.table.options import EvalOptions
from fieldmark.evals.table.run import Earlier, Evaluation, run_methods
from fieldmark.records import Limits
from fieldmark.tools.clip.encoder import Encoder
from fieldmark.tools.runs.events import Progress, SettingStarted
from fieldmark.tools.runs.folder import RunFolder


async def run_setting(
    setting: str,
    world: AviaryWorld,
    methods: tuple[Method, ...],
    options: EvalOptions,
    *,
    encoder: Encoder,
    answers: ByteStore,
    folder: RunFolder,
    limits: Limits,
    mistakes: float,
    earlier: Earlier,
    progress: Progress,
    began: Callable[[Evaluation], None] = lambda task: None,
) -> Evaluation:
    """Draw a setting, start its guide and run the methods.

    Args:
        setting: Name of the setting.
        world: What is drawn.
        methods: What is run.
        options: Seeds and shots.
        encoder: The CLIP encoder.
        answers: Where answers are kept.
        folder: The run's folder.
        limits: The most that may be asked of the guide.
        mistakes: Share of wrong statements in the guide's answers.
        earlier: Where runs that need not be repeated are found.
        progress: Shows progress.
        began: Given what is run before anything is asked: what it spends is known then, however it ends.

    Returns:
        What was run.
    """
    progress(SettingStarted(name=setting))
    test, book = SETTINGS[setting](world)  # the guide's book may hold more than the classes
    guide = Guide(book, GuideSettings(mistakes=mistakes))
    async with asked_over_http(guide, store=answers, limits=limits) as llm:
        task = Evaluation(
            test=test,
            methods=methods,
            encoder=encoder,
            llm=llm,
            folder=folder,
            options=options,
            earlier=earlier,
            progress=progress,
        )
        began(task)
        await run_methods(task)
        return task
