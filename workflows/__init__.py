"""The only code that knows Dask, the file tree and the terminal."""
