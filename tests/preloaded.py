"""Imports what takes seconds and reads nothing of the environment, for `warm_process`."""

import atexit
import gc

import langgraph.graph
import openai
import sklearn.linear_model
import torch
import torch._dynamo  # torchvision wants it

import fieldmark.app.classifier
import fieldmark.app.concepts.builder
import fieldmark.app.concepts.stepwise.talk
import fieldmark.app.jobs.tasks
import fieldmark.cli
import fieldmark.records
import fieldmark.studio.application
import fieldmark.tools.clip.weights

__all__ = ["fieldmark", "langgraph", "openai", "sklearn", "torch"]

gc.collect()
gc.freeze()  # a collection in a forked process would touch, and so copy, every page
atexit.register(gc.unfreeze)  # else triton's libraries complain of leaks as the process ends
