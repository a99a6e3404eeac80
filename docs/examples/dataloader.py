"""A DataLoader that loads only what the cache lacks."""

import asyncio
from dataclasses import dataclass

from strawberry.dataloader import DataLoader

from strawberry_response_cache import ResponseCache


@dataclass
class Account:
    id: int
    name: str


cache = ResponseCache.from_url("memory://", prefix="dataloader")


async def read_accounts(ids: list[int]) -> list[Account]:
    print("... reading", ids)
    return [Account(each, f"Account {each}") for each in ids]


def make_loader() -> DataLoader[int, Account]:
    """Return the loader of one request."""

    async def load(ids: list[int]) -> list[Account | Exception]:
        return await cache.remember_many(
            ids,
            60,
            read_accounts,
            key=lambda each: ["account", str(each)],
            tags=lambda each, _: [f"Account:{each}"],
            as_type=Account,
        )

    return DataLoader(load_fn=load)


async def main() -> None:
    print(await make_loader().load_many([1, 2]))
    print(await make_loader().load_many([2, 3]))
    await cache.invalidate("Account:2")
    print(await make_loader().load_many([1, 2, 3]))
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
