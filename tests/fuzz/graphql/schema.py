"""The schema under test, whose resolvers read the truth and whose mutations write it."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, ParamSpec, TypeVar

import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.permission import BasePermission, PermissionExtension

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    restrict_cache,
    skip_cache,
)
from tests.fuzz.faces import at_once
from tests.fuzz.graphql.context import ResolverFailedError, context_of
from tests.fuzz.graphql.world import ACCOUNTS, OPENED, REDACTED, REFUSED, STAFF

P = ParamSpec("P")
R = TypeVar("R")


class AllowedByRequest(BasePermission):
    """Refuses the requests that were drawn to be refused, by raising."""

    message = REFUSED

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return info.field_name not in context_of(info).refused


class Redacted(AllowedByRequest):
    """Refuses by answering something else."""

    def on_unauthorized(self) -> Any:
        return REDACTED


class AllowedBySession(BasePermission):
    """Refuses everyone but the staff, by raising."""

    message = REFUSED

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return context_of(info).session in STAFF


class UnitOfWork(SchemaExtension):
    """Commits in its teardown what the mutations of a request wrote, whatever happened."""

    async def on_operation(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.execution_context.context.commit()


class SyncUnitOfWork(SchemaExtension):
    """The same in a thread."""

    def on_operation(self) -> Iterator[None]:
        try:
            yield
        finally:
            at_once(self.execution_context.context.commit())


def extension(cache: ResponseCache) -> ResponseCacheExtension:
    """Return the extension of a schema."""
    return ResponseCacheExtension(
        cache,
        tenant=lambda context: context.tenant,
        session=lambda context: context.session,
        vary={"locale": lambda context: context.locale},
        debug=lambda context: context.debug,
    )


def build(cache: ResponseCache, *, is_async: bool) -> strawberry.Schema:  # noqa: C901 - each field is a function
    """Return the schema with async resolvers, or the same one with sync resolvers.

    Resolvers are told apart by module and qualified name, which both have in common: so tasks and
    threads share their entries.

    Args:
        cache: The cache under test.
        is_async: Whether resolvers are async.
    """

    def resolver(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Any]:
        """Return a resolver; it is written once for both."""
        if is_async:
            return function

        @functools.wraps(function)
        def sync(*args: P.args, **kwargs: P.kwargs) -> R:
            return at_once(function(*args, **kwargs))

        return sync

    @strawberry.type
    class Line:
        text: str

    @strawberry.type
    class Account:
        id: strawberry.ID
        name: str
        listed: str | None = None

        @cache_control(ttl=10, stale=5)
        @strawberry.field
        @resolver
        async def balance(self, info: strawberry.Info) -> str:
            what, name = f"Account.balance/{self.id}", f"account {self.id}"
            (stamp,) = await context_of(info).read(info, "Account.balance", (what, name))
            return stamp

        @cache_control(ttl=10, scope=CacheScope.PRIVATE)
        @strawberry.field
        @resolver
        async def remark(self, info: strawberry.Info) -> str | None:
            context = context_of(info)
            what, name = f"Account.remark/{self.id}", f"account {self.id}"
            (stamp,) = await context.read(info, "Account.remark", (what, name), whose=context.user)
            return stamp

        @cache_control(inherit=True)
        @strawberry.field(permission_classes=[AllowedBySession])  # type: ignore[untyped-decorator] # Strawberry's
        @resolver
        async def secret(self, info: strawberry.Info) -> str | None:
            what, name = f"Account.secret/{self.id}", f"account {self.id}"
            (stamp,) = await context_of(info).read(info, "Account.secret", (what, name))
            return stamp

        @cache_control(inherit=True)
        @strawberry.field
        @resolver
        async def history(self, info: strawberry.Info) -> list[Line]:
            wanted = (f"Line.text/{self.id}", f"account {self.id}")
            stamps = await context_of(info).read(info, "Account.history", wanted, wanted)
            return [Line(text=stamp) for stamp in stamps]

    @strawberry.type
    class User:
        id: strawberry.ID
        name: str

        @cache_control(ttl=10)
        @strawberry.field
        @resolver
        async def inbox(self, info: strawberry.Info) -> str | None:
            what, name = f"User.inbox/{self.id}", f"user {self.id}"
            (stamp,) = await context_of(info).read(info, "User.inbox", (what, name), whose=self.id)
            return stamp

    @strawberry.type
    class Rate:
        percent: str

    async def account_of(info: strawberry.Info, coordinate: str, number: str) -> Account:
        wanted = (f"Account.name/{number}", f"account {number}")
        (name,) = await context_of(info).read(info, coordinate, wanted)
        return Account(id=strawberry.ID(number), name=name)

    async def user_of(info: strawberry.Info, coordinate: str, user: str) -> User:
        wanted = (f"User.name/{user}", f"user {user}")
        (name,) = await context_of(info).read(info, coordinate, wanted, whose=user)
        return User(id=strawberry.ID(user), name=name)

    async def rate_of(info: strawberry.Info, coordinate: str) -> Rate:
        (percent,) = await context_of(info).read(info, coordinate, ("Rate.percent/", "rate"))
        return Rate(percent=percent)

    async def memo_of(info: strawberry.Info, coordinate: str, **more: str) -> str:
        (stamp,) = await context_of(info).read(info, coordinate, (f"{coordinate}/", "memo"), **more)
        return stamp

    @strawberry.type
    class Query:
        @cache_control(ttl=5, stale=5)
        @strawberry.field
        @resolver
        async def account(self, info: strawberry.Info, id: strawberry.ID) -> Account | None:  # noqa: A002 - GraphQL's name
            return await account_of(info, "Query.account", id)

        @cache_control(ttl=1, stale=0.5)
        @strawberry.field
        @resolver
        async def accounts(self, info: strawberry.Info) -> list[Account]:
            wanted = [
                wanted
                for number in ACCOUNTS
                for wanted in (
                    (f"Account.name/{number}", f"account {number}"),
                    (f"Account.listed/{number}", "accounts"),
                )
            ]
            stamps = iter(await context_of(info).read(info, "Query.accounts", *wanted))
            return [
                Account(id=strawberry.ID(number), name=next(stamps), listed=next(stamps))
                for number in ACCOUNTS
            ]

        @cache_control(ttl=5, scope=CacheScope.PRIVATE)
        @strawberry.field
        @resolver
        async def me(self, info: strawberry.Info) -> User | None:
            session = context_of(info).session
            return None if session is None else await user_of(info, "Query.me", session)

        @cache_control(ttl=5)
        @strawberry.field
        @resolver
        async def rate(self, info: strawberry.Info) -> Rate | None:
            return await rate_of(info, "Query.rate")

        @cache_control(ttl=0.1, stale=5, tags=["topic:{args.topic}"])
        @strawberry.field
        @resolver
        async def notice(self, info: strawberry.Info, topic: str) -> str | None:
            wanted = (f"Query.notice/{topic}", f"topic {topic}")
            (stamp,) = await context_of(info).read(info, "Query.notice", wanted)
            return stamp

        @cache_control(ttl=5, tags=["memo"])
        @strawberry.field
        @resolver
        async def memo(self, info: strawberry.Info) -> str | None:
            return await memo_of(info, "Query.memo")

        @cache_control(ttl=5, tags=["memo"], vary=["locale"])
        @strawberry.field
        @resolver
        async def greeting(self, info: strawberry.Info) -> str | None:
            context = context_of(info)
            wanted = (f"Query.greeting/{context.locale}", "memo")
            (stamp,) = await context.read(info, "Query.greeting", wanted)
            return stamp

        @cache_control(ttl=5)
        @strawberry.field
        @resolver
        async def drafts(self, info: strawberry.Info) -> str | None:
            context = context_of(info)
            restrict_cache(info, scope=CacheScope.PRIVATE, tags=["drafts"])
            wanted = ("Query.drafts/", "drafts")
            (stamp,) = await context.read(info, "Query.drafts", wanted, whose=context.user)
            return stamp

        @cache_control(ttl=5, tags=["memo"])
        @strawberry.field
        @resolver
        async def limited(self, info: strawberry.Info) -> str | None:
            restrict_cache(info, ttl=0.05)
            return await memo_of(info, "Query.limited")

        @cache_control(ttl=5, tags=["memo"])
        @strawberry.field
        @resolver
        async def skipped(self, info: strawberry.Info) -> str | None:
            skip_cache(info)
            return await memo_of(info, "Query.skipped", whose=context_of(info).name)

        @strawberry.field
        @resolver
        async def now(self, info: strawberry.Info) -> str | None:
            return await memo_of(info, "Query.now", whose=context_of(info).name)

        @cache_control(ttl=5, tags=["memo"], scope=CacheScope.PUBLIC)
        @strawberry.field(permission_classes=[AllowedByRequest])  # type: ignore[untyped-decorator] # Strawberry's
        @resolver
        async def vault(self, info: strawberry.Info) -> str | None:
            return await memo_of(info, "Query.vault")

        @cache_control(ttl=5, tags=["memo"], scope=CacheScope.PUBLIC)
        @strawberry.field(permission_classes=[Redacted])  # type: ignore[untyped-decorator] # Strawberry's
        @resolver
        async def safe(self, info: strawberry.Info) -> str | None:
            return await memo_of(info, "Query.safe")

        @cache_control(ttl=5, tags=["memo"])
        @strawberry.field(  # type: ignore[untyped-decorator] # Strawberry's
            extensions=[PermissionExtension([AllowedByRequest()], fail_silently=True)]
        )
        @resolver
        async def desk(self, info: strawberry.Info) -> list[str]:
            return [await memo_of(info, "Query.desk")]

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        @resolver
        async def deposit(
            self,
            info: strawberry.Info,
            id: strawberry.ID,  # noqa: A002 - GraphQL's name
            token: str,
        ) -> Account | None:
            """Change an account, and return it."""
            await context_of(info).write(info, token, f"account {id}")
            return await account_of(info, "Mutation.deposit", id)

        @invalidates("Account:{args.id}")
        @strawberry.mutation
        @resolver
        async def withdraw(
            self,
            info: strawberry.Info,
            id: strawberry.ID,  # noqa: A002 - GraphQL's name
            token: str,
        ) -> bool | None:
            """Change an account, and fail if that was drawn."""
            await context_of(info).write(info, token, f"account {id}")
            if "Mutation.withdraw" in context_of(info).fails:
                raise ResolverFailedError
            return True

        @strawberry.mutation
        @resolver
        async def open(self, info: strawberry.Info, token: str) -> Account | None:
            """Change the list of accounts, and return an account that is in no cached answer."""
            context = context_of(info)
            await context.write(info, token, "accounts")
            wanted = (f"Account.listed/{OPENED}", "accounts")
            (listed,) = await context.read(info, "Mutation.open", wanted)
            return Account(id=strawberry.ID(OPENED), name="", listed=listed)

        @strawberry.mutation
        @resolver
        async def reprice(self, info: strawberry.Info, token: str) -> Rate | None:
            """Change something without an identity, and return it."""
            await context_of(info).write(info, token, "rate")
            return await rate_of(info, "Mutation.reprice")

        @invalidates("topic:{args.topic}")
        @strawberry.mutation
        @resolver
        async def announce(self, info: strawberry.Info, topic: str, token: str) -> bool | None:
            """Change what only a tag names."""
            await context_of(info).write(info, token, f"topic {topic}")
            return True

        @strawberry.mutation
        @resolver
        async def note(self, info: strawberry.Info, token: str) -> bool | None:
            """Change what only a tag names, and invalidate it here."""
            context = context_of(info)
            await context.write(info, token, "memo")
            await context.face.invalidate_in(info, "memo")
            await context.pause()
            return True

        @strawberry.mutation
        @resolver
        async def publish(self, info: strawberry.Info, token: str) -> bool | None:
            """Change what a resolver gave a tag, and invalidate it here."""
            context = context_of(info)
            await context.write(info, token, "drafts")
            await context.face.invalidate_in(info, "drafts")
            return True

        @strawberry.mutation
        @resolver
        async def rename(self, info: strawberry.Info, token: str) -> User | None:
            """Change the user who asks, and return that user."""
            context = context_of(info)
            await context.write(info, token, f"user {context.user}")
            return await user_of(info, "Mutation.rename", context.user)

    extended = extension(cache)
    # The order in which extensions are registered makes no difference.
    extensions: list[Any] = [UnitOfWork, extended] if is_async else [extended, SyncUnitOfWork]
    schema = strawberry.Schema(Query, Mutation, extensions=extensions)
    extended.check(schema)
    return schema
