"""One number or two: equal values have one form, anything else is refused."""

import pytest

from convchoice.config.pairs import canonical_pair, once, pair_of, shown
from convchoice.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "canonical", "both"),
    [(3, 3, (3, 3)), ([3, 3], 3, (3, 3)), ((3, 5), [3, 5], (3, 5)), ([5, 1], [5, 1], (5, 1))],
)
def test_equal_values_have_one_form(given: object, canonical: object, both: object) -> None:
    made = canonical_pair("conv.kernel_size", given, 1)
    assert made == canonical
    assert pair_of(made) == both
    assert once(pair_of(made)) == made


@pytest.mark.parametrize(
    "given", [0, -1, 2**31, 3.0, True, "3", "35", None, [], [3], [3, 0], [1, 2, 3], [3, True], {}]
)
def test_what_is_no_size_is_refused_by_name(given: object) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^conv\.stride = .*: must be a whole number of at least 1, or \["
    ):
        canonical_pair("conv.stride", given, 1)


def test_a_pair_is_shown_once_where_its_numbers_agree() -> None:
    assert shown((3, 3)) == "3"
    assert shown((3, 1_000)) == "3×1,000"
