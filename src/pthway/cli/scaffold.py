"""``pthway scaffold``: a Python file with a class that has the tensors of a weights file."""

from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from pthway import _lazy
from pthway.architecture.scaffold.given import Given
from pthway.architecture.scaffold.scaffold import Source, scaffold
from pthway.architecture.scaffold.told import Held, Told
from pthway.architecture.scaffold.torchscript.modules import modules_of
from pthway.architecture.scaffold.torchscript.program import parse
from pthway.architecture.scaffold.write import Written
from pthway.checkpoint import Checkpoint, StateDict, open_checkpoint
from pthway.checkpoint.plain import Plain
from pthway.checkpoint.safety import Verdict
from pthway.checkpoint.summary import shown, tensor_report
from pthway.checkpoint.torchscript import script
from pthway.checkpoint.writing.new_file import new_file, write
from pthway.cli import screen
from pthway.errors import Unrepresentable, UsageError


def run(options: Namespace) -> int:
    """Write the class, after torch, where it is installed, has built it and loaded the names and shapes strictly."""
    output: Path = options.output
    if output.exists() and not options.force:
        raise UsageError(f"{output} exists.", "A file that may hold your own work is not overwritten.", "Choose another name, or --force.")
    checkpoint = open_checkpoint(options.file)
    state = checkpoint.choose(options.weights)
    told = told_by(checkpoint, state)
    written = scaffold(told, _source(checkpoint, state, output), Given(options.activation, options.set))
    verified = find_spec("torch") is not None
    if verified:
        _lazy.load("pthway.architecture.scaffold.verify:verify")(written.text, told)
    content = written.text.encode()
    with new_file(output, len(content)) as descriptor:
        write(descriptor, content, 0)
    if options.json:
        kept = {name: value for name, value in written._asdict().items() if name != "text"}
        screen.write_json({"file": str(options.file), "output": str(output), "tensors": len(told.tensors), **kept, "verified": verified})
    else:
        screen.facts(_facts(output, told, written, verified=verified))
    return 0


def told_by(checkpoint: Checkpoint, state: StateDict) -> Told:
    """What *checkpoint* tells of the network of *state*. Raises `Unrepresentable` for tensors that no module is built with."""
    for name, spec in state.tensors.items():
        kind = tensor_report(name, name, spec)["kind"]
        if kind != "strided":
            raise Unrepresentable(
                f"{name!a} of {checkpoint.path} is a {kind} tensor.",
                "A class is written with plain tensors; torch makes such ones of them after the network is built.",
                f"Look at the others: pthway inspect {checkpoint.path} --tensors",
            )
    if state.modules is not None:
        budget = Plain()
        held = {path: Held(module.kind, module.attributes(budget), module.buffers()) for path, module in state.modules.items()}
        return Told(state.tensors, None, held)
    if state.metadata is None:
        return _compiled(checkpoint, state)
    versions = {path: of.get("version") for path, of in state.metadata.items()}
    return Told(state.tensors, {path: version if isinstance(version, int) else None for path, version in versions.items()})


def _compiled(checkpoint: Checkpoint, state: StateDict) -> Told:
    """What the program of a TorchScript archive tells; of another file, its names alone."""
    found = script(checkpoint)
    program = parse(found.texts) if found is not None else None
    if found is None or program is None:
        return Told(state.tensors)
    held = modules_of(program, state.tensors, found.attributes)
    return Told(state.tensors, None, held, program, found.constants)


def _texts(checkpoint: Checkpoint) -> dict[str, str]:
    """Program text in the file by its name, that of the user's own classes first."""
    named = [(name, text) for name, text in checkpoint.extras.items() if isinstance(text, str)]
    program = [(name, text) for name, text in named if name.startswith("source of ") or name.endswith(".py")]
    return dict(sorted(program, key=lambda entry: _is_torchs(entry[0])))


def _is_torchs(name: str) -> bool:
    return name.startswith(("source of torch.", "code/__torch__/torch/"))


def _source(checkpoint: Checkpoint, state: StateDict, output: Path) -> Source:
    notes = list(checkpoint.container.parts.notes)
    notes += [f"Its names in the file were changed: {rule}." for rule in state.renames]
    if checkpoint.safety.verdict is Verdict.RUNS_CODE:
        notes.append("The weights file would run code in torch.load, so pthway.load refuses it: pthway convert takes the weights out.")
    several = len(checkpoint.state_dicts) > 1
    texts = {name: text for name, text in _texts(checkpoint).items() if not _is_torchs(name)}
    return Source(checkpoint.path.name, output.name, state.path if several else "", tuple(notes), texts)


def _facts(output: Path, told: Told, written: Written, *, verified: bool) -> list[tuple[str, str]]:
    guesses = ", ".join(f"{word} × {count}" for word, count in written.guesses.items())
    check = f"all {len(told.tensors):,} tensors load strictly in torch" if verified else "not verified: torch is not installed"
    rows = [
        ("written", shown(f"{output}, {written.classes:,} class{'es' * (written.classes > 1)}")),
        ("fits", check),
        ("forward", _FORWARD[written.forward]),
    ]
    rows += [("guesses", guesses)] * bool(guesses)
    return rows + [("unknown", f"{written.unknown:,} modules without weights, to be filled in")] * bool(written.unknown)


_FORWARD = {
    "complete": "complete: nothing in it is guessed",
    "guessed": "complete, but it rests on guesses, which are marked",
    "to fill in": "to be filled in, where the file raises NotImplementedError",
}
