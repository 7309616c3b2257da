"""VGG-16 and CycleGAN: parameters as published, FLOPs by hand."""

from gpugap.workloads import workload


def test_vgg16_parameters():
    assert workload("vgg16@224").parameters == 138_357_544  # Simonyan & Zisserman, table 2: 138 million
    weights = 3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 2 * 256 * 256 + 256 * 512 + 5 * 512 * 512
    channels = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    by_hand = 9 * weights + channels + 2 * channels + 512 * 10 + 10  # kernels, biases, batch norm, one linear layer
    assert workload("vgg16@32").parameters == by_hand == 14_728_266


def test_vgg16_flops():
    def forward(size: int) -> int:
        convolutions = (
            (3 * 64 + 64 * 64) * size**2
            + (64 * 128 + 128 * 128) * (size // 2) ** 2
            + (128 * 256 + 2 * 256 * 256) * (size // 4) ** 2
            + (256 * 512 + 2 * 512 * 512) * (size // 8) ** 2
            + 3 * 512 * 512 * (size // 16) ** 2
        )
        return 2 * 9 * convolutions

    small = forward(32) + 2 * 512 * 10
    large = forward(224) + 2 * (512 * 49 * 4096 + 4096 * 4096 + 4096 * 1000)
    first = 2 * 9 * 3 * 64
    assert workload("vgg16@32").flops(5, "inference") == 5 * small
    assert workload("vgg16@32").flops(5, "train") == 5 * (3 * small - first * 32**2)
    assert workload("vgg16@224").flops(1, "train") == 3 * large - first * 224**2
    assert round(large / 2 / 1e9, 2) == 15.47  # the figure usually quoted, in billions of multiply-adds


GENERATOR = 2 * (
    49 * 3 * 64 * 256**2
    + 9 * 64 * 128 * 128**2
    + 9 * 128 * 256 * 64**2
    + 18 * 9 * 256 * 256 * 64**2
    + 9 * 256 * 128 * 64**2
    + 9 * 128 * 64 * 128**2
    + 49 * 64 * 3 * 256**2
)
CRITIC = 2 * 16 * (3 * 64 * 128**2 + 64 * 128 * 64**2 + 128 * 256 * 32**2 + 256 * 512 * 31**2 + 512 * 30**2)
FIRST_OF_GENERATOR = 2 * 49 * 3 * 64 * 256**2
FIRST_OF_CRITIC = 2 * 16 * 3 * 64 * 128**2


def test_cyclegan_parameters():
    generator, critic = workload("cyclegan").networks
    assert generator.parameters == 11_378_179
    assert critic.parameters == 2_764_737
    assert workload("cyclegan").parameters == 2 * (11_378_179 + 2_764_737)


def test_cyclegan_flops():
    """Each generator: three passes forward, each with gradients of weights and inputs; only the cycle pass needs those
    of its images. Each critic: forward and image gradient for the generators, two full passes of its own."""
    generators = 2 * (9 * GENERATOR - 2 * FIRST_OF_GENERATOR)
    critics = 2 * (2 * CRITIC + 2 * (3 * CRITIC - FIRST_OF_CRITIC))
    assert workload("cyclegan").flops(1, "train") == generators + critics
    assert workload("cyclegan").flops(3, "inference") == 3 * GENERATOR
