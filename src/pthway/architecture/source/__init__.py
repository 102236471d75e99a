"""Finds, in a tree of Python files, the class that a checkpoint belongs to. Files are parsed; nothing is imported or executed."""
