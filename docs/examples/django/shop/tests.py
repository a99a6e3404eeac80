from typing import Any

from django.contrib.auth.models import User
from django.test import TestCase

from shop.models import Author, Book, Order
from shop.schema import schema
from strawberry_response_cache.django import get_cache
from strawberry_response_cache.testing import (
    assert_hit,
    assert_invalidated,
    assert_miss,
    clear_all_tenants_sync,
    record,
)


class CacheTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        author = Author.objects.create(name="Ursula")
        cls.book = Book.objects.create(title="Rocannon", author=author)
        cls.users = [User.objects.create(username=name) for name in ("alice", "bob")]
        Order.objects.create(user=cls.users[0], book=cls.book)

    def setUp(self) -> None:
        clear_all_tenants_sync(get_cache())
        self.recording = self.enterContext(record(schema))

    def ask(self, query: str) -> Any:
        response = self.client.post("/graphql/", {"query": query}, content_type="application/json")
        return response.json()["data"]

    def test_a_hit_makes_no_query(self) -> None:
        query = "{ books { title authorName reviewCount author { name } } }"
        first = self.ask(query)
        assert_miss(self.recording.last)
        with self.assertNumQueries(2):  # the savepoint of ATOMIC_REQUESTS in a test
            self.assertEqual(self.ask(query), first)
        assert_hit(self.recording.last)

    def test_a_mutation_refreshes(self) -> None:
        query = "{ shelf { edges { node { id title } } } }"
        (edge,) = self.ask(query)["shelf"]["edges"]
        change = f'{{id: "{edge["node"]["id"]}", title: "Exile"}}'
        with self.captureOnCommitCallbacks(execute=True):  # the commit of ATOMIC_REQUESTS
            self.ask(f"mutation {{ updateBook(data: {change}) {{ id }} }}")
        assert_invalidated(self.recording.last, f"BookType:{self.book.pk}", "[BookType]")
        (edge,) = self.ask(query)["shelf"]["edges"]
        self.assertEqual(edge["node"]["title"], "Exile")

    def test_what_is_saved_elsewhere_refreshes(self) -> None:
        query = "{ books { title price } }"
        self.ask(query)
        self.book.title = "Tombs"
        self.book.save()
        self.assertEqual(self.ask(query)["books"], [{"title": "Tombs", "price": 10}])
        Book.objects.update(price=12)
        self.assertEqual(self.ask(query)["books"], [{"title": "Tombs", "price": 12}])

    def test_each_user_has_their_own_orders(self) -> None:
        query = "{ orders { book { title } } }"
        said = []
        for user in (*self.users, *self.users):
            self.client.force_login(user)
            said.append(len(self.ask(query)["orders"]))
        self.assertEqual(said, [1, 0, 1, 0])
        assert_hit(self.recording.last)

    def test_visitors_get_no_bargains(self) -> None:
        query = "{ bargains { title } }"
        self.client.force_login(self.users[0])
        self.assertEqual(len(self.ask(query)["bargains"]), 1)
        self.client.logout()
        self.assertEqual(self.ask(query)["bargains"], [])
