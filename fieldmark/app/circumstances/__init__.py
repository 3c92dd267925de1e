"""What is known of images that no pixel shows: how likely classes are, and which share a label."""
