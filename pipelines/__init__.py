"""The engine: a migration's stages and the command line. Knows neither Dagster nor Great Expectations."""
