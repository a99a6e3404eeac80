"""The core without GraphQL: `remember`, tags, and the decorator `cached`."""

import asyncio
from dataclasses import dataclass
from datetime import date

from strawberry_response_cache import ResponseCache


@dataclass
class Page:
    number: int
    closed_on: date


cache = ResponseCache.from_url("memory://", prefix="core")


async def read_page() -> Page:
    print("... reading page 2")
    return Page(2, date(2026, 1, 31))


@cache.cached(ttl=60, tags=["ledger"])
async def closing_day(year: int, *, month: int = 12) -> date:
    print(f"... reading the calendar of {year}")
    return date(year, month, 28)


async def main() -> None:
    for _ in range(2):
        page = await cache.remember(
            ["/v1/ledger", "page=2"], 30, read_page, as_type=Page, tags=["ledger"]
        )
        print(page.status, page.detail, page.value)
    print(await closing_day(2026), await closing_day(2026, month=12))
    await cache.forget(closing_day.key_parts(2026))
    print(await closing_day(2026))
    await cache.invalidate("ledger")
    print(await closing_day(2026))
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
