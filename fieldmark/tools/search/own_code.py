"""Loads a user's own code by name: `module:name`, or `path/to/file.py:name`.

Loading it runs it.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from fieldmark.errors import InputError


def names_own_code(name: str) -> bool:
    """Whether a name says where something lies, rather than what ships under it."""
    where, _, wanted = name.rpartition(":")
    return bool(where) and wanted.isidentifier()


def own_code(name: str) -> object:
    """What lies under a name of the form `module:name` or `path/to/file.py:name`.

    Raises:
        InputError: There is no such module or file, it fails when it is run, or holds no such name.
    """
    where, _, wanted = name.rpartition(":")
    try:
        return getattr(_module(where), wanted)
    except Exception as error:  # somebody else's code may raise anything
        raise InputError(
            f"{name!r} could not be loaded: {type(error).__name__}: {error}",
            hint="Give a file and a name in it, as file.py:NAME, or an importable module:NAME.",
        ) from error


def _module(where: str) -> ModuleType:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    spec = importlib.util.spec_from_file_location(f"own_code_of_{Path(where).stem}", where)
    if spec is None or spec.loader is None:
        raise ImportError(f"{where} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module
