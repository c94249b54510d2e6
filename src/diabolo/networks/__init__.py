"""Networks: what turns x into features h (encoder) and a code z back into outputs (decoder).

A network never knows which bottleneck or likelihood it feeds.
"""

from __future__ import annotations

from diabolo.networks.base import Network
from diabolo.networks.mlp import MLP

NETWORKS: dict[str, type[Network]] = {"mlp": MLP}

__all__ = ["MLP", "NETWORKS", "Network"]
