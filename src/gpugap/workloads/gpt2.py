"""GPT-2 small of Radford et al. (2019): the modern yardstick for text."""

from __future__ import annotations

from gpugap.core.workload import Layer, Network, Workload
from gpugap.workloads.transformer import WIDTH, blocks, norm

VOCABULARY, CONTEXT = 50257, 1024


def gpt2(tokens: int = CONTEXT) -> Workload:
    """GPT-2 small: 12 blocks of width 768, the last layer tied to the token embedding; AdamW at 6e-4.

    GPT-2's paper gives no training details: dropout is GPT's (Radford et al. 2018, section 4.1), learning rate and
    weight decay are GPT-3's for this size (Brown et al. 2020, table 2.1).

    Args:
        tokens: of a sample; 1024 in the paper.
    """
    layers = [
        Layer("tokens", "embedding", VOCABULARY, WIDTH, bias=False),
        Layer("positions", "embedding", CONTEXT, WIDTH, bias=False),
        *blocks(tokens),
        norm("norm"),
        Layer("scores", "tied", WIDTH, VOCABULARY, bias=False, tokens=tokens),
    ]
    return Workload(
        name=f"gpt2@{tokens}",
        family="gpt2",
        title="GPT-2 small",
        image_size=tokens,
        classes=0,
        networks=(Network("", tuple(layers)),),
        optimizer="adamw",
        learning_rate=6e-4,
        weight_decay=0.1,
        source="Radford et al. 2019, Language Models are Unsupervised Multitask Learners, table 2",
        dropout=0.1,
        vocabulary=VOCABULARY,
    )
