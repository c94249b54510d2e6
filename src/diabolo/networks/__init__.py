"""Networks: what turns x into features h (encoder) and a code z back into outputs (decoder).

A network never knows which bottleneck or likelihood it feeds.
"""

from __future__ import annotations

from diabolo.networks.base import Network
from diabolo.networks.conv import Conv
from diabolo.networks.conv1d import Conv1d
from diabolo.networks.mlp import MLP

NETWORKS: dict[str, type[Network]] = {"mlp": MLP, "conv": Conv, "conv1d": Conv1d}

__all__ = ["MLP", "NETWORKS", "Conv", "Conv1d", "Network"]
