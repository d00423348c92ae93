"""Who does the work: this process or the workers of a Dask cluster, and what becomes of tasks whose worker dies."""
