"""Classes of transformers are recognised by names and by sizes that follow their settings. BERT is written by hand, from its paper."""

import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pthway.architecture.difference import Shape
from pthway.architecture.zoo.class_words import class_facts, passed
from pthway.architecture.zoo.classes import Classed, classes, flat, nested
from pthway.architecture.zoo.formulas import Formula, Term, parsed
from pthway.architecture.zoo.index import FORM as NETWORKS
from pthway.architecture.zoo.settings import solution
from pthway.architecture.zoo.templates import FORM, Templates, line, starred, the_templates
from pthway.errors import CorruptFile
from tests.architecture.bert import bert


def named(tensors: dict[str, Shape]) -> set[str]:
    return {member.name for each in classes(the_templates(), tensors) for member in each.members}


def of(name: str, tensors: dict[str, Shape]) -> Classed:
    return next(each for each in classes(the_templates(), tensors) if any(member.name == name for member in each.members))


def tiny() -> dict[str, Shape]:
    return bert(hidden=32, layers=2, vocabulary=99, inner=64, labels=3)


# --- a class ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "layers", "vocabulary", "inner"), [(768, 12, 30522, 3072), (32, 2, 99, 64), (48, 1, 7, 48)])
def test_a_class_is_recognised_with_its_numbers(hidden: int, layers: int, vocabulary: int, inner: int) -> None:
    sizes = {"hidden": hidden, "layers": layers, "vocabulary": vocabulary, "inner": inner}
    found = of("BertForSequenceClassification", bert(**sizes, labels=3)).solution.settings  # type: ignore[arg-type]
    assert found == {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "vocab_size": vocabulary,
        "intermediate_size": inner,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "num_labels": 3,
    }
    assert "BertModel" in named(bert(**sizes))  # type: ignore[arg-type]


def test_the_tensors_that_show_the_settings_are_named() -> None:
    evidence = of("BertForSequenceClassification", tiny()).solution.evidence
    assert evidence["num_labels"] == "classifier.weight is [3, 32]: dimension 0"
    assert evidence["num_hidden_layers"] == "there are 2 of bert.encoder.layer"


def test_what_the_weights_do_not_show_is_said_to_be_open() -> None:
    found = of("BertForSequenceClassification", tiny())
    assert {"num_attention_heads", "hidden_act", "layer_norm_eps"} <= found.undecided.keys()
    assert "hidden_dropout_prob" in found.training and not found.undecided.keys() & found.solution.settings.keys()


@pytest.mark.parametrize("name", ["bert.encoder.layer.1.output.dense.bias", "classifier.bias", "bert.pooler.dense.weight"])
def test_weights_that_lack_a_tensor_are_not_the_class(name: str) -> None:
    tensors = tiny()
    del tensors[name]
    assert "BertForSequenceClassification" not in named(tensors)


def test_weights_with_a_tensor_more_are_not_the_class() -> None:
    assert named({**tiny(), "classifier.extra": Shape((3,), "float32")}) == set()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("classifier.bias", (4,)),
        ("bert.encoder.layer.1.output.dense.weight", (32, 65)),
        ("bert.encoder.layer.0.output.dense.weight", (32,)),
        ("bert.pooler.dense.weight", (32, 33)),
    ],
)
def test_sizes_that_contradict_each_other_are_not_the_class(name: str, shape: tuple[int, ...]) -> None:
    assert named({**tiny(), name: Shape(shape, "float32")}) == set()


def test_layers_with_a_gap_are_not_the_class() -> None:
    gap = {name.replace("layer.1.", "layer.2."): tensor for name, tensor in tiny().items()}
    assert len(gap) == len(tiny()) and named(gap) == set()


def test_names_and_buffers_of_older_releases_are_understood() -> None:
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t for name, t in tiny().items()}
    old["bert.embeddings.position_ids"] = Shape((1, 512), "int64")
    found = of("BertForSequenceClassification", old)
    assert found.left_out == ("bert.embeddings.position_ids",)
    assert ("left out", "1 buffers that older releases saved: bert.embeddings.position_ids") in class_facts([found], len(old))


def test_the_list_of_classes_on_the_screen_is_bounded() -> None:
    rows = dict(class_facts(classes(the_templates(), tiny()), len(tiny())))
    many = max(the_templates().members, key=len)
    found = of("BertForSequenceClassification", tiny())._replace(members=tuple(many) * 9)
    assert len(found.members) > 4 and class_facts([found], 1)[0][1].count("transformers:") <= 4
    assert rows["settings"].startswith("num_hidden_layers=2") or "hidden_size=32" in rows["settings"]


# --- templates --------------------------------------------------------------------------------------------------------


def lines(*texts: str) -> list[object]:
    return [line(text) for text in texts]


def solved(texts: tuple[str, ...], **shapes: tuple[int, ...]) -> object:
    found = solution([line(text) for text in texts], {name.replace("_", "."): shape for name, shape in shapes.items()})
    return None if found is None else (dict(found.settings), dict(found.products))


def test_settings_follow_from_products_powers_and_sums() -> None:
    texts = ("q heads*width,dim", "h heads", "p side^2*patch^-2+1,dim", "c dim,patch,patch")
    assert solved(texts, q=(24, 5), h=(3,), p=(17, 5), c=(5, 4, 4)) == ({"heads": 3, "width": 8, "dim": 5, "side": 16, "patch": 4}, {})
    assert solved(texts, q=(25, 5), h=(3,), p=(17, 5), c=(5, 4, 4)) is None, "25 is no multiple of 3"
    assert solved(texts, q=(24, 5), h=(3,), p=(18, 5), c=(5, 4, 4)) is None, "17 is no square"


def test_what_no_size_shows_alone_is_kept_as_a_product() -> None:
    assert solved(("q heads*width",), q=(24,)) == ({}, {"heads*width": 24})
    assert solved(("q ?heads&width#1", "k ?heads&width#1"), q=(24,), k=(24,)) == ({}, {"heads&width#1": 24})
    assert solved(("q ?heads&width#1", "k ?heads&width#1"), q=(24,), k=(25,)) is None


def test_some_layers_may_differ_from_the_others() -> None:
    texts = ("l.{depth}.a dim ~", "l.{depth}.b dim ~")
    assert solved(texts, l_0_a=(4,), l_1_b=(4,), l_2_a=(4,)) == ({"depth": 3, "dim": 4}, {})
    assert solved(texts, l_0_a=(4,), l_2_b=(4,)) is None, "there is no layer 1"


def test_layers_may_be_of_two_sizes() -> None:
    texts = ("l.{depth}.a dim ~", "l.{depth}.a inner ~", "d dim", "i inner")
    assert solved(texts, l_0_a=(4,), l_1_a=(6,), d=(4,), i=(6,)) == ({"depth": 2, "dim": 4, "inner": 6}, {})
    assert solved(texts, l_0_a=(4,), l_1_a=(5,), d=(4,), i=(6,)) is None


def test_layers_within_layers_are_counted_apart() -> None:
    texts = ("l.{depth}.e.{experts}.w dim",)
    assert solved(texts, l_0_e_0_w=(4,), l_0_e_1_w=(4,), l_1_e_0_w=(4,), l_1_e_1_w=(4,)) == ({"depth": 2, "experts": 2, "dim": 4}, {})
    assert solved(texts, l_0_e_0_w=(4,), l_0_e_1_w=(4,), l_1_e_0_w=(4,)) is None


def test_stages_with_depths_of_their_own_are_told_apart() -> None:
    texts = ("s.0.l.{depths.0}.w dim", "s.1.l.{depths.1}.w 2*dim")
    assert solved(texts, s_0_l_0_w=(4,), s_1_l_0_w=(8,), s_1_l_1_w=(8,)) == ({"depths.0": 1, "depths.1": 2, "dim": 4}, {})
    assert solved(texts, s_0_l_0_w=(4,)) is None, "the names of the second stage are those of the first but for a number"


def test_tied_tensors_may_be_absent_and_a_scalar_may_be_a_vector_of_one() -> None:
    assert solved(("e vocab,dim", "h vocab,dim"), e=(9, 4)) == ({"vocab": 9, "dim": 4}, {})
    assert solved(("s -", "d dim"), s=(1,), d=(4,)) == solved(("s -", "d dim"), s=(), d=(4,)) == ({"dim": 4}, {})
    assert solved(("s -", "d dim"), s=(2,), d=(4,)) is None


# --- formulas ---------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["dim", "num_heads", "text_config.hidden_size", "depths.0"])
TERMS = st.builds(
    lambda above, below, powers: Term(above, below, tuple(sorted(powers.items()))),
    st.integers(1, 9),
    st.sampled_from([1, 7, 11]),
    st.dictionaries(NAMES, st.sampled_from([1, 2, -1, -2]), min_size=1, max_size=2),
)
FORMULAS = st.builds(lambda terms, constant: Formula(tuple(terms), constant), st.lists(TERMS, max_size=2), st.integers(-9, 9))


def lowest(formula: Formula) -> bool:
    return all(term.below == 1 or term.above % term.below for term in formula.terms)


@given(FORMULAS.filter(lowest))
def test_parsing_a_formula_inverts_writing_it(formula: Formula) -> None:
    assert parsed(str(formula)) == formula
    assert parsed("?a&b#2") == Formula((), 0, "a&b#2") and str(parsed("?a&b#2")) == "?a&b#2"


@given(TERMS, st.integers(0, 9), st.dictionaries(NAMES, st.integers(1, 10**4), min_size=4, max_size=4))
def test_solving_a_formula_inverts_its_value(term: Term, constant: int, values: dict[str, int]) -> None:
    formula = Formula((term,), constant)
    size = formula.value(values)
    if size is not None:
        for name in formula.settings:
            rest = {other: value for other, value in values.items() if other != name}
            assert formula.solved(size, rest) == values[name]


def test_a_formula_without_a_whole_number_has_no_value() -> None:
    assert parsed("1/4*dim").value({"dim": 6}) is None and parsed("1/4*dim").value({"dim": 8}) == 2
    assert parsed("dim^-1").value({"dim": 1 << 40}) is None
    with pytest.raises(ValueError, match=r"'a!' is no factor"):
        parsed("a!")


# --- settings as a configuration takes them ---------------------------------------------------------------------------


def test_settings_are_nested_as_the_configuration_is() -> None:
    library = {"depths": [3, 4], "ratio": 4.0, "text": {"model_type": "t", "dim": 8, "widths": [1, 2, 3]}}
    given_ = {"depths.1": 7, "ratio": 3, "text.dim": 2, "text.widths.0": 9, "act": "relu"}
    expected = {"depths": [3, 7], "ratio": 3.0, "text": {"model_type": "t", "dim": 2, "widths": [9, 2, 3]}, "act": "relu"}
    assert nested(given_, library) == expected and type(nested(given_, library)["ratio"]) is float
    assert nested({"text": {"dim": 2}}, library) == {"text": {"model_type": "t", "dim": 2}}


def test_dictionaries_with_other_keys_are_values() -> None:
    assert dict(flat({"a": {"b": 1}, "id2label": {0: "x"}, "empty": {}})) == {"a.b": 1, "id2label": {0: "x"}, "empty": {}}


def test_a_line_that_passes_settings_is_python() -> None:
    assert passed({"heads": 4, "text.act": "gelu"}) == ", heads=4, **{'text.act': 'gelu'}"


# --- the file ---------------------------------------------------------------------------------------------------------


def test_both_indices_together_are_small() -> None:
    assert len(FORM.read()) + len(NETWORKS.read()) <= 3_000_000


def test_every_template_is_found_by_its_own_names() -> None:
    templates = the_templates()
    for number in range(0, len(templates.members), 7):
        names = {starred(each.parts) for each in templates.lines(number)}
        assert number in templates.having(name.replace("*", "0") for name in names)


def test_every_formula_of_the_file_can_be_read() -> None:
    templates = the_templates()
    for number in range(0, len(templates.members), 7):
        for each in templates.lines(number):
            assert all(str(parsed(size)) == size for size in each.sizes)
            assert all(str(parsed(part[1:-1])) == part[1:-1] for part in each.parts if part.startswith("{"))


def test_settings_of_a_class_are_those_of_its_configuration() -> None:
    member = next(member for members in the_templates().members for member in members if member.name == "BertModel")
    assert the_templates().settings(member)["num_attention_heads"] == 12 and member.spelling == "transformers:BertModel"


def test_a_damaged_file_is_refused() -> None:
    data = bytearray((files("pthway.architecture.zoo") / FORM.file).read_bytes())
    data[-1] ^= 1
    with pytest.raises(CorruptFile, match=re.escape("transformers.bin, has another checksum")):
        Templates(bytes(data))
    with pytest.raises(CorruptFile, match="does not begin as an index does"):
        Templates(NETWORKS.read())
