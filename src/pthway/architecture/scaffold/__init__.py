"""From names and shapes to the text of a class whose state dict has them: told → parts → folded → text. torch only verifies."""
