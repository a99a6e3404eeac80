"""A Django project behind real servers: no stale read after a commit, no row of another user, no SQL for a hit."""

from typing import Final

import pytest

from tests.services.django.load import run
from tests.services.django.serving import served
from tests.services.postgres import why_not

SECONDS: Final = 8
ON_POSTGRESQL: Final = pytest.mark.skipif(bool(why_not()), reason=why_not())

pytest.importorskip("gunicorn", reason="needs `uv run --group services`")


@pytest.mark.parametrize(
    ("server", "database"),
    [
        ("gunicorn", "sqlite"),
        ("uvicorn", "sqlite"),
        pytest.param("gunicorn --preload", "postgresql", marks=ON_POSTGRESQL),
        pytest.param("uvicorn", "postgresql", marks=ON_POSTGRESQL),
    ],
)
def test_no_answer_under_load_is_stale_or_foreign_and_hits_send_no_sql(
    server: str, database: str
) -> None:
    with served(server, database) as url:
        report = run(url, SECONDS)
    assert report.wrong == []
    assert report.counted["compared"] > 0
    assert set(report.statements["hit"]) == {0}
