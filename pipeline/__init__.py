"""Page arithmetic: pure functions on arrays. Knows neither Dask nor torch."""
