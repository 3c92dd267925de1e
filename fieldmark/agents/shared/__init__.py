"""What several graphs share: asking, notes, fan-out, checkpoints."""
