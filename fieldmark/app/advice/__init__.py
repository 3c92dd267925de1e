"""Says what a set of images needs: its class names, a language model's descriptions, or labels."""
