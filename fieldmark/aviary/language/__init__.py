"""How the scripted guide understands plain sentences about birds."""
