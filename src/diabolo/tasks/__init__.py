"""What people do with a fitted model: one file for each task."""
