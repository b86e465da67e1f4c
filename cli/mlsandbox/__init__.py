"""mlsandbox: turn a fitted model into a verified, measured, logged endpoint."""
