vcl 4.1;

backend default {
    .host = "127.0.0.1";
    .port = "8000";
}

sub vcl_backend_response {
    # Varnish serves a response for ten more seconds unless it is told otherwise.
    if (beresp.http.Cache-Control !~ "stale-while-revalidate") {
        set beresp.grace = 0s;
    }
    # Ask with If-None-Match for what has expired.
    set beresp.keep = 10m;
}
