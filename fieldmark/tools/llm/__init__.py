"""The language model tool: client, endpoint, dialect, answers, budget, probe, vLLM launcher."""
