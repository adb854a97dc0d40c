build/entropy decompress model.h5 -o back.safetensors
