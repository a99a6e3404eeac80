"""Mutations of a blueprint's data, each of which says in its own way what it invalidates."""

import asyncio
from dataclasses import dataclass
from typing import Any

import strawberry
from hypothesis import strategies as st

from strawberry_response_cache import invalidate_sync, invalidates
from tests.graphql.generated.honest_world import IDS, Unfillable
from tests.graphql.generated.schemas import ROOT, Blueprint


@dataclass(frozen=True)
class Change:
    """Something that changes.

    Attributes:
        way: How the cache is told: a tag is invalidated directly, or a mutation runs.
        tenant: Whose data.
        tag: What changes: what this tag names.
        kind: The type of the object that a mutation returns.
        identity: The id of that object.
    """

    way: str
    tenant: str
    tag: str
    kind: str = ""
    identity: str | None = None

    def mutation(self, *, later: bool = False) -> str:
        """The mutation that changes it; of some there is one that is awaited."""
        if self.way == "touch":
            return f"mutation {{ touch{self.kind} {{ __typename }} }}"
        below = " { done }" if self.way in {"fail", "lose"} else ""
        return f'mutation {{ {self.way}{"Later" * later}(tag: "{self.tag}"){below} }}'

    def tags(self, reach: str) -> tuple[str, ...]:
        """All that it changes, if mutations reach as far as `invalidate_on_mutation` says."""
        of_lists = self.way == "touch" and reach == "lists"
        return (self.tag, f"[{self.kind}]") if of_lists else (self.tag,)


@strawberry.type
class Lost:
    """What a mutation returns of which no tag can be made."""

    done: bool = True
    odd: strawberry.Private[Any] = None


def mutation_of(blueprint: Blueprint, classes: dict[str, Any]) -> Any:
    """Make the mutation type; each mutation does the change that its context brings."""

    def cut(info: strawberry.Info, tag: str) -> bool:
        info.context["change"]()
        return True

    def fail(info: strawberry.Info, tag: str) -> Lost:
        info.context["change"]()
        msg = "it failed, and had changed something"
        raise RuntimeError(msg)

    def lose(info: strawberry.Info, tag: str) -> Lost:
        info.context["change"]()
        return Lost(odd=Unfillable())

    @strawberry.mutation
    def early(info: strawberry.Info, tag: str) -> bool:
        if info.context["cached"]:
            invalidate_sync(info, tag)
        info.context["between"]()
        info.context["change"]()
        return True

    body: dict[str, Any] = {"__annotations__": {}, "early": early}
    for resolver, tags in (
        (cut, ("{args.tag}",)),
        (fail, ("{args.tag}", "{result.tag}")),
        (lose, ("{args.tag}{result.odd}",)),
    ):
        for each in (resolver, _later(resolver)):
            body[each.__name__] = invalidates(*tags)(strawberry.mutation(each))
    for kind in blueprint.types:
        if not kind.abstract and kind.name != ROOT:
            body[f"touch{kind.name}"] = _touch(kind.name, classes[kind.name])
    return strawberry.type(type("Mutation", (), body))


def _later(resolver: Any) -> Any:
    """The same mutation, as one that is awaited."""

    async def later(info: strawberry.Info, tag: str) -> Any:
        await asyncio.sleep(0)
        return resolver(info, tag)

    later.__name__ = f"{resolver.__name__}Later"
    later.__annotations__ = resolver.__annotations__
    return later


def _touch(kind: str, cls: Any) -> Any:
    def touch(info: strawberry.Info) -> Any:
        info.context["change"]()
        made = cls.__new__(cls)
        made.world, made.identity = info.context["world"], info.context["identity"]
        return made

    touch.__annotations__["return"] = cls
    return strawberry.mutation(resolver=touch, name=f"touch{kind}")


@st.composite
def changes(draw: st.DrawFn, blueprint: Blueprint, tenants: list[str]) -> Change:
    """A change of what is there, or of what is selected by a name."""
    tenant = draw(st.sampled_from(tenants))
    way = draw(
        st.sampled_from(["direct", "touch", "touch", "cut", "fail", "lose", "early", "early"])
    )
    kinds = [each.name for each in blueprint.types if not each.abstract and each.name != ROOT]
    if blueprint.tags and (not kinds or draw(st.sampled_from([False, True]))):
        way = "direct" if way == "touch" else way
        return Change(way, tenant, draw(st.sampled_from(blueprint.tags)))
    kinds = kinds or [ROOT]
    kind = draw(st.sampled_from(kinds))
    identity = draw(st.sampled_from([*IDS, None])) if blueprint.has_id(kind) else None
    if way == "touch":
        tag = kind if identity is None else f"{kind}:{identity}"
        return Change(way, tenant, tag, kind, identity)
    own = [kind, f"[{kind}]", *(f"{kind}:{each}" for each in IDS)]
    return Change(way, tenant, draw(st.sampled_from(own)))


@st.composite
def several_changes(
    draw: st.DrawFn, blueprint: Blueprint, tenants: list[str]
) -> tuple[Change, ...]:
    """Some changes; one that clears a tenant stands alone, since it would hide what others lack."""
    drawn = [draw(changes(blueprint, tenants)) for _ in range(draw(st.integers(1, 3)))]
    alone = [each for each in drawn if each.way == "lose"]
    return tuple(alone[:1] or drawn)
