"""`fieldmark classify`: the command, how a run is started or gone on with, and what it says."""
