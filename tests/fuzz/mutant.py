"""What a mutant is: a damage to the library, done in one process only, and how it shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tests.fuzz.checker import STALE
from tests.fuzz.options import FaceName

LOCALLY: Final = {"local_bytes": 1_000_000}
"""The options of a run with local memory."""

Struck: TypeAlias = Callable[[], None]
"""To be called whenever the damaged place is reached."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damage, and under which circumstances it shows.

    Attributes:
        damage: Does the damage to the library in this process.
        options: What a run needs for it to show, as fields of `Options`.
        kind: The kind of violation by which it shows.
        face: What the callers of the run use.
    """

    damage: Callable[[Struck], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = STALE
    face: FaceName = "core"


def patch(owner: Any, name: str, damaged: object) -> None:
    """Replace an attribute of a class or module, which it must have."""
    assert name in vars(owner), f"{owner.__name__} has no {name} any more"
    setattr(owner, name, damaged)
