"""The networks of well-known libraries, by the names and shapes of their weights: an index that ships with the package."""
