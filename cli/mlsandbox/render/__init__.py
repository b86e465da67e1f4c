"""From the stack's description to what an engine runs: pure, but for `tree.write_tree`."""
