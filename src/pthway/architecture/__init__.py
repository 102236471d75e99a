"""From names and shapes and a class to the arguments that it was built with: `resolve`, `solve`, `build`, `explain`."""
