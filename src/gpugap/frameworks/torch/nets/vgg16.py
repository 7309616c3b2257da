"""VGG-16 in PyTorch; the specification is `gpugap.workloads.vgg16`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class VGG16(nn.Module):
    """Thirteen 3×3 convolutions in five pooled stages.

    From 64 pixels on three linear layers, below batch norm and one linear layer.
    """

    def __init__(self, image_size: int, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = dropout
        self.large = image_size >= 64
        channels = 3
        for stage, widths in enumerate(STAGES, start=1):
            for position, width in enumerate(widths, start=1):
                self.add_module(f"conv{stage}_{position}", nn.Conv2d(channels, width, 3, padding=1))
                if not self.large:
                    self.add_module(f"bn{stage}_{position}", nn.BatchNorm2d(width))
                channels = width
        features = channels * (image_size // 32) ** 2
        self.fc1 = nn.Linear(features, 4096 if self.large else classes)
        if self.large:
            self.fc2 = nn.Linear(4096, 4096)
            self.fc3 = nn.Linear(4096, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Class scores, (batch, classes)."""
        hidden = images
        for stage, widths in enumerate(STAGES, start=1):
            for position in range(1, len(widths) + 1):
                hidden = self.get_submodule(f"conv{stage}_{position}")(hidden)
                if not self.large:
                    hidden = self.get_submodule(f"bn{stage}_{position}")(hidden)
                hidden = functional.relu(hidden)
            hidden = functional.max_pool2d(hidden, 2)
        hidden = self.fc1(hidden.flatten(1))
        if not self.large:
            return hidden
        hidden = functional.dropout(functional.relu(hidden), self.dropout, self.training)
        hidden = functional.dropout(functional.relu(self.fc2(hidden)), self.dropout, self.training)
        return self.fc3(hidden)
