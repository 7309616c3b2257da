"""Models of Hugging Face's transformers with random weights: traced, and held against allocations of the same step."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import transformers  # noqa: E402

import gpugap as gg  # noqa: E402
from gpugap.core.step import Step  # noqa: E402
from gpugap.frameworks.torch import trace  # noqa: E402
from gpugap.frameworks.torch.trace.sources import of_factory, of_step  # noqa: E402
from gpugap.frameworks.torch.trace.wish import Wish  # noqa: E402
from trace_meter import as_the_cpu_can, disagreement, real_peaks  # noqa: E402

pytestmark = pytest.mark.torch
VOCABULARY, TOKENS, BATCH = 120, 16, 4
TOKEN_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}


def language(config: str, model: str, **shape: int):
    """A factory of a step whose model computes its own loss from labels."""

    def make(batch: int, device: str) -> Step:
        known = getattr(transformers, config)(vocab_size=VOCABULARY, **TOKEN_IDS, **shape)
        net = getattr(transformers, model)(known)
        tokens = torch.ones((batch, TOKENS), dtype=torch.int64, device=device)
        inputs = {"input_ids": tokens, "labels": tokens.clone()}
        return Step(net, (inputs,), lambda out: out.loss, torch.optim.AdamW(net.parameters()))

    return make


def images(batch: int, device: str) -> Step:
    """ViT with a loss of the user's."""
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    net = transformers.ViTForImageClassification(config)
    pair = (torch.zeros(batch, 3, 32, 32, device=device), torch.zeros(batch, dtype=torch.int64, device=device))
    loss = torch.nn.functional.cross_entropy
    return Step(net, pair, lambda out, targets: loss(out.logits, targets), torch.optim.AdamW(net.parameters()))


SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
MODELS = {
    "gpt2": language("GPT2Config", "GPT2LMHeadModel", n_embd=32, n_layer=2, n_head=4, n_positions=TOKENS),
    "bert": language("BertConfig", "BertForMaskedLM", **SMALL),
    "llama": language("LlamaConfig", "LlamaForCausalLM", **SMALL, num_key_value_heads=2),
    "t5": language(
        "T5Config",
        "T5ForConditionalGeneration",
        d_model=32,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        d_kv=8,
        decoder_start_token_id=0,
    ),
    "vit": images,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_trace_agrees_with_real_allocations(name: str):
    precision = "bf16" if name in ("llama", "vit") else "fp32"
    source = of_factory(name, MODELS[name])
    with as_the_cpu_can():
        found = trace.trace(source, Wish(BATCH, precision=precision, attention="math", both=False)).first
    step = MODELS[name](BATCH, "cpu")
    assert not disagreement(found, real_peaks(step, precision))
    assert found.parameters == sum(parameter.numel() for parameter in step.models.parameters())


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_every_other_batch_follows(name: str):
    source = of_factory(name, MODELS[name])
    found = trace.trace(source, Wish(2))
    assert found.why == ""
    assert found.at(5) == trace.trace(source, Wish(5, both=False)).first


def test_a_model_in_memory():
    """Its parameters are copied as fake ones, tied ones once; modules are named as in the model."""
    step = MODELS["gpt2"](BATCH, "cpu")
    found = trace.trace(of_step("GPT2LMHeadModel", step), Wish(BATCH, both=False)).first
    assert found.parameters == sum(parameter.numel() for parameter in step.models.parameters())
    modules = {op.module for op in found.ops}
    assert any(module.startswith("transformer.h.1.attn") for module in modules)
    assert set(found.attention.values()) == {"efficient"}
    fit = gg.fit(step, ["t4"], with_savings=False)["t4"]
    assert fit.verdict == "FITS"
    assert fit.uncounted == {}


def test_a_batch_of_the_tokenizer_and_a_pooler_without_a_gradient():
    net = transformers.BertModel(transformers.BertConfig(vocab_size=VOCABULARY, **SMALL))
    tokens = transformers.BatchEncoding({"input_ids": torch.ones((BATCH, TOKENS), dtype=torch.int64)})
    step = Step(net, tokens, lambda out: out.last_hidden_state.sum(), torch.optim.AdamW(net.parameters()))
    found = trace.trace(of_step("BertModel", step), Wish(2 * BATCH))
    assert found.why == ""
    reached = sum(p.numel() for name, p in net.named_parameters() if not name.startswith("pooler"))
    assert found.first.role_bytes("optimizer") == found.second.role_bytes("optimizer") == 2 * 4 * reached
