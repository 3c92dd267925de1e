"""What exported classifiers have in common: folders that stand alone, and the encoder they belong to."""
