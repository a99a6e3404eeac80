"""Keys: under which key a response is stored."""
