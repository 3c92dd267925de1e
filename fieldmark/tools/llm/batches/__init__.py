"""Questions by batch files: the files themselves, and the service that answers them."""
