"""A pickle decoder that imports nothing and calls nothing.

The opcodes are those of Python's ``pickletools`` (protocols 0 to 5). Every global becomes a label, every object an `Opaque`
value, unless the table of *constructors* that the caller passes knows an inert meaning for it. Memory and time are
bounded by the limits, and every operand is checked against the bytes that are really there before anything is allocated.
"""

import re
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, NamedTuple

from pthway.errors import CorruptFile, LimitExceeded, TruncatedFile
from pthway.formats import limits
from pthway.formats.values import Call, Global, Opaque, PickledDict, PickledSet, is_sequence

Constructor = Callable[[tuple[object, ...]], object]
"""Gives a known global's call an inert meaning. Raises `ValueError` when the arguments are not of its form."""

More = Callable[[int], bytes]
"""Gives at least as many of the bytes that follow, or as many as there are."""

HIGHEST_PROTOCOL: Final = 5

_SHOWN: Final = 60
"""Characters of a text, or bits of an integer, up to which a message shows it."""

_SHOWN_ARGUMENTS: Final = 200
"""Characters of a call's arguments."""

_WIDE: Final = re.compile(rb"[\xc4-\xff]")
"""What begins a character, in UTF-8, that Python does not store in one byte."""

_COPIED: Final = (list, tuple, PickledDict)

_INT4: Final = Struct("<i")
_UINT4: Final = Struct("<I")
_UINT2: Final = Struct("<H")
_UINT8: Final = Struct("<Q")
_FLOAT8: Final = Struct(">d")


class NeedMoreBytes(Exception):
    """The pickle goes on after the bytes that were given. *missing* says how many more are known to be needed."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


class Budget:
    """What the pickles of one file may still cost, and have cost, together."""

    __slots__ = ("calls", "globals", "made", "opcodes", "wide")

    def __init__(self) -> None:
        self.opcodes = limits.MAX_OPCODES
        self.made = 0
        """Containers, texts and objects."""
        self.calls = self.globals = 0
        self.wide = 0
        """Bytes of texts with characters that cost more than a byte in memory."""

    def make(self, count: int) -> None:
        """Count containers, texts and objects. Raises `LimitExceeded`."""
        self.made += count
        if self.made > limits.MAX_CONTAINERS:
            raise _too_many(
                f"makes more than {limits.MAX_CONTAINERS:,} lists, dictionaries, tuples, texts and objects",
                "Honest checkpoints make about 15 a tensor.",
            )

    def widen(self, count: int) -> None:
        """Count the bytes of a text whose characters take two or four bytes each. Raises `LimitExceeded`."""
        self.wide += count
        if self.wide > limits.MAX_WIDE_TEXT:
            raise _too_many(f"has more than {limits.MAX_WIDE_TEXT:,} bytes of texts beyond Latin-1", "Texts of checkpoints are names.")


def _too_many(how: str, why: str) -> LimitExceeded:
    return LimitExceeded(f"The pickle {how}.", why, "Check where the file came from.")


class Pickled(NamedTuple):
    """One decoded pickle."""

    value: object
    end: int
    """Offset of the byte after STOP."""
    calls: tuple[Call, ...]
    """Calls of globals without an inert meaning that Python's pickle would make, in order."""
    classes: tuple[Global, ...]
    """Classes whose objects the pickle carries as data."""
    globals: tuple[Global, ...] = ()
    """Every class and function that is named, as it stands there; some names tell the age of the file."""


def decode(
    data: bytes,
    start: int,
    constructors: Mapping[tuple[str, str], Constructor],
    persistent: Callable[[object], object],
    budget: Budget | None = None,
    more: More | None = None,
) -> Pickled:
    """The pickle that begins at *start* of *data*.

    *persistent* gives a persistent id its meaning (a storage); *budget* is shared with the other pickles of the
    file; *more* is asked for what follows *data*. Raises `NeedMoreBytes` when nothing does and STOP was not met,
    `CorruptFile` when the stream breaks a rule of the format, and `LimitExceeded` above the limits.
    """
    return _Machine(data, start, constructors, persistent, budget or Budget(), more).run()


class _Machine:
    """The stack, the memo, and the position in the stream."""

    __slots__ = (
        "budget", "calls", "classes", "constructors", "copied", "data", "globals", "marks", "memo", "more", "opcode_at", "persistent",
        "position", "stack",
    )  # fmt: skip

    def __init__(
        self,
        data: bytes,
        start: int,
        constructors: Mapping[tuple[str, str], Constructor],
        persistent: Callable[[object], object],
        budget: Budget,
        more: More | None,
    ) -> None:
        self.data, self.position, self.opcode_at = data, start, start
        self.constructors, self.persistent, self.budget, self.more = constructors, persistent, budget, more
        self.stack: list[object] = []
        """The values since the last mark."""
        self.marks: list[list[object]] = []
        """The values before each mark that is open."""
        self.memo: dict[int, object] = {}
        self.copied = 0
        self.calls: list[Call] = []
        self.classes: dict[Global, None] = {}
        self.globals: dict[tuple[str, str], Global] = {}

    def run(self) -> Pickled:
        """Execute opcodes up to STOP."""
        data, size, table, budget = self.data, len(self.data), _TABLE, self.budget
        for used in range(budget.opcodes):
            at = self.position
            if at >= size:
                self.need(at + 1)
                data, size = self.data, len(self.data)
            self.opcode_at, self.position = at, at + 1
            opcode = data[at]
            if opcode == _STOP:
                budget.opcodes -= used
                return self.finish()
            action = table[opcode]
            if action is None:
                raise self.corrupt(f"has the byte 0x{opcode:02x} where an opcode is due")
            try:
                action(self)
            except IndexError as cause:
                raise self.corrupt("takes more from the stack than lies on it, or a mark for a value") from cause
        raise _too_many(f"has more than {limits.MAX_OPCODES:,} opcodes", "A checkpoint of 100,000 tensors needs about 3 million.")

    def finish(self) -> Pickled:
        """The value on the stack when STOP is met."""
        if len(self.stack) != 1 or self.marks:
            count = len(self.stack) + sum(len(below) + 1 for below in self.marks)
            raise self.corrupt(f"stops with {count:,} values on the stack")
        return Pickled(self.stack[0], self.position, tuple(self.calls), tuple(self.classes), tuple(Global(*key) for key in self.globals))

    # Reading operands

    def need(self, end: int) -> None:
        """Make sure that the bytes before *end* are there. Raises `NeedMoreBytes`."""
        missing = end - len(self.data)
        if missing > 0:
            self.data += self.more(missing) if self.more else b""
            if end > len(self.data):
                raise NeedMoreBytes(end - len(self.data))

    def take(self, count: int) -> bytes:
        """The next *count* bytes."""
        end = self.position + count
        self.need(end)
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def byte(self) -> int:
        """The next byte."""
        at = self.position
        if at >= len(self.data):
            self.need(at + 1)
        self.position = at + 1
        return self.data[at]

    def take_text(self, count: int) -> str:
        """The next *count* bytes as text; a long one without a copy on the way."""
        end = self.position + count
        if count <= limits.MIB:
            return self.text(self.take(count))
        self.need(end)
        begin, self.position = self.position, end
        if _WIDE.search(self.data, begin, end):
            self.budget.widen(count)
        try:
            return str(memoryview(self.data)[begin:end], "utf-8", "surrogatepass")
        except UnicodeDecodeError as cause:
            raise self.corrupt("has a string that is not UTF-8") from cause

    def number(self, form: Struct) -> int:
        """The next number in binary form."""
        at = self.position
        end = self.position = at + form.size
        if end > len(self.data):
            self.need(end)
        value: int = form.unpack_from(self.data, at)[0]
        return value

    def line(self) -> str:
        """The next line, without its newline, as text."""
        return self.text(self.line_bytes(limits.MAX_LINE))

    def line_bytes(self, limit: int) -> bytes:
        """The next line, without its newline."""
        end, searched = -1, self.position
        while end < 0 and searched < self.position + limit:
            self.need(searched + 1)
            end = self.data.find(b"\n", searched, self.position + limit)
            searched = len(self.data)
        if end < 0:
            raise self.corrupt(f"has a text argument of more than {limit:,} bytes")
        raw, self.position = self.data[self.position : end], end + 1
        return raw

    def text(self, raw: bytes) -> str:
        """Bytes of a name or string as text; surrogates pass, as pickle itself lets them."""
        if raw.isascii():
            return raw.decode("ascii")
        if _WIDE.search(raw):
            self.budget.widen(len(raw))
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as cause:
            raise self.corrupt("has a string that is not UTF-8") from cause

    # The stack

    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_made(self, value: object) -> None:
        """Push a value that costs memory of its own."""
        budget = self.budget
        budget.made += 1
        if budget.made > limits.MAX_CONTAINERS:
            budget.make(0)
        self.stack.append(value)

    def pop_mark(self) -> list[object]:
        """The values above the last mark, which goes too."""
        if not self.marks:
            raise self.corrupt("closes a group that was never opened")
        values, self.stack = self.stack, self.marks.pop()
        return values

    # Making values

    def label(self, module: str, name: str) -> Global:
        """The label of a global, under its present name; one object for each."""
        found = self.globals.get((module, name))
        if found is None:
            if len(module) + len(name) > limits.MAX_LINE:
                raise self.corrupt(f"names a global by {len(module) + len(name):,} characters")
            self.budget.globals += 1
            if self.budget.globals > limits.MAX_GLOBALS:
                raise _too_many(f"names more than {limits.MAX_GLOBALS:,} classes and functions", "Honest checkpoints name under 200.")
            found = self.globals[module, name] = present(Global(module, name))
        return found

    def call(self, target: object, arguments: object) -> object:
        """The inert meaning of calling *target*, or an `Opaque` that records the call."""
        if type(arguments) is not tuple:
            return self.member(target, arguments)
        if isinstance(target, Global):
            constructor = self.constructors.get((target.module, target.name))
            if constructor is not None:
                weight = _weight(arguments)
                if weight > limits.MAX_FREE_COPY:
                    self.budget.make(weight)
                try:
                    made = constructor(arguments)
                except (ValueError, TypeError) as cause:
                    raise self.corrupt(f"calls {target} with arguments that do not fit: {cause}") from cause
                if type(made) is bytes:
                    self.count_copy(len(made))
                return made
            match str(target), arguments:
                case "copyreg._reconstructor", (Global() as kind, Global("builtins", base), state) if base in _BUILTIN_BASES:
                    return self.new(kind, () if state is None else (state,))
                case "copyreg.__newobj__", (Global() as kind, *rest):
                    return self.new(kind, tuple(rest))
        self.budget.calls += 1
        if self.budget.calls > limits.MAX_CALLS:
            raise _too_many(f"makes more than {limits.MAX_CALLS:,} calls of unknown functions", "Data needs none.")
        self.calls.append(Call(describe(target), self.opcode_at, ", ".join(describe(a) for a in arguments[:3])[:_SHOWN_ARGUMENTS]))
        return Opaque(target, arguments)

    def member(self, target: object, value: object) -> object:
        """A member of an enumeration of a TorchScript program, whose value torch.jit writes where a tuple of arguments belongs."""
        if not isinstance(target, Global) or not target.module.startswith("__torch__."):
            raise self.corrupt("calls with arguments that are not a tuple")
        return self.new(target, (value,))

    def count_copy(self, count: int) -> None:
        """Count bytes that a call made of a text: in honest pickles each stands in the file once."""
        self.copied += count
        if self.copied > len(self.data):
            raise self.corrupt("makes bytes of one text again and again")

    def new(self, kind: object, arguments: object, keywords: object = None) -> object:
        """An object of a class, made without calling its constructor: data, whatever the class."""
        if not isinstance(kind, Global) or type(arguments) is not tuple:
            raise self.corrupt("makes an object of something that is not a class")
        constructor = self.constructors.get((kind.module, kind.name))
        if constructor is not None and not keywords:
            return self.call(kind, arguments)
        self.classes[kind] = None
        return Opaque(kind, arguments, keywords)

    def corrupt(self, how: str) -> CorruptFile:
        """The error for a stream that breaks a rule at the present opcode."""
        return CorruptFile(
            f"The pickle {how} (byte {self.opcode_at}).",
            "Such a stream is damaged, or was made to mislead its reader; no pickle writer produces it.",
            "Download or save the file again, and check where it came from.",
        )


def present(named: Global) -> Global:
    """The global under its name of today."""
    return Global(_OLD_MODULES.get(named.module, named.module), named.name)


def _weight(arguments: tuple[object, ...]) -> int:
    """Entries of the arguments and of what lies in them, as far as a constructor copies them: it may be called again and again."""
    weight = len(arguments)
    for argument in arguments[: limits.MAX_FREE_COPY]:
        if type(argument) is tuple and len(argument) <= limits.MAX_FREE_COPY:
            for inner in argument:
                if type(inner) is tuple:
                    weight += len(inner)
        if type(argument) in _COPIED:
            weight += len(argument)  # type: ignore[arg-type]  # each has a length
    return weight


def describe(value: object) -> str:
    """A short, escaped description of an inert value, for messages."""
    match value:
        case str():
            return repr(value[:_SHOWN]) + ("…" if len(value) > _SHOWN else "")
        case bytes():
            return f"{len(value)} bytes"
        case bool() | None | float():
            return repr(value)
        case int():
            return str(value) if value.bit_length() < _SHOWN else "a very long integer"
        case Global():
            return ascii(str(value)[:120])[1:-1]
        case Opaque():
            return f"the result of {ascii(value.name[:120])[1:-1]}"
    return f"{type(value).__name__} of {len(value)}" if is_sequence(value) else type(value).__name__


def _mark(m: _Machine) -> None:
    if len(m.marks) >= limits.MAX_MARKS:
        raise m.corrupt(f"has more than {limits.MAX_MARKS:,} containers open at once")
    m.marks.append(m.stack)
    m.stack = []


def _pop(m: _Machine) -> None:
    if m.marks and not m.stack:
        m.pop_mark()
    else:
        m.stack.pop()


def _pop_mark(m: _Machine) -> None:
    m.pop_mark()


def _constant(*, value: object) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(value)


def _int(m: _Machine) -> None:
    text = m.line()
    m.push({"00": False, "01": True}[text] if text in ("00", "01") else _decimal(m, text))


def _long(m: _Machine) -> None:
    m.push(_decimal(m, m.line().removesuffix("L")))


def _decimal(m: _Machine, text: str) -> int:
    if len(text) > limits.MAX_DIGITS:
        raise m.corrupt(f"has a decimal number of {len(text):,} digits")
    try:
        return int(text)
    except ValueError as cause:
        raise m.corrupt("has a decimal number that is none, or a very long one") from cause


def _float(m: _Machine) -> None:
    try:
        m.push(float(m.line()))
    except ValueError as cause:
        raise m.corrupt("has a decimal fraction that is none") from cause


def _binary(form: Struct) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(m.number(form))


def _long_of(length: Callable[[_Machine], int]) -> Callable[[_Machine], None]:
    def action(m: _Machine) -> None:
        count = length(m)
        if not 0 <= count <= limits.MAX_LONG_BYTES:
            raise m.corrupt(f"has an integer of {count:,} bytes (at most {limits.MAX_LONG_BYTES})")
        m.push(int.from_bytes(m.take(count), "little", signed=True))

    return action


def _size(m: _Machine, form: Struct | None) -> int:
    count = m.number(form) if form else m.byte()
    if not 0 <= count <= limits.MAX_PICKLE_BYTES:
        raise m.corrupt(f"has a string of {count:,} bytes (at most {limits.MAX_PICKLE_BYTES:,})")
    return count


def _text_of(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.push_made(m.take_text(_size(m, form)))


def _bytes_of(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.push_made(m.take(_size(m, form)))


def _python2_text(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.push_made(_text_or_bytes(m.take(_size(m, form))))


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _quoted(m: _Machine) -> None:
    quoted = m.line_bytes(limits.MAX_PICKLE_BYTES)
    if len(quoted) < len("''") or quoted[:1] not in (b"'", b'"') or quoted[-1:] != quoted[:1]:
        raise m.corrupt("has a quoted string without its quotes")
    try:
        m.push_made(_text_or_bytes(quoted[1:-1].decode("unicode_escape").encode("latin-1")))
    except UnicodeError as cause:
        raise m.corrupt("has a quoted string with a broken escape") from cause


def _unicode_line(m: _Machine) -> None:
    try:
        raw = m.line_bytes(limits.MAX_PICKLE_BYTES)
        if b"\\" in raw:
            m.budget.widen(len(raw))
        m.push_made(raw.decode("raw-unicode-escape"))
    except UnicodeError as cause:
        raise m.corrupt("has a string with a broken escape") from cause


def _list_of_mark(m: _Machine) -> None:
    m.push_made(m.pop_mark())


def _tuple_of_mark(m: _Machine) -> None:
    m.push_made(tuple(m.pop_mark()))


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    def action(m: _Machine) -> None:
        stack = m.stack
        if len(stack) < count:
            raise IndexError
        values = tuple(stack[-count:])
        del stack[-count:]
        m.push_made(values)

    return action


def _pairs(m: _Machine, values: list[object]) -> list[tuple[object, object]]:
    if len(values) % 2:
        raise m.corrupt("sets a key without a value")
    return list(zip(values[::2], values[1::2], strict=True))


def _dict_of_mark(m: _Machine) -> None:
    m.push_made(PickledDict(pairs=_pairs(m, m.pop_mark())))


def _extend(m: _Machine, values: list[object]) -> None:
    match m.stack[-1]:
        case list() as target:
            target.extend(values)
        case Opaque() as target:
            target.items.extend(values)
        case other:
            raise m.corrupt(f"appends to {describe(other)}, which is no list")


def _append(m: _Machine) -> None:
    value = m.stack.pop()
    _extend(m, [value])


def _appends(m: _Machine) -> None:
    values = m.pop_mark()
    _extend(m, values)


def _set_pairs(m: _Machine, pairs: list[tuple[object, object]]) -> None:
    match m.stack[-1]:
        case PickledDict() | Opaque() as target:
            m.budget.make(len(pairs))
            target.pairs.extend(pairs)
        case other:
            raise m.corrupt(f"sets a key of {describe(other)}, which is no dictionary")


def _setitem(m: _Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    _set_pairs(m, [(key, value)])


def _setitems(m: _Machine) -> None:
    pairs = _pairs(m, m.pop_mark())
    _set_pairs(m, pairs)


def _additems(m: _Machine) -> None:
    members = m.pop_mark()
    target = m.stack[-1]
    if not isinstance(target, PickledSet):
        raise m.corrupt(f"adds members to {describe(target)}, which is no set")
    target.members.extend(members)


def _frozenset(m: _Machine) -> None:
    m.push_made(PickledSet(m.pop_mark()))


def _global(m: _Machine) -> None:
    module = m.line()
    m.push(m.label(module, m.line()))


def _stack_global(m: _Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise m.corrupt("names a global by something that is not text")
    m.push(m.label(module, name))


def _reduce(m: _Machine) -> None:
    arguments, target = m.stack.pop(), m.stack.pop()
    m.push_made(m.call(target, arguments))


def _newobj(m: _Machine) -> None:
    arguments, kind = m.stack.pop(), m.stack.pop()
    m.push_made(m.new(kind, arguments))


def _newobj_ex(m: _Machine) -> None:
    keywords, arguments, kind = m.stack.pop(), m.stack.pop(), m.stack.pop()
    m.push_made(m.new(kind, arguments, keywords))


def _inst(m: _Machine) -> None:
    module = m.line()
    target = m.label(module, m.line())
    m.push_made(m.call(target, tuple(m.pop_mark())))


def _obj(m: _Machine) -> None:
    values = m.pop_mark()
    m.push_made(m.call(values[0], tuple(values[1:])))


def _build(m: _Machine) -> None:
    state = m.stack.pop()
    match m.stack[-1]:
        case PickledDict() | Opaque() as target:
            target.state = state
        case other:
            raise m.corrupt(f"sets attributes of {describe(other)}, which has none")


def _persid(m: _Machine) -> None:
    m.push(_storage(m, m.line()))


def _binpersid(m: _Machine) -> None:
    m.push_made(_storage(m, m.stack.pop()))


def _storage(m: _Machine, identifier: object) -> object:
    try:
        return m.persistent(identifier)
    except (ValueError, TypeError) as cause:
        raise m.corrupt(f"has a persistent id that is not a storage: {cause}") from cause


def _small_integer(m: _Machine) -> None:
    m.stack.append(m.byte())


def _short_recall(m: _Machine) -> None:
    _recall(m, m.byte())


def _short_store(m: _Machine) -> None:
    _store(m, m.byte())


def _long_store(m: _Machine) -> None:
    at = m.position
    end = m.position = at + 4
    if end > len(m.data):
        m.need(end)
    _store(m, int.from_bytes(m.data[at:end], "little"))


def _recall(m: _Machine, index: int) -> None:
    try:
        m.stack.append(m.memo[index])
    except KeyError as cause:
        raise m.corrupt(f"recalls entry {index} of the memo, which was never stored") from cause


def _get(m: _Machine) -> None:
    _recall(m, _decimal(m, m.line()))


def _store(m: _Machine, index: int) -> None:
    if not m.stack:
        raise m.corrupt("takes a mark for a value" if m.marks else "stores the top of an empty stack")
    memo = m.memo
    memo[index] = m.stack[-1]
    if len(memo) > limits.MAX_MEMO:
        raise _too_many(f"remembers more than {limits.MAX_MEMO:,} values", "Honest checkpoints remember about 6 a tensor.")


def _put(m: _Machine) -> None:
    _store(m, _decimal(m, m.line()))


def _proto(m: _Machine) -> None:
    version = m.byte()
    if version > HIGHEST_PROTOCOL:
        raise m.corrupt(f"says protocol {version}; the highest is {HIGHEST_PROTOCOL}")


def _frame(m: _Machine) -> None:
    length = m.number(_UINT8)
    if length > limits.MAX_PICKLE_BYTES:
        raise m.corrupt(f"has a frame of {length:,} bytes (at most {limits.MAX_PICKLE_BYTES:,})")
    if m.position + length > len(m.data):
        raise NeedMoreBytes(m.position + length - len(m.data))


_OLD_MODULES: Final = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}
"""Names that changed between Python 2 and 3, and between numpy 1 and 2."""

_BUILTIN_BASES: Final = ("object", "dict", "list", "tuple", "set", "frozenset", "str", "bytes", "int", "float")
"""What protocols 0 and 1 make an object of: its contents are data. Any other base would be called with them."""

_STOP: Final = ord(".")
_ACTIONS: Final[Mapping[bytes, Callable[[_Machine], None]]] = {
    b"(": _mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": lambda m: m.stack.append(m.stack[-1]),
    b"N": _constant(value=None),
    b"\x88": _constant(value=True),
    b"\x89": _constant(value=False),
    b"I": _int,
    b"L": _long,
    b"F": _float,
    b"J": _binary(_INT4),
    b"K": _small_integer,
    b"M": _binary(_UINT2),
    b"G": _binary(_FLOAT8),
    b"\x8a": _long_of(lambda m: m.byte()),
    b"\x8b": _long_of(lambda m: m.number(_INT4)),
    b"S": _quoted,
    b"T": _python2_text(_INT4),
    b"U": _python2_text(None),
    b"V": _unicode_line,
    b"X": _text_of(_UINT4),
    b"\x8c": _text_of(None),
    b"\x8d": _text_of(_UINT8),
    b"B": _bytes_of(_UINT4),
    b"C": _bytes_of(None),
    b"\x8e": _bytes_of(_UINT8),
    b"\x96": _bytes_of(_UINT8),
    b"]": lambda m: m.push_made([]),
    b"l": _list_of_mark,
    b")": lambda m: m.stack.append(()),
    b"t": _tuple_of_mark,
    b"\x85": _tuple_of(1),
    b"\x86": _tuple_of(2),
    b"\x87": _tuple_of(3),
    b"}": lambda m: m.push_made(PickledDict()),
    b"d": _dict_of_mark,
    b"\x8f": lambda m: m.push_made(PickledSet([])),
    b"\x91": _frozenset,
    b"a": _append,
    b"e": _appends,
    b"s": _setitem,
    b"u": _setitems,
    b"\x90": _additems,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _newobj,
    b"\x92": _newobj_ex,
    b"i": _inst,
    b"o": _obj,
    b"b": _build,
    b"P": _persid,
    b"Q": _binpersid,
    b"g": _get,
    b"h": _short_recall,
    b"j": lambda m: _recall(m, m.number(_UINT4)),
    b"p": _put,
    b"q": _short_store,
    b"r": _long_store,
    b"\x94": lambda m: _store(m, len(m.memo)),
    b"\x80": _proto,
    b"\x95": _frame,
}
"""Every opcode but STOP. The extension registry (EXT1, 2, 4) and out-of-band buffers (NEXT_BUFFER, READONLY_BUFFER)
refer to what is not in the file, so they are left out and refused."""

_TABLE: Final = tuple(_ACTIONS.get(bytes([code])) for code in range(256))


def refuse_truncation(cause: NeedMoreBytes, path: str) -> TruncatedFile:
    """The error for a pickle that ends too early."""
    return TruncatedFile(
        f"{path} ends inside its pickle; at least {cause.missing:,} more bytes are needed.",
        "The description of the tensors is cut off, so nothing in the file can be trusted.",
        "Download or copy the file again.",
    )
