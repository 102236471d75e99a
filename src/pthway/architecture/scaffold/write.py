"""The text of the file: one class a group, the network last, every guess marked where it stands."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from pthway.architecture.difference import EXTRA_STATE
from pthway.architecture.scaffold.case import Layer
from pthway.architecture.scaffold.code import Code
from pthway.architecture.scaffold.fold import Folded, Group
from pthway.architecture.scaffold.forward import chain, known
from pthway.architecture.scaffold.guesses import GUESSES, HARMLESS
from pthway.architecture.scaffold.names import is_attribute, prose, string
from pthway.architecture.scaffold.part import Bare, Form, Part
from pthway.architecture.scaffold.text import INDENT, Expression, arguments, continues, framed, indented, numbered, repeated, sizes
from pthway.architecture.scaffold.torchscript.translate import Translator

_UNKNOWN: Final = '''class Unknown(nn.Module):
    """A module without weights. The file does not tell what it is: put the activation, pooling or dropout here instead."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        told = "has no weights, so the file does not tell what it computes. Replace it in this file, or write it again with"
        raise NotImplementedError(f"{self.name} {told} --activation or --set '*{self.name}=LAYER'.")'''

_ACTIVATION: Final = "activation_between"
"""The name under which the activation that the user names is kept, which no file has by chance."""

_EXTRA_STATE: Final = """
    def get_extra_state(self) -> torch.Tensor:
        return self.kept_extra_state

    def set_extra_state(self, state: torch.Tensor) -> None:
        self.kept_extra_state = state"""


class Written(NamedTuple):
    """A file, and what is known of it."""

    text: str
    guesses: Mapping[str, int]
    """Word of a guess → in how many places of the text it stands."""
    unknown: int
    """Modules without weights of which the file does not tell what they are, by their places in the text."""
    forward: str
    """``complete``, ``guessed`` or ``to fill in``."""
    classes: int


class Writer:
    """Writes one network."""

    def __init__(self, root: Part, translator: Translator | None = None) -> None:
        self.root = root
        self.translator = translator
        self.folded = Folded(root, translator.given.taken if translator else ())
        self.uses: set[str] = set()
        """Names that the file has to import or define."""
        self.guesses: Counter[str] = Counter()
        self.unknown = 0
        self.open_forwards = 0

    def write(self, head: Sequence[str], tail: str) -> Written:
        """The file: *head* are paragraphs for its docstring, before the list of guesses; *tail* is a comment at its end."""
        groups = list(self.folded.groups.values())
        *classes, network = [list(self._class(group)) for group in groups]
        steps = self._root_forward()
        network += ["", *steps] if steps else []
        blocks = [*self._outside(), *[_UNKNOWN] * ("Unknown" in self.uses)]
        blocks += ["\n".join(lines) for lines in (*classes, network)]
        beginning = "\n".join([*self._docstring(head), "", self._imports()])
        text = "\n\n\n".join([beginning, *blocks]) + "\n"
        return Written(text + tail, dict(self.guesses), self.unknown, self._state(), len(groups))

    # --- the parts of a file ------------------------------------------------------------------------------------------

    def _docstring(self, head: Sequence[str]) -> Iterator[str]:
        first, *rest = head
        yield f'"""{first}'
        for paragraph in rest:
            yield ""
            yield paragraph
        if self.guesses:
            yield ""
            yield 'What the weights do not tell is marked "guess" where it stands. What it is, and what would settle it:'
            yield ""
            for word in (word for word in GUESSES if self.guesses[word]):
                yield f"- {word} ({self.guesses[word]} place{'s' * (self.guesses[word] > 1)}): {GUESSES[word]}."
        yield '"""'

    def _imports(self) -> str:
        lines = ["from enum import Enum"] * ("Enum" in self.uses)
        lines += ["from typing import NamedTuple"] * ("NamedTuple" in self.uses)
        lines += ["import warnings"] * ("warnings" in self.uses)
        needs = self.uses & {"torch", "Unknown"}
        torch = ["import torch"] * bool(needs) + ["from torch import nn"] + ["from torch.nn import functional as F"] * ("F" in self.uses)
        return "\n".join([*lines, *[""] * bool(lines), *torch])

    def _state(self) -> str:
        if self.open_forwards or self.unknown:
            return "to fill in"
        return "guessed" if self.guesses.keys() - HARMLESS else "complete"

    def _outside(self) -> Iterator[str]:
        """The tuples and functions of a program that stand outside of its classes."""
        if self.translator is None:
            return
        for lines in self.translator.tuples.values():
            self.uses.add("Enum" if lines[0].endswith("(Enum):") else "NamedTuple")
            yield "\n".join(lines)
        for code in self.translator.functions.values():
            self._note_code(code)
            yield "\n".join(line for method in code.methods for line in method)

    # --- a class ------------------------------------------------------------------------------------------------------

    def _class(self, group: Group) -> Iterator[str]:
        part = group.parts[0]
        is_root = part is self.root
        values = [str(column) for column in group.columns]
        positional = (
            part.sequential and not part.bare and [name for name, _ in part.children] == [str(i) for i in range(len(part.children))]
        )
        base = f"nn.{part.layer.kind}" if part.layer else "nn.Sequential" if part.sequential else "nn.Module"
        remark = self._remark("", (*part.guesses, *(part.layer.guesses if part.layer and is_root else ())))
        yield f"class {group.name}({base}):" + (f"  # {remark}" if remark else "")
        yield f'{INDENT}"""{self._described(group)}"""'
        yield ""
        parameters = "".join(f", {name}: int" for name in group.parameters)
        yield f"{INDENT}def __init__(self{parameters}) -> None:"
        if part.layer is not None:
            self._note_type(part.layer)
            yield f"{INDENT * 2}super().__init__({', '.join(arguments(part.layer, values))})"
            if part.layer.wrap:
                yield f"{INDENT * 2}{part.layer.wrap}(self)"
        elif positional:
            yield f"{INDENT * 2}super().__init__("
            yield from indented(self._items(part, values, "", 0), 3)
            yield f"{INDENT * 2})"
        else:
            yield f"{INDENT * 2}super().__init__()"
            yield from indented(self._entries(part, values), 2)
        if any(bare.name == EXTRA_STATE for bare in part.bare):
            yield from _EXTRA_STATE.splitlines()
        if part.activation is not None:
            made = f"nn.{part.activation.kind}({', '.join(arguments(part.activation, sizes(part.activation)))})"
            yield f"{INDENT * 2}self.{_ACTIVATION} = {made}"
        if part.code is not None:
            yield from self._methods(part.code)
        elif not is_root and not part.sequential:
            yield ""
            yield from self._to_fill_in(group.name, part)

    def _methods(self, code: Code) -> Iterator[str]:
        for name, text in code.attributes:
            yield f"{INDENT * 2}self.{name} = {text}"
        for name, text in code.buffers:
            yield f"{INDENT * 2}self.register_buffer({string(name)}, {text}, persistent=False)"
        for lines in code.methods:
            yield ""
            yield from (f"{INDENT}{line}".rstrip() for line in lines)
        self._note_code(code)

    def _note_code(self, code: Code) -> None:
        self.uses |= code.imports
        self.open_forwards += code.failed

    def _described(self, group: Group) -> str:
        if group.parts[0] is self.root:
            kind = self.root.kind
            return f"The network{f', in the file of class {prose(kind)}' if kind else ''}."
        kind = group.parts[0].kind
        places = [prose(part.path) for part in group.parts]
        shown = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")  # noqa: PLR2004  # places shown
        return f"Stands at {shown}{f', in the file of class {prose(kind)}' if kind else ''}."

    def _entries(self, part: Part, values: list[str]) -> Iterator[str]:
        at = 0
        for bare in part.bare:
            if bare.name == EXTRA_STATE:
                self.uses.add("torch")
                yield f"self.kept_extra_state = {_empty(bare, values[at : at + len(bare.shape)])}"
                at += len(bare.shape)
                continue
            yield from self._tensor(bare, values[at : at + len(bare.shape)])
            at += len(bare.shape)
        run: list[tuple[str, Expression]] = []
        for name, child in part.children:
            width = len(self.folded.slots(child))
            expression = self._expression(child, values[at : at + width], name)
            at += width
            if run and not continues(run, name, expression):
                yield from self._run(run)
                run = []
            run.append((name, expression))
        yield from self._run(run)

    def _run(self, run: list[tuple[str, Expression]]) -> Iterator[str]:
        """Modules whose names differ in nothing but their number as a loop, others one by one."""
        if len(run) > 3:  # noqa: PLR2004  # fewer read better one by one
            prefix, first = numbered(run[0][0])
            yield f"for index in range({first}, {first + len(run)}):" if first else f"for index in range({len(run)}):"
            yield from indented(framed(f'self.add_module(f"{prefix}{{index}}", ', run[0][1], ")"), 1)
            return
        for name, expression in run:
            before, after = (f"self.{name} = ", "") if is_attribute(name) else (f"self.add_module({string(name)}, ", ")")
            yield from framed(before, expression, after)

    def _tensor(self, bare: Bare, sizes: list[str]) -> Iterator[str]:
        self.uses.add("torch")
        made = _empty(bare, sizes)
        parameter = f"nn.Parameter({made})"
        remark = "" if bare.sure else self._remark("", ("parameter",))
        value = Expression((parameter if bare.parameter else made,), remark)
        if is_attribute(bare.name) and bare.parameter:
            yield from framed(f"self.{bare.name} = ", value, "")
        else:
            yield from framed(f"self.register_{'parameter' if bare.parameter else 'buffer'}({string(bare.name)}, ", value, ")")

    # --- a module -----------------------------------------------------------------------------------------------------

    def _expression(self, part: Part, values: list[str], name: str) -> Expression:
        """The text of a module, which stands under *name* in its class."""
        match part.form:
            case Form.LAYER if part.layer is not None:
                call = f"nn.{part.layer.kind}({', '.join(arguments(part.layer, values))})"
                wrapped = f"{part.layer.wrap}({call})" if part.layer.wrap else call
                self._note_type(part.layer)
                of = f"of class {part.kind}" if part.kind else ""
                return Expression((wrapped,), self._remark(of, (*part.guesses, *part.layer.guesses)))
            case Form.UNKNOWN:
                self.uses.add("Unknown")
                self.unknown += 1
                return Expression((f"Unknown({string(name)})",), f"of class {part.kind}" if part.kind else "")
            case Form.CLASS:
                group = self.folded.group(part)
                return Expression((f"{group.name}({', '.join(group.arguments(values))})",))
        kind = "Sequential" if part.form is Form.SEQUENTIAL else "ModuleList"
        of = f"of class {part.kind}" if part.kind else ""
        remark = self._remark(of, part.guesses)
        items = list(self._items(part, values, f"{name}.", 1))
        brackets = ("(", ")") if kind == "Sequential" else ("([", "])")
        return Expression((f"nn.{kind}{brackets[0]}", *items, brackets[1]), remark)

    def _items(self, part: Part, values: list[str], inside: str, depth: int) -> Iterator[str]:
        """The children of a container, those that repeat as a loop."""
        found: list[Expression] = []
        at = 0
        for name, child in part.children:
            width = len(self.folded.slots(child))
            found.append(self._expression(child, values[at : at + width], f"{inside}{name}"))
            at += width
        for _, run in groupby(found, key=lambda each: each.lines):
            first, *rest = run
            yield from indented(repeated(first, len(rest) + 1) if rest else first.ending(","), depth)

    def _note_type(self, layer: Layer) -> None:
        inner = (value for _, value in layer.arguments if isinstance(value, Layer))
        if any(each.dtype != "float32" for each in (layer, *inner)):
            self.uses.add("torch")

    def _remark(self, of: str, guesses: tuple[str, ...]) -> str:
        self.guesses.update(guesses)
        return ", ".join(filter(None, (of, f"guess: {', '.join(guesses)}" if guesses else "")))

    # --- forward ------------------------------------------------------------------------------------------------------

    def _to_fill_in(self, name: str, part: Part) -> Iterator[str]:
        self.uses.add("torch")
        self.open_forwards += 1
        yield f"{INDENT}def forward(self, *inputs: torch.Tensor) -> torch.Tensor:"
        told = string(f"{name}.forward is not in the file. What is known, in its order: {known(part)}")
        yield f"{INDENT * 2}raise NotImplementedError({told})"

    def _root_forward(self) -> list[str]:
        root = self.root
        if root.code is not None:
            return []
        if root.sequential or root.layer is not None:
            return self._warned(["return super().forward(x)"]) if root.sequential and self._doubtful() else []
        steps = chain(root)
        if steps is None:
            return list(self._to_fill_in("Model", root))
        remark = self._remark("", ("order",)) if root.activation is None else "in the order of the file, with the activation that was given"
        calls: list[str] = []
        for step in steps:
            calls += [f"x = self.{_ACTIVATION}(x)"] * step.activated
            calls += ["x = torch.flatten(x, 1)"] * step.flatten
            way = f"self.{step.name}" if is_attribute(step.name) else f"self.get_submodule({string(step.name)})"
            calls.append(f"x = {way}(x)")
        body = [f"# {remark}", *calls, "return x"]
        return self._warned(body) if self._doubtful() else self._plain(body)

    def _doubtful(self) -> bool:
        return bool(self.guesses.keys() - HARMLESS)

    def _plain(self, body: list[str]) -> list[str]:
        self.uses.add("torch")
        return [f"{INDENT}def forward(self, x: torch.Tensor) -> torch.Tensor:", *(INDENT * 2 + line for line in body)]

    def _warned(self, body: list[str]) -> list[str]:
        """A forward that says that it rests on guesses."""
        self.uses.add("warnings")
        warning = 'warnings.warn("The numbers rest on guesses; this file marks them.", stacklevel=2)'
        return self._plain(["# Take this line out when every guess in this file is settled.", warning, *body])


def _empty(bare: Bare, sizes: list[str]) -> str:
    dtype = "" if bare.dtype == "float32" else f", dtype=torch.{bare.dtype}"
    return f"torch.empty({', '.join(sizes) if sizes else '()'}{dtype})"
