"""The resolve graph: describe, encode, score, triage, and ask about what is still confused."""
