"""The programs are run by the tests, and not imported into the process that collects them."""

collect_ignore = ["programs"]
