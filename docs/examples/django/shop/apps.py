from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self) -> None:
        from shop.schema import schema
        from strawberry_response_cache.django import invalidate_on_save

        invalidate_on_save(schema)  # here, so that workers and commands invalidate as well
