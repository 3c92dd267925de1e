"""The pages a run leaves behind, each one file that needs nothing else: its report, the images to label."""
