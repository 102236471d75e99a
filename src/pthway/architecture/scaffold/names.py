"""Text from a file as text of Python: as a string, a comment or part of a name, never as code."""

import builtins
import re
from collections.abc import Iterable
from keyword import iskeyword
from typing import Final

# fmt: off
METHODS: Final = frozenset((
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu", "cuda", "double",
    "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half",
    "ipu", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters", "parameters",
    "register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module",
    "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "set_extra_state",
    "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train", "type", "xpu", "zero_grad",
))
"""What every ``nn.Module`` has from its class: a module may hide there behind the method, as torch lets it, a tensor may not."""

INNER: Final = frozenset((
    "_apply", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_call_impl", "_compiled_call_impl", "_forward_hooks",
    "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs",
    "_get_backward_hooks", "_get_backward_pre_hooks", "_get_name", "_is_full_backward_hook", "_load_from_state_dict",
    "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks", "_maybe_warn_non_full_backward_hook", "_modules", "_named_members",
    "_non_persistent_buffers_set", "_parameters", "_register_load_state_dict_pre_hook", "_register_state_dict_hook",
    "_replicate_for_data_parallel", "_save_to_state_dict", "_slow_forward", "_state_dict_hooks", "_state_dict_pre_hooks", "_version",
    "_wrapped_call_impl", "training",
))
# fmt: on
"""What every ``nn.Module`` keeps of itself, which neither a tensor nor a module may replace."""

OF_THE_FILE: Final = frozenset(("Enum", "F", "Model", "NamedTuple", "Unknown", "nn", "self", "super", "torch", "warnings", "index", "x"))
"""Names that the written file uses itself."""

LONGEST: Final = 40
"""Characters of a name that is made from one of the file's."""


def string(text: str) -> str:
    """A string literal of *text*, in ASCII and in one line."""
    return f'"{prose(text)}"'


def printable(text: str) -> str:
    """*text* in one line of a comment: control characters, separators and surrogates escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def prose(text: str) -> str:
    """*text* inside a docstring of three double quotes, in ASCII and in one line."""
    return "".join(f"\\{char}" if char in '\\"' else char if " " <= char <= "~" else ascii(char)[1:-1] for char in text)


def is_attribute(name: str) -> bool:
    """Whether ``self.name = …`` can be written; other names are registered as strings."""
    return name.isascii() and name.isidentifier() and not iskeyword(name) and not name.startswith("__")


def is_module(name: str) -> bool:
    """Whether torch can keep a module under the name."""
    return bool(name) and name not in INNER and not (name.startswith("__") and name.endswith("__"))


def is_tensor(name: str) -> bool:
    """Whether torch can keep a parameter or a buffer under the name."""
    return is_module(name) and name not in METHODS


class Names:
    """Names that are given once each."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.used = {*OF_THE_FILE, *dir(builtins), *taken}
        self.last: dict[str, int] = {}

    def of_class(self, path: str) -> str:
        """The name of a class for the module at *path*: its last name that is no number, in capitals."""
        names = path.split(".")
        said = [re.sub(r"\W", "", name, flags=re.ASCII) for name in names if not name.isdigit()]
        words = re.split(r"_+", said[-1]) if said else []
        base = "".join(word[:1].upper() + word[1:] for word in words)[:LONGEST].lstrip("0123456789") or "Part"
        return self._free(base + "Block" * names[-1].isdigit(), "")

    def of_parameter(self, words: Iterable[str]) -> str:
        """The name of a constructor's parameter, from the names that lead to it."""
        base = re.sub(r"\W", "", "_".join(words), flags=re.ASCII).lower()[-LONGEST:].lstrip("_0123456789").rstrip("_")
        return self._free(base or "size", "_")

    def _free(self, base: str, joint: str) -> str:
        wanted, number = base, self.last.get(base, 1)
        while wanted in self.used or iskeyword(wanted):
            number += 1
            wanted = f"{base}{joint}{number}"
        self.last[base] = number
        self.used.add(wanted)
        return wanted
