"""`fieldmark plan`: what a classification of any size would take, from measured unit costs."""
