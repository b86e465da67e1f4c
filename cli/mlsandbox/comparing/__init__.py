"""What two versions answered to the same rows, compared: how often they differ, where, by how much, and how long each took (pure)."""
