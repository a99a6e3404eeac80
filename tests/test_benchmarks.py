"""The benchmarks run: what they measure is for people to read."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.delay import delaying, port_of


@pytest.mark.parametrize("hold", [0.0, 0.002])
def test_a_delaying_proxy_passes_everything_on_in_order(hold: float) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async def ask() -> tuple[bytes, bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = await delaying(port_of(server), lambda: hold)
        async with server, proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(proxy))
            for number in range(100):
                writer.write(b"%d;" % number)
                await writer.drain()
            found = await reader.readexactly(len(_SENT))
            writer.write_eof()
            rest = await reader.read()
            writer.close()
            return found, rest

    assert asyncio.run(ask()) == (_SENT, b"")


_SENT = b"".join(b"%d;" % number for number in range(100))


def test_a_delaying_proxy_without_a_server_closes_the_connection() -> None:
    async def ask() -> bytes:
        gone = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = port_of(gone)
        gone.close()
        await gone.wait_closed()
        async with await delaying(port, lambda: 0.0) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(proxy))
            said = await reader.read()
            writer.close()
            return said

    assert asyncio.run(ask()) == b""


def test_the_plot_of_results_over_http_is_an_svg(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is in the group benchmark")
    figures = [
        {
            "server": server,
            "cache": cache,
            "n": 20,
            "connections": connections,
            "delay_ms": delay_ms,
            "rounds": [{"per_second": 1000.0, "p50_ms": 1.0}],
        }
        for server, cache in [("ours", "redis"), ("ours", "memory"), ("a constant answer", "none")]
        for connections in (1, 32)
        for delay_ms in (0, 0.5)
        if cache != "none" or not delay_ms
    ]
    written, image = tmp_path / "http.json", tmp_path / "http.svg"
    written.write_text(json.dumps(figures), "utf-8")
    command = [sys.executable, "-m", "benchmarks.http.plot", str(written), str(image)]
    subprocess.run(command, check=True, timeout=60)
    assert image.read_text("utf-8").count("</svg>") == 1


@pytest.mark.exhaustive
def test_the_benchmark_over_http_measures_each_number_of_connections_and_each_delay(
    tmp_path: Path,
) -> None:
    pytest.importorskip("uvicorn", reason="the servers run on uvicorn")
    written = tmp_path / "http.json"
    command = [sys.executable, "-m", "benchmarks.http", "--only", "this package's middleware"]
    command += ["--connections", "1", "2", "--delay-ms", "0", "1", "--sizes", "1", "--keys", "2"]
    command += ["--seconds", "1", "--rounds", "1", "--json", str(written)]
    subprocess.run(command, check=True, timeout=300)
    figures = json.loads(written.read_text("utf-8"))
    assert {(each["connections"], each["delay_ms"]) for each in figures} == {
        (connections, delay_ms) for connections in (1, 2) for delay_ms in (0, 1)
    }
    assert all(one["per_second"] > 0 and not one["refused"] for e in figures for one in e["rounds"])


def test_a_confidence_interval_is_not_moved_by_a_few_disturbed_rounds() -> None:
    from benchmarks.telemetry import interval

    quiet = [number / 100 for number in range(100)]
    median, low, high = interval([*quiet, *[1e6] * 5])
    assert (median, low < 0.45, 0.55 < high < 1) == (0.52, True, True)
    assert interval([1.0]) == (1.0, 1.0, 1.0)
