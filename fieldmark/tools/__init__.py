"""What agents can use; tools know nothing of graphs."""
