"""Programs that a maintainer runs by hand."""
