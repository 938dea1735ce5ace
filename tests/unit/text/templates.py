"""Chat templates and a tokenizer for them."""

from __future__ import annotations

from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import byte_level

# SmolLM2-135M-Instruct's own (Apache-2.0).
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DEFAULT_SYSTEM = (
    "<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
)

TOKENIZER = Tokenizer.from_gguf(
    byte_level(
        control=("<s>", "<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"),
        user_defined=("<think>", "</think>", "<tool_response>"),
        bos="<s>",
        eos="<|im_end|>",
    )
)
