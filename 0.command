build/entropy stats gutenberg-llama-4.7m
