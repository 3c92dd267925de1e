"""Shows what a conversation or a build is doing while nobody is asked; keeps quiet while somebody types."""

from typing import Any

from fieldmark.cli.progress import TerminalProgress
from fieldmark.cli.terminal import amount, one_line


class Telling(TerminalProgress):
    """Takes the events of a conversation or a build, as its `report`."""

    def pause(self) -> None:
        """Take the bar away while somebody types."""
        self.stop()

    def go_on(self) -> None:
        """Bring it back."""
        self.stage("Thinking", line=False)
        if self._bar is not None:
            self._bar.start()

    def _count(self, words: str, fields: dict[str, Any]) -> None:
        self.stage(words, of=fields["of"], line=False)
        self._done = fields["done"]
        self._draw()

    def _on_failed(self, fields: dict[str, Any]) -> None:
        self.failures[str(fields["reason"])] += 1

    def _on_gone(self, fields: dict[str, Any]) -> None:
        self.line(
            f"warning: {fields['gone']:,} of the pool's {fields['of']:,} images are not there any more, such "
            f"as {one_line(fields['first'])}; they are passed over."
        )

    def _on_drafted(self, fields: dict[str, Any]) -> None:
        if fields["by_name"]:
            self.line("warning: no language model drafted clauses; the concept's name is the only one.")
        self.stage("Drafting", line=False)

    def _on_mined(self, fields: dict[str, Any]) -> None:
        self.stage("Looking for images", line=False)

    def _on_judging(self, fields: dict[str, Any]) -> None:
        if "done" in fields:
            self._count("Judging images", fields)

    def _on_doubting(self, fields: dict[str, Any]) -> None:
        self._count("Looking for what is unclear", fields)

    def _on_annotated(self, fields: dict[str, Any]) -> None:
        self._count("Judging images", fields)

    def _on_active(self, fields: dict[str, Any]) -> None:
        self.line(f"Round {fields['round']}: {amount(fields['images'], 'image')} more, where it is unsure.")

    def _on_debating(self, fields: dict[str, Any]) -> None:
        if fields["images"]:
            self.line(f"Annotator and classifier disagree most on {amount(fields['images'], 'image')}.")

    def _on_debated(self, fields: dict[str, Any]) -> None:
        self._count("Arguing", fields)

    def _on_refined(self, fields: dict[str, Any]) -> None:
        self.stage("Trying edits", line=False)

    def _on_limit(self, fields: dict[str, Any]) -> None:
        self.line(f"warning: {fields['reason']}")

    def _on_standing(self, fields: dict[str, Any]) -> None:
        quiet = f"{amount(fields['quiet'], 'board')} in a row without an accepted edit"
        f1 = "" if fields["f1"] is None else f"; F1 on your labels {fields['f1']:.2f}"
        self.line(f"After board {fields['boards']}: {amount(fields['labels'], 'label')}, {quiet}{f1}.")
