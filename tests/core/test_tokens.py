"""Tokens identify leases, writes and epochs, so no token may be given twice."""

from strawberry_response_cache.core.protocol.tokens import _Tokens, new_token


def test_no_token_is_given_twice() -> None:
    """Not in two processes, nor in a forked child, which begins anew."""
    one, other = _Tokens(), _Tokens()
    tokens = [each.next() for each in (one, other) for _ in range(300)]
    one.begin()
    tokens += [one.next(), new_token(), new_token()]
    assert len(set(tokens)) == 603
    assert len({len(token) for token in tokens}) == 1, "none is the prefix of another"
