"""Conv-6 in PyTorch; the specification is `gpugap.workloads.conv6`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Conv6(nn.Module):
    """Three pairs of 3×3 convolutions with pooling, three linear layers; input (batch, 3, 32, 32)."""

    def __init__(self, image_size: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1)
        self.conv4 = nn.Conv2d(128, 128, 3, padding=1)
        self.conv5 = nn.Conv2d(128, 256, 3, padding=1)
        self.conv6 = nn.Conv2d(256, 256, 3, padding=1)
        self.fc1 = nn.Linear(256 * (image_size // 8) ** 2, 256)
        self.fc2 = nn.Linear(256, 256)
        self.fc3 = nn.Linear(256, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores, (batch, classes)."""
        hidden = images
        for first, second in ((self.conv1, self.conv2), (self.conv3, self.conv4), (self.conv5, self.conv6)):
            hidden = functional.max_pool2d(functional.relu(second(functional.relu(first(hidden)))), 2)
        hidden = functional.relu(self.fc1(hidden.flatten(1)))
        scores: torch.Tensor = self.fc3(functional.relu(self.fc2(hidden)))
        return scores
