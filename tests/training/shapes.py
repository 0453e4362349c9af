"""Random models of the common architectures, small enough for a test of a few milliseconds."""

from __future__ import annotations

from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

SIZES = {
    "vocab_size": 160,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}
WINDOW = 8
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]


def make(name: str, attention: str = "sdpa"):
    """A causal language model with random weights; `+window` makes layers slide."""
    kinds = {
        "llama": lambda: LlamaConfig(**SIZES),
        "gpt2": lambda: GPT2Config(
            vocab_size=160,
            n_positions=256,
            n_embd=32,
            n_layer=3,
            n_head=2,
            initializer_range=0.2,
            attn_pdrop=0.0,
            embd_pdrop=0.0,
            resid_pdrop=0.0,
        ),
        "qwen2": lambda: Qwen2Config(**SIZES),
        "qwen3": lambda: Qwen3Config(**SIZES),
        "gemma": lambda: GemmaConfig(**SIZES),
        "mistral": lambda: MistralConfig(**SIZES, sliding_window=None),
        "mistral+window": lambda: MistralConfig(**SIZES, sliding_window=WINDOW),
        "qwen2+window": lambda: Qwen2Config(
            **SIZES, use_sliding_window=True, sliding_window=WINDOW, layer_types=SLIDING
        ),
        "gemma2+window": lambda: Gemma2Config(**SIZES, sliding_window=WINDOW, layer_types=SLIDING),
        "gemma3+window": lambda: Gemma3TextConfig(**SIZES, sliding_window=WINDOW, layer_types=SLIDING),
    }
    return AutoModelForCausalLM.from_config(kinds[name](), attn_implementation=attention)


PLAIN = ["llama", "gpt2", "qwen2", "qwen3", "gemma", "mistral"]
WINDOWED = ["mistral+window", "qwen2+window", "gemma2+window", "gemma3+window"]
