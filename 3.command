cmp back.safetensors datasets/gutenberg-llama-4.7m/model.safetensors && echo identical
