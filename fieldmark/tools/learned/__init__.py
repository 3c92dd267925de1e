"""What a run learned, as a classifier that needs no language model: fitted, calibrated, stored."""
