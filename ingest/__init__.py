"""The writer process: sources in, commits out."""
