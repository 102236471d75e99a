"""Networks are recognised by the index that ships with the package. The networks here are built by hand, from their papers."""

import struct
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from pthway.architecture.build import shapes
from pthway.architecture.difference import Shape
from pthway.architecture.zoo.index import FORM, SKETCH, Index, line_hash, names_hash, the_index
from pthway.architecture.zoo.lookup import exact, tree_hash
from pthway.architecture.zoo.nearest import LARGEST, nearest
from pthway.architecture.zoo.packed import NUMBERS
from pthway.architecture.zoo.sizes import at, is_open, solved, written
from pthway.architecture.zoo.words import differences, separations
from pthway.errors import CorruptFile
from tests.architecture.residual import Residual, resnet50


def weights(**arguments: object) -> dict[str, Shape]:
    with torch.device("meta"):
        return shapes(Residual(**arguments))  # type: ignore[arg-type]


def weights50(**arguments: int) -> dict[str, Shape]:
    with torch.device("meta"):
        return shapes(resnet50(**arguments))


def below(prefix: str, tensors: Mapping[str, Shape]) -> dict[str, Shape]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def spelled(tensors: Mapping[str, Shape], tree: object = None) -> set[str]:
    return {reading.row.spelling for reading in exact(the_index(), tensors, tree).readings}  # type: ignore[arg-type]


# --- the whole network ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "channels"), [(1000, 3), (5, 3), (1000, 1), (2, 12)])
def test_a_network_is_recognised_whatever_its_classes_and_channels(classes: int, channels: int) -> None:
    found = exact(the_index(), weights(num_classes=classes, in_chans=channels))
    assert {"torchvision:resnet18", "timm:resnet18"} <= {reading.row.spelling for reading in found.readings}
    assert {(reading.classes, reading.channels) for reading in found.readings} == {(classes, channels)}


def test_the_tensors_that_show_classes_and_channels_are_named() -> None:
    found = exact(the_index(), weights(num_classes=5, in_chans=1)).readings[0]
    assert found.evidence == {"n": "fc.weight is [5, 512]: dimension 0", "c": "conv1.weight is [64, 1, 7, 7]: dimension 1"}


def test_two_names_of_one_network_are_one_answer() -> None:
    found = exact(the_index(), weights(depths=(3, 4, 6, 3)))
    assert len(found.networks) == 1
    assert {"torchvision:resnet34", "timm:resnet34"} <= {reading.row.spelling for reading in found.readings}


def test_a_builder_is_passed_only_what_it_takes() -> None:
    found = {reading.row.spelling: reading for reading in exact(the_index(), weights(num_classes=5, in_chans=1)).readings}
    assert found["timm:resnet18"].arguments == {"num_classes": 5, "in_chans": 1} and found["timm:resnet18"].buildable
    assert found["torchvision:resnet18"].arguments == {"num_classes": 5} and not found["torchvision:resnet18"].buildable


def test_files_without_batch_counters_are_recognised() -> None:
    old = {name: tensor for name, tensor in weights().items() if not name.endswith("num_batches_tracked")}
    assert len(old) < len(weights()) and spelled(old) == spelled(weights())


def test_a_network_without_its_head_is_built_without_one() -> None:
    found = {reading.row.spelling: reading.arguments for reading in exact(the_index(), weights(head=False)).readings}
    assert found["timm:resnet18"] == {"num_classes": 0} and all(name.startswith("timm:") for name in found)


@pytest.mark.parametrize("name", ["layer4.1.conv2.weight", "bn1.running_mean", "fc.bias"])
def test_a_network_that_lacks_a_tensor_is_not_recognised(name: str) -> None:
    tensors = weights()
    del tensors[name]
    assert spelled(tensors) == set()


def test_a_network_with_a_tensor_more_is_not_recognised() -> None:
    assert spelled({**weights(), "extra": Shape((1,), "float32")}) == set()


def test_a_network_with_a_tensor_of_another_shape_is_not_recognised() -> None:
    assert spelled({**weights(), "layer1.0.conv1.weight": Shape((64, 64, 5, 5), "float32")}) == set()


def test_classes_that_the_weights_contradict_are_not_recognised() -> None:
    assert spelled({**weights(num_classes=5), "fc.bias": Shape((6,), "float32")}) == set()


# --- networks that share their weights --------------------------------------------------------------------------------


def test_networks_of_the_same_weights_are_a_group_with_the_setting_that_keeps_them_apart() -> None:
    found = exact(the_index(), weights50())
    assert len(found.networks) > 1
    assert {"torchvision:resnet50", "timm:resnet50"} <= {reading.row.spelling for reading in found.networks[0]}
    told = separations(the_index(), found)
    assert "timm:resnetblur50: aa_layer=BlurPool2d" in told and "timm:resnetaa50: aa_layer=AvgPool2d" in told


def test_the_module_tree_keeps_twins_apart() -> None:
    tree = resnet50().state_dict()._metadata  # type: ignore[attr-defined]
    assert spelled(weights50(), tree) == {"torchvision:resnet50"}
    assert exact(the_index(), weights50(), tree).ruled_out == len(spelled(weights50())) - 1


def test_a_module_tree_that_no_release_has_is_no_evidence() -> None:
    assert spelled(weights50(), ["", "conv1", "bespoke"]) == spelled(weights50())


def test_the_root_does_not_count_in_a_module_tree() -> None:
    assert tree_hash(["", "a", "a.b"]) == tree_hash(["a.b", "a"]) != tree_hash(["a"])


# --- relatives --------------------------------------------------------------------------------------------------------


def test_an_encoder_in_a_segmenter_is_contained_and_not_the_network() -> None:
    decoder = {f"decoder.{at}.weight": Shape((8, 8, 3, 3), "float32") for at in range(40)}
    segmenter = {**below("encoder.", weights(head=False)), **decoder}
    assert spelled(segmenter) == set()
    best = nearest(the_index(), segmenter)[0]
    assert best.contained and best.prefix == "encoder." and "torchvision:resnet18" in {row.spelling for row in best.rows}
    counted = [name for name in weights(head=False) if not name.endswith("num_batches_tracked")]
    assert (best.shared, best.of_file, best.of_network) == (len(counted), len(counted) + 40, len(counted) + 2)
    assert best.coverage == len(counted) / (len(counted) + 40)


def test_an_encoder_without_a_prefix_is_contained_too() -> None:
    decoder = {f"decoder.{at}.weight": Shape((8, 8, 3, 3), "float32") for at in range(40)}
    best = nearest(the_index(), {**weights(head=False), **decoder})[0]
    assert best.contained and best.prefix == ""


def test_a_changed_network_is_like_its_origin_and_does_not_contain_it() -> None:
    changed = weights(depths=(2, 3, 2, 2))
    best = nearest(the_index(), changed)[0]
    assert "torchvision:resnet18" in {row.spelling for row in best.rows} and not best.contained
    assert differences(best, changed) == ["the checkpoint has 3 blocks in layer2, resnet18 builds 2 (10 tensors)"]


def test_another_head_is_told_in_words() -> None:
    changed = weights50()
    changed["fc.1.weight"], changed["fc.1.bias"] = Shape((7, 2048), "float32"), Shape((7,), "float32")
    del changed["fc.weight"], changed["fc.bias"]
    best = nearest(the_index(), changed)[0]
    assert "torchvision:resnet50" in {row.spelling for row in best.rows}
    assert any("fc.1" in line for line in differences(best, changed))


def test_what_is_like_nothing_has_no_relatives() -> None:
    assert nearest(the_index(), {f"block.{at}.scale": Shape((at + 7,), "float32") for at in range(50)}) == []
    assert nearest(the_index(), {}) == []


def test_relatives_are_looked_for_up_to_the_limit_and_not_past_it() -> None:
    own = below("encoder.", {name: tensor for name, tensor in weights().items() if not name.endswith("num_batches_tracked")})
    filler = {f"x{at}": Shape((1,), "float32") for at in range(LARGEST - len(own))}
    assert nearest(the_index(), {**own, **filler})[0].contained
    assert nearest(the_index(), {**own, **filler, "one.more": Shape((1,), "float32")}) == []


def test_a_hundred_thousand_names_are_refused_by_number() -> None:
    hostile = {f"{'a.' * (at % 50)}{at}": Shape((at,) * 8, "float32") for at in range(100_000)}
    assert spelled(hostile) == set() and nearest(the_index(), hostile) == []


# --- the file ---------------------------------------------------------------------------------------------------------


def data() -> bytes:
    return FORM.read()


def test_the_index_is_small() -> None:
    assert len(data()) <= 3_000_000


def test_every_listing_is_complete_and_leads_back_to_its_block() -> None:
    index = the_index()
    seen = 0
    for block in range(index.blocks):
        listing = index.listing(block)
        assert index.block(listing.names) == block and index.tensors(block) == len(listing.names) == len(set(listing.names))
        assert all(len(texts) == len(listing.names) for texts in listing.shapes.values())
        seen += len(listing.shapes)
    assert seen == len(index.rows)


def test_every_network_is_recognised_from_its_own_listing_with_other_classes_and_channels() -> None:
    index = the_index()
    for number in range(0, len(index.rows), 25):
        listing = index.listing(index.rows[number].block)
        tensors = {
            name: Shape(at(text, {"n": 77, "c": 5}), "float32") for name, text in zip(listing.names, listing.shapes[number], strict=True)
        }
        assert number in {reading.number for reading in exact(index, tensors).readings}


def test_the_networks_of_a_group_are_kept_apart_by_settings() -> None:
    index = the_index()
    for group, settings in enumerate(index.separations):
        rows = {number: row.network for number, row in enumerate(index.rows) if row.group == group}
        told = {number: [value for values in settings.values() for value, having in values.items() if number in having] for number in rows}
        assert all(told[a] != told[b] for a in rows for b in rows if rows[a] != rows[b]), settings


def test_a_damaged_index_is_refused() -> None:
    broken = bytearray(data())
    broken[-1] ^= 1
    with pytest.raises(CorruptFile, match="another checksum"):
        Index(bytes(broken))
    with pytest.raises(CorruptFile, match="another checksum"):
        Index(data()[:-1])
    with pytest.raises(CorruptFile, match="does not begin as an index does"):
        Index(data()[: len(FORM.magic)])


def test_an_index_of_another_version_is_refused() -> None:
    other = bytearray(data())
    struct.pack_into("<I", other, len(FORM.magic), FORM.version + 1)
    with pytest.raises(CorruptFile, match=f"of version {FORM.version + 1}, and this pthway reads version {FORM.version}"):
        Index(bytes(other))
    assert NUMBERS.unpack_from(data(), len(FORM.magic))[0] == FORM.version


def test_a_sketch_is_the_lines_with_the_smallest_hashes() -> None:
    index = the_index()
    number = next(at for at, row in enumerate(index.rows) if row.spelling == "torchvision:resnet18")
    listing = index.listing(index.rows[number].block)
    pairs = zip(listing.names, listing.shapes[number], strict=True)
    hashes = sorted({line_hash(f"{name} {text}") for name, text in pairs if not is_open(text)})
    assert [number in index.rows_with(line) for line in hashes] == [True] * SKETCH + [False] * (len(hashes) - SKETCH)


def test_names_are_a_set_to_the_hash() -> None:
    assert names_hash(["a", "b"]) == names_hash(["b", "a"]) != names_hash(["ab"])


# --- sizes ------------------------------------------------------------------------------------------------------------

SIZE = st.one_of(
    st.integers(0, 10**6).map(str), st.builds("{}{}{:+d}".format, st.integers(1, 99), st.sampled_from("nc"), st.integers(1, 9))
)


@given(st.lists(SIZE, max_size=5), st.integers(1, 10**5), st.integers(1, 100))
def test_solving_a_shape_inverts_writing_it(parts: list[str], classes: int, channels: int) -> None:
    text = written(parts)
    values = {"n": classes, "c": channels}
    found = solved(text, at(text, values))
    assert found == {letter: values[letter] for letter in "nc" if letter in text}


@pytest.mark.parametrize(
    ("text", "shape"), [("nx512", (5, 511)), ("nx512", (5,)), ("2n", (5,)), ("n+3", (3,)), ("nxn", (5, 6)), ("4", (5,)), ("-", (2,))]
)
def test_a_shape_that_cannot_be_is_not_solved(text: str, shape: tuple[int, ...]) -> None:
    assert solved(text, shape) is None


def test_a_scalar_fits_what_old_files_hold() -> None:
    assert written(()) == "-" and at("-", {}) == () and solved("-", ()) == {} and solved("-", (1,)) == {}


def test_a_size_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="'q' is no size of the index"):
        solved("q", (1,))


def test_modules_without_weights_do_not_matter_without_their_tree() -> None:
    plain = nn.Sequential(nn.Linear(2, 2))
    assert spelled(shapes(plain)) == set()
