"""Pure tensor functions: vectors and prompts in, scores out."""
