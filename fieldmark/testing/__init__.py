"""Fakes for your own tests: a language model that follows a script, an encoder without weights."""

from fieldmark.testing.hashing_encoder import HashingEncoder
from fieldmark.testing.scripted_model import ScriptedModel, data_of

__all__ = ["HashingEncoder", "ScriptedModel", "data_of"]
