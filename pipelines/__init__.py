"""The engine: mapping, snapshot, records, backfill, dump, diff. Knows neither Dagster nor Great Expectations."""
