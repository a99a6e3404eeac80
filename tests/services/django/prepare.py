"""Create the tables and the rows: ``python -m tests.services.django.prepare``."""

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    from tests.services.django.models import populate

    call_command("migrate", verbosity=0)  # those that the models point to
    call_command("migrate", run_syncdb=True, verbosity=0)
    populate()
