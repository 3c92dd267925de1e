"""Search over sets of prompts: candidates, operators, fitness, sampling, acceptance."""
