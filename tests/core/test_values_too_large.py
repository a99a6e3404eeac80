"""What is too large to be stored is noticed before it is copied."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core.serialization.codec import dump, measured

LARGE = 1_000_000
FEW = settings().max_examples // 4
"""Of values that may be large themselves."""

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@settings(max_examples=FEW)
@given(plain)
def test_no_value_that_fits_counts_as_too_large(value: Any) -> None:
    try:
        size = len(dump(value))
    except ValueError:  # a lone surrogate, or an infinite float
        return
    assert measured(value)[0] <= size


@settings(max_examples=FEW)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text("ab") | st.integers(0, 9),
        lambda children: st.lists(children) | st.dictionaries(st.text("ab"), children),
    )
)
def test_a_text_of_ascii_is_measured_to_the_byte(value: Any) -> None:
    size = len(dump(value).replace(b"null", b"0").replace(b"true", b"1").replace(b"false", b"0"))
    assert measured(value) == (size, None)


@pytest.fixture
def _traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize(
    ("value", "as_type", "copies"),
    [
        ("x" * LARGE, None, 0),
        ([{"text": f"{number:01000}"} for number in range(LARGE // 1000)], None, 0),
        ("x" * LARGE, str, 1),
        ([f"{number:01000}" for number in range(LARGE // 1000)], list[str], 1),
    ],
    ids=["a text", "many texts", "a typed text", "typed texts"],
)
async def test_a_value_is_measured_before_it_is_copied(
    new_cache: Callable[..., ResponseCache], value: object, as_type: Any, copies: int
) -> None:
    cache = new_cache("memory://", max_entry_bytes=LARGE // 2)

    async def generate() -> object:
        return value

    async def remember() -> object:
        return await cache.remember(["key"], 60, generate, as_type=as_type)

    await remember()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    response: Any = await remember()
    _, peak = tracemalloc.get_traced_memory()
    assert response.detail is CacheDetail.TOO_LARGE
    assert peak - before < (copies + 0.5) * LARGE
