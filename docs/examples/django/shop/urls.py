from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from shop.schema import schema
from strawberry_response_cache.django import GraphQLView

urlpatterns = [path("graphql/", csrf_exempt(GraphQLView.as_view(schema=schema)))]
