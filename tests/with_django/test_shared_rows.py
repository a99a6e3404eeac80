"""Models whose rows are rows of each other."""

from itertools import product

import pytest

from strawberry_response_cache.graphql._compat.django_fields import share_rows
from tests.with_django.models import Atlas, Author, Book, Genre, Volume, Writer


@pytest.mark.parametrize("ones", [(Book, Atlas, Volume), (Author, Writer)])
def test_a_model_its_proxies_and_its_subclasses_share_rows(ones: tuple[type, ...]) -> None:
    """A proxy of a parent table and a model that inherits the table too, although neither inherits from the other."""
    assert all(share_rows(one, other) for one, other in product(ones, repeat=2))


@pytest.mark.parametrize("other", [Author, Writer, Genre])
def test_models_of_different_tables_share_no_rows(other: type) -> None:
    for model in (Book, Atlas, Volume):
        assert not share_rows(model, other)
        assert not share_rows(other, model)
