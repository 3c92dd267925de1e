"""What people look at and say once a classification has ended: runs, their images, labels, scoring anew."""
