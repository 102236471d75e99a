"""A pickle decoder that imports nothing and calls nothing.

The opcodes are those of Python's ``pickletools`` (protocols 0 to 5). Every global becomes a label, every object an `Opaque`
value, unless the table of *constructors* that the caller passes knows an inert meaning for it. Memory and time are
bounded by the limits, and every operand is checked against the bytes that are really there before anything is allocated.
"""

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

_MARK: Final = object()
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
    """What is left of the opcodes that may be decoded, shared by the pickles of one file."""

    __slots__ = ("opcodes",)

    def __init__(self) -> None:
        self.opcodes = limits.MAX_OPCODES


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
    machine = _Machine(data, start, constructors, persistent, more)
    return machine.run(budget or Budget())


class _Machine:
    """The stack, the memo, and the position in the stream."""

    __slots__ = (
        "calls", "classes", "constructors", "data", "globals", "made", "marks", "memo", "more", "opcode_at", "persistent", "position",
        "stack",
    )  # fmt: skip

    def __init__(
        self,
        data: bytes,
        start: int,
        constructors: Mapping[tuple[str, str], Constructor],
        persistent: Callable[[object], object],
        more: More | None,
    ) -> None:
        self.data, self.position, self.opcode_at = data, start, start
        self.constructors, self.persistent, self.more = constructors, persistent, more
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}
        self.marks = self.made = 0
        self.calls: list[Call] = []
        self.classes: dict[Global, None] = {}
        self.globals: dict[tuple[str, str], Global] = {}

    def run(self, budget: Budget) -> Pickled:
        """Execute opcodes up to STOP."""
        data, size, table = self.data, len(self.data), _TABLE
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
                raise self.corrupt("takes more from the stack than lies on it") from cause
        raise LimitExceeded(
            f"The pickle has more than {limits.MAX_OPCODES:,} opcodes.",
            "A checkpoint of 100,000 tensors needs about 3 million.",
            "Check where the file came from.",
        )

    def finish(self) -> Pickled:
        """The value on the stack when STOP is met."""
        if len(self.stack) != 1 or self.marks:
            raise self.corrupt(f"stops with {len(self.stack)} values on the stack")
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

    def number(self, form: Struct) -> int:
        """The next number in binary form."""
        self.need(self.position + form.size)
        value: int = form.unpack_from(self.data, self.position)[0]
        self.position += form.size
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
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as cause:
            raise self.corrupt("has a string that is not UTF-8") from cause

    # The stack

    def push(self, value: object) -> None:
        self.stack.append(value)

    def push_made(self, value: object) -> None:
        """Push a value that costs memory of its own."""
        self.made += 1
        if self.made > limits.MAX_CONTAINERS:
            raise LimitExceeded(
                f"The pickle makes more than {limits.MAX_CONTAINERS:,} lists, dictionaries, tuples and objects.",
                "Honest checkpoints make about 10 a tensor.",
                "Check where the file came from.",
            )
        self.stack.append(value)

    def pop(self) -> object:
        """The topmost value, which must not be a mark."""
        value = self.stack.pop()
        if value is _MARK:
            raise self.corrupt("takes a mark for a value")
        return value

    def top(self) -> object:
        """The topmost value, left in place."""
        value = self.stack[-1]
        if value is _MARK:
            raise self.corrupt("takes a mark for a value")
        return value

    def pop_mark(self) -> list[object]:
        """The values above the last mark, which goes too."""
        stack = self.stack
        at = len(stack) - 1
        while at >= 0 and stack[at] is not _MARK:
            at -= 1
        if at < 0:
            raise self.corrupt("closes a group that was never opened")
        values = stack[at + 1 :]
        del stack[at:]
        self.marks -= 1
        return values

    # Making values

    def label(self, module: str, name: str) -> Global:
        """The label of a global, under its present name; one object for each."""
        found = self.globals.get((module, name))
        if found is None:
            found = self.globals[module, name] = Global(_OLD_MODULES.get(module, module), name)
            self.made += 1
        return found

    def call(self, target: object, arguments: object) -> object:
        """The inert meaning of calling *target*, or an `Opaque` that records the call."""
        if type(arguments) is not tuple:
            raise self.corrupt("calls with arguments that are not a tuple")
        if isinstance(target, Global):
            constructor = self.constructors.get((target.module, target.name))
            if constructor is not None:
                try:
                    return constructor(arguments)
                except (ValueError, TypeError) as cause:
                    raise self.corrupt(f"calls {target} with arguments that do not fit: {cause}") from cause
            match str(target), arguments:
                case "copyreg._reconstructor", (Global() as kind, Global("builtins", base), state) if base in _BUILTIN_BASES:
                    return self.new(kind, () if state is None else (state,))
                case "copyreg.__newobj__", (Global() as kind, *rest):
                    return self.new(kind, tuple(rest))
        self.calls.append(Call(describe(target), self.opcode_at, ", ".join(describe(a) for a in arguments[:3])))
        return Opaque(target, arguments)

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
            return f"the result of {describe(value.call)}"
    return f"{type(value).__name__} of {len(value)}" if is_sequence(value) else type(value).__name__


def _mark(m: _Machine) -> None:
    m.marks += 1
    if m.marks > limits.MAX_MARKS:
        raise m.corrupt(f"has more than {limits.MAX_MARKS:,} containers open at once")
    m.stack.append(_MARK)


def _pop(m: _Machine) -> None:
    if m.stack.pop() is _MARK:
        m.marks -= 1


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


def _byte(m: _Machine) -> int:
    return m.take(1)[0]


def _long_of(length: Callable[[_Machine], int]) -> Callable[[_Machine], None]:
    def action(m: _Machine) -> None:
        count = length(m)
        if not 0 <= count <= limits.MAX_LONG_BYTES:
            raise m.corrupt(f"has an integer of {count:,} bytes (at most {limits.MAX_LONG_BYTES})")
        m.push(int.from_bytes(m.take(count), "little", signed=True))

    return action


def _sized(m: _Machine, form: Struct | None) -> bytes:
    count = m.number(form) if form else _byte(m)
    if not 0 <= count <= limits.MAX_PICKLE_BYTES:
        raise m.corrupt(f"has a string of {count:,} bytes (at most {limits.MAX_PICKLE_BYTES:,})")
    return m.take(count)


def _text_of(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(m.text(_sized(m, form)))


def _bytes_of(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(_sized(m, form))


def _bytearray(m: _Machine) -> None:
    m.push(_sized(m, _UINT8))


def _python2_text(form: Struct | None) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(_text_or_bytes(_sized(m, form)))


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
        m.push(_text_or_bytes(quoted[1:-1].decode("unicode_escape").encode("latin-1")))
    except UnicodeError as cause:
        raise m.corrupt("has a quoted string with a broken escape") from cause


def _unicode_line(m: _Machine) -> None:
    try:
        m.push(m.line_bytes(limits.MAX_PICKLE_BYTES).decode("raw-unicode-escape"))
    except UnicodeError as cause:
        raise m.corrupt("has a string with a broken escape") from cause


def _list_of_mark(m: _Machine) -> None:
    m.push_made(m.pop_mark())


def _tuple_of_mark(m: _Machine) -> None:
    m.push_made(tuple(m.pop_mark()))


def _tuple_of(count: int) -> Callable[[_Machine], None]:
    def action(m: _Machine) -> None:
        values = [m.pop() for _ in range(count)]
        m.push_made(tuple(reversed(values)))

    return action


def _pairs(m: _Machine, values: list[object]) -> list[tuple[object, object]]:
    if len(values) % 2:
        raise m.corrupt("sets a key without a value")
    return list(zip(values[::2], values[1::2], strict=True))


def _dict_of_mark(m: _Machine) -> None:
    m.push_made(PickledDict(pairs=_pairs(m, m.pop_mark())))


def _extend(m: _Machine, values: list[object]) -> None:
    match m.top():
        case list() as target:
            target.extend(values)
        case Opaque() as target:
            target.items.extend(values)
        case other:
            raise m.corrupt(f"appends to {describe(other)}, which is no list")


def _append(m: _Machine) -> None:
    value = m.pop()
    _extend(m, [value])


def _appends(m: _Machine) -> None:
    values = m.pop_mark()
    _extend(m, values)


def _set_pairs(m: _Machine, pairs: list[tuple[object, object]]) -> None:
    match m.top():
        case PickledDict() | Opaque() as target:
            target.pairs.extend(pairs)
        case other:
            raise m.corrupt(f"sets a key of {describe(other)}, which is no dictionary")


def _setitem(m: _Machine) -> None:
    value, key = m.pop(), m.pop()
    _set_pairs(m, [(key, value)])


def _setitems(m: _Machine) -> None:
    pairs = _pairs(m, m.pop_mark())
    _set_pairs(m, pairs)


def _additems(m: _Machine) -> None:
    members = m.pop_mark()
    target = m.top()
    if not isinstance(target, PickledSet):
        raise m.corrupt(f"adds members to {describe(target)}, which is no set")
    target.members.extend(members)


def _frozenset(m: _Machine) -> None:
    m.push_made(PickledSet(m.pop_mark()))


def _global(m: _Machine) -> None:
    module = m.line()
    m.push(m.label(module, m.line()))


def _stack_global(m: _Machine) -> None:
    name, module = m.pop(), m.pop()
    if not isinstance(module, str) or not isinstance(name, str):
        raise m.corrupt("names a global by something that is not text")
    m.push(m.label(module, name))


def _reduce(m: _Machine) -> None:
    arguments, target = m.pop(), m.pop()
    m.push_made(m.call(target, arguments))


def _newobj(m: _Machine) -> None:
    arguments, kind = m.pop(), m.pop()
    m.push_made(m.new(kind, arguments))


def _newobj_ex(m: _Machine) -> None:
    keywords, arguments, kind = m.pop(), m.pop(), m.pop()
    m.push_made(m.new(kind, arguments, keywords))


def _inst(m: _Machine) -> None:
    module = m.line()
    target = m.label(module, m.line())
    m.push_made(m.call(target, tuple(m.pop_mark())))


def _obj(m: _Machine) -> None:
    values = m.pop_mark()
    m.push_made(m.call(values[0], tuple(values[1:])))


def _build(m: _Machine) -> None:
    state = m.pop()
    match m.top():
        case PickledDict() | Opaque() as target:
            target.state = state
        case other:
            raise m.corrupt(f"sets attributes of {describe(other)}, which has none")


def _persid(m: _Machine) -> None:
    m.push(_storage(m, m.line()))


def _binpersid(m: _Machine) -> None:
    m.push_made(_storage(m, m.pop()))


def _storage(m: _Machine, identifier: object) -> object:
    try:
        return m.persistent(identifier)
    except (ValueError, TypeError) as cause:
        raise m.corrupt(f"has a persistent id that is not a storage: {cause}") from cause


def _recall(m: _Machine, index: int) -> None:
    if index not in m.memo:
        raise m.corrupt(f"recalls entry {index} of the memo, which was never stored")
    m.stack.append(m.memo[index])


def _get(m: _Machine) -> None:
    _recall(m, _decimal(m, m.line()))


def _store(m: _Machine, index: int) -> None:
    if not m.stack:
        raise m.corrupt("stores the top of an empty stack")
    m.memo[index] = m.top()
    if len(m.memo) > limits.MAX_MEMO:
        raise LimitExceeded(
            f"The pickle remembers more than {limits.MAX_MEMO:,} values.",
            "Honest checkpoints remember about 6 a tensor.",
            "Check where the file came from.",
        )


def _put(m: _Machine) -> None:
    _store(m, _decimal(m, m.line()))


def _proto(m: _Machine) -> None:
    version = _byte(m)
    if version > HIGHEST_PROTOCOL:
        raise m.corrupt(f"says protocol {version}; the highest is {HIGHEST_PROTOCOL}")


def _frame(m: _Machine) -> None:
    length = m.number(_UINT8)
    if length > limits.MAX_PICKLE_BYTES:
        raise m.corrupt(f"has a frame of {length:,} bytes (at most {limits.MAX_PICKLE_BYTES:,})")


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
    b"2": lambda m: m.stack.append(m.top()),
    b"N": _constant(value=None),
    b"\x88": _constant(value=True),
    b"\x89": _constant(value=False),
    b"I": _int,
    b"L": _long,
    b"F": _float,
    b"J": _binary(_INT4),
    b"K": lambda m: m.stack.append(_byte(m)),
    b"M": _binary(_UINT2),
    b"G": _binary(_FLOAT8),
    b"\x8a": _long_of(_byte),
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
    b"\x96": _bytearray,
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
    b"h": lambda m: _recall(m, _byte(m)),
    b"j": lambda m: _recall(m, m.number(_UINT4)),
    b"p": _put,
    b"q": lambda m: _store(m, _byte(m)),
    b"r": lambda m: _store(m, m.number(_UINT4)),
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
