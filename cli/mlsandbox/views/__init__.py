"""Results as text for people: pure functions from an outcome to a string."""
