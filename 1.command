build/entropy compress gutenberg-llama-4.7m -o model.h5
