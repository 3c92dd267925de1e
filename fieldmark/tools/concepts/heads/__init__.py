"""Small classifiers of a concept on top of frozen image vectors: fitted, chosen, calibrated, exported."""
