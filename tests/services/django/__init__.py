"""A Django project with users, permissions and mutations, served by gunicorn and uvicorn, and a driver of load."""
