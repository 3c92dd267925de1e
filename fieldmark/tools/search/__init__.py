"""Search over sets of prompts: candidates, operators, fitness, sampling, acceptance; nothing of models or graphs."""
