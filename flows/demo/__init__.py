"""A seeded sample network's exports, with planted truth; it knows nothing of protocols."""

from __future__ import annotations

from flows.demo.network import DemoSummary, is_demo_folder, write_network

__all__ = ["DemoSummary", "is_demo_folder", "write_network"]
