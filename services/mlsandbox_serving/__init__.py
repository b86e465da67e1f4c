"""Served code: what runs beside a model, in a child process or a container. It never imports the host tool."""
