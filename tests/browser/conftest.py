"""The shared demo site."""

from tests.demo_site import published

__all__ = ["published"]
