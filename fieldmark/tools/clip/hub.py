"""Asks the hub of models through its own library: whether it answers, and what its errors mean.

The library tries again for half a minute before it says that there is no network, and waits without end for a
hub that takes a connection and is silent. It also asks about files that are on this machine.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import get_session

from fieldmark.errors import FetchError, FieldmarkError, HubUnreachable

REACH_S = 5.0
"""So long a hub may take to answer anything at all."""
_SWITCHING = threading.RLock()


def reach_hub(spec: str, *, done: str = "fetched") -> None:
    """Ask the hub for a sign of life, once; any answer will do.

    Args:
        spec: What the user called what is to be done something with.
        done: See `hub_errors`.

    Raises:
        HubUnreachable: It does not answer within a few seconds.
        FetchError: The hub's library is switched off.
    """
    with hub_errors(spec, spec, done=done):
        get_session().head(constants.ENDPOINT, timeout=REACH_S, follow_redirects=False)


def keeps_models() -> bool:
    """Whether any model of the hub is on this machine."""
    return any(Path(constants.HF_HUB_CACHE).glob("models--*"))


@contextmanager
def hub_left_alone() -> Iterator[None]:
    """Have the hub's library take files from this machine alone, and raise for those that are not here.

    Libraries that load by it ask the hub about every file, also about those that are here.
    """
    with _SWITCHING:  # two of them at once would restore each other's value
        before = constants.HF_HUB_OFFLINE
        constants.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE = before


def lacks_a_file(error: BaseException | None) -> bool:
    """Whether an error of a loading library goes back to a file that is not on this machine."""
    while error is not None:
        if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def hub_errors(spec: str, repository: str, *, done: str = "fetched") -> Iterator[None]:
    """Have whatever the hub's library raises become a `FetchError`; our own errors pass.

    Args:
        spec: What the user called it.
        repository: The repository.
        done: What cannot be done with it: "fetched", "pushed to".
    """
    try:
        yield
    except FieldmarkError:
        raise
    except HFValidationError as error:
        raise FetchError(
            f'"{repository}" is no repository name.', hint='Write "hf-hub:OWNER/NAME".'
        ) from error
    except OfflineModeIsEnabled as error:
        raise FetchError(
            f'"{spec}" cannot be {done}: the hub\'s library is switched off.', hint="Unset HF_HUB_OFFLINE."
        ) from error
    except GatedRepoError as error:
        raise FetchError(
            f"{repository} is open only to those who accepted its terms.",
            hint=f"Accept them at {constants.ENDPOINT}/{repository}, then log in: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise FetchError(
            f"{constants.ENDPOINT} has no model repository {repository}, or not for you.",
            hint="Check its name; for a private one log in: hf auth login",
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise FetchError(
            f"{constants.ENDPOINT} answered {status} for {repository}.", hint="Try again later."
        ) from error
    except Exception as error:  # HTTP libraries, whichever the hub's uses, raise whatever they like
        raise HubUnreachable(
            f'"{spec}" cannot be {done}: {constants.ENDPOINT} cannot be reached ({_short(error)}).',
            hint="Connect to a network and try again; or fetch it on another machine, and copy the folder "
            f"{constants.HF_HUB_CACHE}.",
        ) from error


def _short(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said[:200] or type(error).__name__
