"""Measure everything and print one table; see `benchmarks.core`."""

PEERS = {"aiocache", "cashews", "dogpile"}

try:
    from benchmarks.core.run import main
except ModuleNotFoundError as missing:
    if missing.name is None or missing.name.partition(".")[0] not in PEERS:
        raise
    msg = (
        f"{missing.name} is not installed. The caches to compare with are a group of their own: "
        "uv run --group benchmark python -m benchmarks.core"
    )
    raise SystemExit(msg) from None

main()
