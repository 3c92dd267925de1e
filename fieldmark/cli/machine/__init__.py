"""`fieldmark fetch`, `embed`, `plan`, `doctor`, `config`, `cache`, `vllm`: what lies and runs on machines."""
