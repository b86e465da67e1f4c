"""The use cases behind the commands: plain functions that take a project and options and give back an outcome."""
