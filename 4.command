build/entropy quality gutenberg-llama-4.7m --sequences 8 --with "rtn(bits=4,group=128)" --with nf4 --with "step(bits=4)"
