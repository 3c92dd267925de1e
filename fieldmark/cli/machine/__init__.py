"""`fieldmark fetch`, `doctor`, `config`, `cache` and `vllm`: what lies and runs on this machine."""
