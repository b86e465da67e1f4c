"""What to run, in neutral words."""
