"""`fieldmark export` and `fieldmark predict`: what a run learned, taken along and used."""
