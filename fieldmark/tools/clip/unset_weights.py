"""Builds networks whose weights all come from a file without drawing random ones first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class UnsetWeights(TorchFunctionMode):
    """Within it, the random draws of `torch.nn.init` leave tensors as they are, in this thread alone.

    Of the seconds that open_clip takes to open a large model, most go into random numbers that the file then
    replaces. Only for what is loaded strictly: a weight that the file lacks must be an error, or it would be
    whatever the memory held.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, unless it sets a tensor's first values."""
        given = dict(kwargs or {})
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)
