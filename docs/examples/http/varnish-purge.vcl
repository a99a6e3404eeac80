# Include it in your configuration: responses are purged by the names in their header "xkey".
# The module xkey is in the package varnish-modules.
import xkey;

acl purgers {
    "127.0.0.1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403));
        }
        # Purged at once. xkey.softpurge() keeps them for the stale window.
        set req.http.purged = xkey.purge(req.http.xkey-purge);
        return (synth(200, "Purged " + req.http.purged));
    }
}

sub vcl_deliver {
    # The names are for Varnish only.
    unset resp.http.xkey;
}
