"""Sketches: how many different hashes there were, by any number of merges."""

import numpy as np
import pytest

from clickloom.sketch import Sketch, count


def hashes(number: int, seed: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    return np.random.default_rng(seed).integers(0, 2**64, number, dtype=np.uint64)


@pytest.mark.parametrize("number", [0, 1, 2, 10, 100, 1_000, 5_000, 10_000, 20_000, 100_000, 1_000_000])
def test_it_counts_within_five_of_a_hundred(number: int) -> None:
    sketch = Sketch()
    sketch.add(hashes(number))
    assert abs(count(sketch.registers) - number) <= 0.05 * number


def test_parts_merged_in_any_order_are_the_whole() -> None:
    whole, parts, told = Sketch(), Sketch(), []
    all_of_them = hashes(50_000)
    whole.add(all_of_them)
    for part in np.array_split(all_of_them, 7):
        told.append(parts.add(part))
    assert parts.add(all_of_them) == b"", "known already"
    merged = Sketch()
    for changed in [*reversed(told), *told]:
        merged.merge(changed)
    assert (merged.registers == whole.registers).all()


def test_hashes_of_no_bit_and_of_all_bits_have_their_place() -> None:
    sketch = Sketch()
    sketch.add(np.array([0, 2**64 - 1], np.uint64))
    assert count(sketch.registers) == 2
    assert (sketch.registers[0], sketch.registers[-1]) == (53, 1)


def test_what_is_no_sketch_is_refused() -> None:
    for rubbish in (b"ab", b"\xff\xff\x01", b"\x00\x00\xff"):
        with pytest.raises(ValueError, match=r"registers|buffer"):
            Sketch().merge(rubbish)
