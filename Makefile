# Makefile - every entry point of libentropy.  `make help` lists them.
#
# Variables: CC, CFLAGS (optimisation), BUILD (where objects go), PREFIX, DESTDIR, H5PLUGINDIR, V (1: show commands),
# QUICK (1: a short bench or check-results), RESULTS (where tables and figures go), MACHINE (a name for this machine, for its times),
# STORIES (a folder of stories260k, for bitstack), FRESH (1: results made again for the paper).

CC      = gcc
AR      = ar
CFLAGS  = -O3 -g
BUILD   = build
RESULTS = results
PREFIX  = /usr/local
DESTDIR =
# Where HDF5 looks for filters by itself, unless PREFIX is a place of one's own.
H5PLUGINDIR = $(if $(filter /usr /usr/local,$(PREFIX)),$(or $(shell pkg-config --variable=PluginDir hdf5-serial 2>/dev/null),/usr/local/hdf5/lib/plugin),$(PREFIX)/lib/hdf5/plugins)

Q = $(if $(V),,@)
export RESULTS MACHINE STORIES

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL = all
.DELETE_ON_ERROR:
.PHONY: FORCE all lib plugin demo huff-llm bitstack quality better-codecs systems rate-distortion targets notebooks machine coverage calibration deltas formats published dependence paper check check-results check-cluster check-quick bench profile fuzz deps deps-test man reference deb install uninstall clean help tests

WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
STANDARD = -std=gnu11 -fopenmp -fPIC -fvisibility=hidden -ffp-contract=off

# Needed always, and optional parts: each found by pkg-config and named when it is absent.
NEEDED   = openblas lapacke gsl hdf5-serial jansson libcyaml libxxhash zlib
OPTIONAL = libzstd liblz4 libcurl libcrypto

PKG      = $(shell command -v pkg-config 2>/dev/null)
FOUND   := $(if $(PKG),$(foreach p,$(OPTIONAL),$(shell pkg-config --exists $(p) && echo $(p))))
ABSENT  := $(filter-out $(FOUND),$(OPTIONAL))
HAVE     = $(if $(filter libzstd,$(FOUND)),-DENT_HAVE_ZSTD) $(if $(filter liblz4,$(FOUND)),-DENT_HAVE_LZ4) \
           $(if $(filter libcurl,$(FOUND)),-DENT_HAVE_CURL) $(if $(filter libcrypto,$(FOUND)),-DENT_HAVE_CRYPTO)
PKGFLAGS:= $(if $(PKG),$(shell pkg-config --cflags $(NEEDED) $(FOUND) 2>/dev/null))
LIBS    := $(if $(PKG),$(shell pkg-config --libs $(NEEDED) $(FOUND) 2>/dev/null)) -lm -lpthread

COMMIT  := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)

INCLUDES = -Ilibentropy/include -Ilibentropy
# analyses and datasets are one program; tests may also look at private headers
COMPILE  = $(CC) $(STANDARD) $(WARNINGS) $(CFLAGS) $(INCLUDES) $(PKGFLAGS) -DH5_USE_110_API $(HAVE)

PLUGIN_SRC = libentropy/filter/plugin.c libentropy/filter/hdf5.c
LIB_SRC  = $(filter-out $(PLUGIN_SRC),$(wildcard libentropy/*/*.c))
APP_SRC  = $(wildcard analyses/*.c analyses/*/*.c datasets/*.c)
TEST_SRC = $(wildcard tests/test_*.c)
HELP_SRC = $(filter-out $(TEST_SRC),$(wildcard tests/*.c)) $(wildcard tests/oracle/*.c tests/gpu/*.c)
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)

LIB_OBJ  = $(LIB_SRC:%.c=$(BUILD)/%.o)
PLUGIN_OBJ = $(PLUGIN_SRC:%.c=$(BUILD)/%.o)
APP_OBJ  = $(APP_SRC:%.c=$(BUILD)/%.o)
HELP_OBJ = $(HELP_SRC:%.c=$(BUILD)/%.o)
TESTS    = $(TEST_SRC:tests/%.c=$(BUILD)/%)

all: lib $(if $(APP_SRC),$(BUILD)/entropy) plugin

lib: $(BUILD)/libentropy.a $(BUILD)/libentropy.so

$(BUILD)/libentropy.a: $(LIB_OBJ)
	@rm -f $@
	@echo '  AR $@'
	$(Q)$(AR) rcs $@ $^

$(BUILD)/libentropy.so: $(LIB_OBJ)
	@echo '  LD $@'
	$(Q)$(CC) -shared -fopenmp -Wl,-soname,libentropy.so.0 $(CFLAGS) -o $@ $^ $(LIBS)
	@ln -sf libentropy.so $(BUILD)/libentropy.so.0

# The HDF5 filter: of the library only what it needs, no HDF5 (see filter/hdf5.h), nothing shown but the two functions
# that HDF5 asks for.  In a folder of its own, since HDF5 loads all that it finds on its path.
PLUGIN_LIBS = $(if $(filter libzstd liblz4,$(FOUND)),$(shell pkg-config --libs $(filter libzstd liblz4,$(FOUND)))) -lm

plugin: $(BUILD)/plugin/libh5entropy.so ## the HDF5 filter alone, for h5dump, h5repack and h5py

$(BUILD)/plugin/libh5entropy.so: $(PLUGIN_OBJ) $(BUILD)/libentropy.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) -shared $(CFLAGS) -Wl,--exclude-libs,ALL -Wl,--as-needed -o $@ $^ $(PLUGIN_LIBS)

$(BUILD)/entropy: $(APP_OBJ) $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS)

# What the build was made of, for provenance; touched only when it changes.
$(BUILD)/build.h: FORCE
	@mkdir -p $(@D)
	@printf '#define ENT_BUILD_COMMIT "%s"\n#define ENT_BUILD_COMPILER "%s"\n#define ENT_BUILD_FLAGS "%s"\n#define ENT_BUILD_ABSENT "%s"\n' \
	  '$(COMMIT)' "$$($(CC) --version | head -1)" '$(CFLAGS) $(STANDARD)' '$(ABSENT)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/%.o: %.c | $(BUILD)/build.h
	@mkdir -p $(@D)
	@echo '  CC $<'
	$(Q)$(COMPILE) -I$(BUILD) -MMD -MP -c $< -o $@

$(BUILD)/test_%: $(BUILD)/tests/test_%.o $(HELP_OBJ) $(filter-out %/main.o,$(APP_OBJ)) $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS) -lcmocka

# The bench: a program of its own.  Its peers are optional, found each time that it is built, so that
# one installed since then takes part.
# (some versions of make want this one escaped in a function, and others not)
HASH     := \#
BENCH_PC  = libzstd liblz4 libdeflate blosc # and htscodecs, which has no .pc
BENCH_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c))
BENCH_HAS = $(if $(PKG),$(foreach p,$(BENCH_PC),$(shell pkg-config --exists $(p) && echo $(p)))) \
            $(shell echo '$(HASH)include <htscodecs/htscodecs.h>' | $(CC) -E - >/dev/null 2>&1 && echo htscodecs)

$(BUILD)/peers.h: FORCE
	@mkdir -p $(@D)
	@for p in $$(echo $(BENCH_HAS) | tr a-z A-Z); do echo "#define BENCH_HAVE_$$p"; done >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BENCH_OBJ): | $(BUILD)/peers.h

$(BUILD)/bench: $(BENCH_OBJ) $(filter-out %/main.o,$(APP_OBJ)) $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS) $(if $(filter-out htscodecs,$(BENCH_HAS)),$(shell pkg-config --libs $(filter-out htscodecs,$(BENCH_HAS)))) $(if $(filter htscodecs,$(BENCH_HAS)),-lhtscodecs)

# The profile: cycles a symbol of every kernel, beside plain C and beside its bound.
PROFILE_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/profile/*.c))

$(BUILD)/profile: $(PROFILE_OBJ) $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS)

# What makes pages of the notebooks.
$(BUILD)/weave: $(BUILD)/notebooks-c/tools/weave.o $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS) $(shell pkg-config --libs md4c-html)

# Times of stacks, for results/machines/MACHINE/bitstack.tsv.
$(BUILD)/time_%: $(BUILD)/tests/timing/%.o $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS)

# Fuzz targets: with libFuzzer (clang and -fsanitize=fuzzer-no-link in CFLAGS), or run over files.
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

$(BUILD)/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/libentropy.a
	@echo '  LD $@'
	$(Q)$(CC) -fopenmp $(CFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/test_filter $(BUILD)/test_readable $(BUILD)/test_hdf5_more: | $(BUILD)/plugin/libh5entropy.so

# The part for NVIDIA cards, a library of its own, so that nothing else needs CUDA.  NVCC and GPU_ARCH may be set.
.PHONY: gpu gpu-bench gpu-bundle
NVCC     = $(or $(shell command -v nvcc 2>/dev/null),/usr/local/cuda/bin/nvcc)
GPU_ARCH = 80 90
GPU_SRC  = $(wildcard libentropy/gpu/*.cu)
GPU_CODE = $(foreach a,$(GPU_ARCH),-gencode arch=compute_$(a),code=sm_$(a)) \
           -gencode arch=compute_$(lastword $(GPU_ARCH)),code=compute_$(lastword $(GPU_ARCH))

$(BUILD)/libentropy_gpu.so: $(GPU_SRC) $(wildcard libentropy/gpu/*.h libentropy/include/entropy/*.h)
	@mkdir -p $(@D)
	@command -v $(NVCC) >/dev/null || { echo 'make gpu needs nvcc, of the CUDA toolkit 12 or later: NVCC=PATH says where it is' >&2; exit 1; }
	@echo '  NVCC $@'
	$(Q)$(NVCC) -shared -O3 -std=c++17 -lineinfo -Werror all-warnings $(GPU_CODE) -Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra \
	  $(INCLUDES) -o $@ $(GPU_SRC)

# The emulation in place of that library, with times that are made up: what measures a card can be tried without one.
$(BUILD)/libentropy_gpu_emulated.so: libentropy/gpu/emulate.c tests/gpu/card.c $(BUILD)/libentropy.a | $(BUILD)/build.h
	@echo '  LD $@'
	$(Q)$(COMPILE) -fvisibility=default -Dent_gpu_emulation=ent_gpu_cuda -shared -o $@ $^ $(LIBS)

gpu: $(BUILD)/test_gpu $(BUILD)/test_gpu_product $(BUILD)/libentropy_gpu.so ## the library for NVIDIA cards (nvcc), its kernels in emulation and, with a card, on it
	@$(BUILD)/test_gpu
	@$(BUILD)/test_gpu_product

gpu-bench: all $(BUILD)/test_gpu $(BUILD)/test_gpu_product $(BUILD)/libentropy_gpu.so ## card 0 measured: decoding and products beside copies and cuBLAS, into results/gpu (minutes; needs the card)
	@tests/gpu/bench.sh $(BUILD) $(MACHINE)

# The same for a machine without our libraries: programs that look for them in a folder beside themselves.
BUNDLE = $(BUILD)/gpu-bundle/build
BUNDLED = -fopenmp $(CFLAGS) -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/lib'

$(BUNDLE)/entropy: $(APP_OBJ) $(BUILD)/libentropy.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(BUNDLED) -o $@ $^ $(LIBS)

$(BUNDLE)/test_%: $(BUILD)/tests/test_%.o $(HELP_OBJ) $(filter-out %/main.o,$(APP_OBJ)) $(BUILD)/libentropy.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(BUNDLED) -o $@ $^ $(LIBS) -lcmocka

gpu-bundle: $(BUNDLE)/entropy $(BUNDLE)/test_gpu $(BUNDLE)/test_gpu_product $(BUILD)/libentropy_gpu.so ## programs and libraries that measure a card elsewhere, into build/gpu-bundle.tar.gz
	@tests/gpu/bundle.sh $(BUILD)

.SECONDARY: $(HELP_OBJ) $(TEST_SRC:%.c=$(BUILD)/%.o)
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

tests: $(TESTS) $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/replay_%) $(BUILD)/libentropy_gpu_emulated.so

deps:
	@analyses/packages.sh build

deps-test:
	@analyses/packages.sh build test notebooks

demo: deps ## install what is missing, build, run the demo plan on the shipped model, draw it
	@$(MAKE) --no-print-directory all
	@analyses/demo.sh $(BUILD)

huff-llm: all ## Huff-LLM's tables from our weights and targets beside the published ones, into results/huff-llm
	@analyses/huff-llm.sh $(BUILD)

quality: all ## quantizers, bits shared out and Double Compression on the shipped model, into results (7 minutes on 2 cores)
	@analyses/quality.sh $(BUILD)

better-codecs: all ## what contexts are worth: row classes, joined fields, context mixing, into results/better-codecs
	@analyses/better-codecs.sh $(BUILD)

systems: all ## every published system on the shipped model, sizes, losses and speeds, into results/systems (minutes)
	@analyses/systems.sh $(BUILD)

rate-distortion: all ## every scalar quantizer on normal weights, plain and coded, into results/rate-distortion
	@analyses/rate-distortion.sh $(BUILD)

targets: all ## a page for each modelled target, plot and tables of every codec, into results/targets
	@analyses/targets.sh $(BUILD)

coverage: $(BUILD)/test_coverage ## how often 95 % intervals hold the truth, 1000 trials a row, into results/coverage.tsv (20 core minutes)
	@$< --trials 1000 >$(RESULTS)/coverage.tsv.part && mv $(RESULTS)/coverage.tsv.part $(RESULTS)/coverage.tsv
	@analyses/coverage-page.sh >$(RESULTS)/coverage.md

deltas: $(BUILD)/test_delta ## checkpoints told by others: bits a weight by share and size of what changed, into results/deltas.tsv
	@$< --figures datasets/gutenberg-llama-4.7m/model.safetensors >$(RESULTS)/deltas.tsv.part && mv $(RESULTS)/deltas.tsv.part $(RESULTS)/deltas.tsv

formats: all tests ## figures of the readers: files refused, damaged, given back; headers, memory; into results/formats.md
	@tests/formats.sh $(BUILD) >$(RESULTS)/formats.md.part && mv $(RESULTS)/formats.md.part $(RESULTS)/formats.md

calibration: $(BUILD)/test_fit ## entropies of fields of rounded weights, ours beside published ones, into results/calibration.tsv (seconds)
	@$< --calibration >$(RESULTS)/calibration.tsv.part && mv $(RESULTS)/calibration.tsv.part $(RESULTS)/calibration.tsv
	@analyses/calibration-page.sh >$(RESULTS)/calibration.md

published: all ## every published table touched: cells, how many come out within what, into results/published (seconds)
	@analyses/published.sh $(BUILD)

# Results that the paper reads; FRESH=1 makes them again first.
PAPER_RESULTS = demo huff-llm quality better-codecs systems rate-distortion targets bitstack coverage deltas calibration dependence

paper: ## the report, from results, into paper/main.pdf; FRESH=1: after making the results again
	$(if $(FRESH),@$(MAKE) --no-print-directory -j1 $(PAPER_RESULTS) published)
	@analyses/packages.sh paper
	@paper/make.sh $(BUILD)

dependence: all ## what weights tell about each other, the whole shipped model, into results/dependence.tsv (10 s)
	@analyses/dependence.sh $(BUILD)

machine: all ## this machine measured, with the errors of its predictions, into results/machines/MACHINE (5 min)
	@analyses/machine.sh $(BUILD)

notebooks: ## the notebooks run again and woven with what they print: Markdown beside them, HTML and Jupyter into build/notebooks; ONLY=03
	@analyses/packages.sh build notebooks
	@$(MAKE) --no-print-directory all $(BUILD)/weave
	@ONLY='$(ONLY)' notebooks-c/tools/notebooks.sh $(BUILD)

bitstack: all $(BUILD)/time_stack ## BitStack's blocks on the shipped model: perplexity against bytes, their times, into results/bitstack* (minutes)
	@analyses/bitstack.sh $(BUILD)

check: deps-test ## install what is missing, build, run every test
	@tests/check.sh $(BUILD)

check-results: deps-test all $(BUILD)/test_fit $(BUILD)/test_delta $(BUILD)/test_coverage ## all tables, pages and figures of results made again elsewhere and compared, times aside (half an hour on 2 cores); QUICK=1: what takes seconds
	@tests/check-results.sh $(BUILD) $(if $(QUICK),quick,all)

check-cluster: deps-test all tests ## a real Slurm (root), 50 kills, a plan of 120,000 cells (minutes)
	@LONG=1 KILLS=50 tests/test_batch.sh $(BUILD)
	@tests/cluster/scale.sh $(BUILD)

check-quick: ## the unit tests of this build alone, nothing installed
	@$(MAKE) --no-print-directory all tests
	@tests/unit.sh $(BUILD)

bench: deps ## speed of every coder beside other libraries; QUICK=1: a minute instead of six
	@analyses/packages.sh bench || echo 'bench: going on without the libraries that are not installed'
	@$(MAKE) --no-print-directory $(BUILD)/bench
	@tests/bench/bench.sh $(BUILD) $(if $(QUICK),--quick)

profile: deps ## cycles a symbol of every kernel, beside plain C and its bound, as tab-separated values
	@$(MAKE) --no-print-directory -s $(BUILD)/profile
	@$(BUILD)/profile

fuzz: deps-test ## bounded fuzzing (clang) of everything that reads bytes; SECONDS_EACH=20
	@tests/fuzz/fuzz.sh $(BUILD)

COMPLETIONS = $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions/entropy zsh/site-functions/_entropy fish/vendor_completions.d/entropy.fish)

install: all ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/entropy $(DESTDIR)$(PREFIX)/share/libentropy
	install -m 755 $(BUILD)/entropy $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/libentropy.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/libentropy.so $(DESTDIR)$(PREFIX)/lib/libentropy.so.0
	ln -sf libentropy.so.0 $(DESTDIR)$(PREFIX)/lib/libentropy.so
	$(if $(wildcard $(BUILD)/libentropy_gpu.so),install -m 755 $(BUILD)/libentropy_gpu.so $(DESTDIR)$(PREFIX)/lib/)
	install -m 644 libentropy/include/entropy/*.h $(DESTDIR)$(PREFIX)/include/entropy/
	install -d $(DESTDIR)$(H5PLUGINDIR)
	install -m 644 $(BUILD)/plugin/libh5entropy.so $(DESTDIR)$(H5PLUGINDIR)/
	$(if $(filter $(PREFIX)/lib/hdf5/plugins,$(H5PLUGINDIR)),@echo 'The HDF5 filter is not where HDF5 looks: set HDF5_PLUGIN_PATH=$(H5PLUGINDIR)')
	install -d $(DESTDIR)$(PREFIX)/share/libentropy/datasets
	cp -r datasets/*.tsv datasets/*.csv datasets/*.md datasets/*.txt datasets/gutenberg-llama-4.7m $(DESTDIR)$(PREFIX)/share/libentropy/datasets/
	cp -r analyses/targets analyses/plans analyses/plots analyses/published $(DESTDIR)$(PREFIX)/share/libentropy/
	analyses/manual.sh $(BUILD)/entropy $(BUILD)/man
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(dir $(COMPLETIONS))
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	for file in $(COMPLETIONS); do analyses/completion.sh $$(expr $$file : '.*/share/\([a-z]*\)') >$$file && chmod 644 $$file || exit; done
	printf 'prefix=%s\ndatadir=$${prefix}/share/libentropy\n\nName: libentropy\nDescription: entropy, coding and decode cost of neural-network weights\nVersion: %s\nLibs: -L$${prefix}/lib -lentropy\nLibs.private: %s\nCflags: -I$${prefix}/include\n' \
	  '$(PREFIX)' "$$(sed -n 's/.*ENT_VERSION "\(.*\)"/\1/p' libentropy/include/entropy/base.h)" '$(LIBS)' \
	  >$(DESTDIR)$(PREFIX)/lib/pkgconfig/libentropy.pc

uninstall: ## remove what install put there
	rm -rf $(DESTDIR)$(PREFIX)/bin/entropy $(DESTDIR)$(PREFIX)/lib/libentropy.* $(DESTDIR)$(PREFIX)/lib/libentropy_gpu.so $(DESTDIR)$(PREFIX)/lib/pkgconfig/libentropy.pc \
	  $(DESTDIR)$(PREFIX)/include/entropy $(DESTDIR)$(PREFIX)/share/libentropy $(DESTDIR)$(H5PLUGINDIR)/libh5entropy.so \
	  $(DESTDIR)$(PREFIX)/share/man/man1/entropy.1 $(DESTDIR)$(PREFIX)/share/man/man1/entropy-*.1 $(COMPLETIONS)

reference: ## the reference of the library as HTML, from the public headers, into build/reference (installs doxygen)
	@analyses/packages.sh reference
	@analyses/reference.sh $(BUILD)/reference

man: all ## the manual pages, from the program's own help, into build/man
	@analyses/manual.sh $(BUILD)/entropy $(BUILD)/man

deb: all ## a Debian package of program, library, headers and manual, into build
	@analyses/package-deb.sh $(BUILD)

clean: ## remove the build folder
	rm -rf $(BUILD)

help: ## this list
	@echo 'Entry points of libentropy (make TARGET):'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "  %-14s %s\n", $$1, $$2 }'
	@echo '  all            build the library and build/entropy (the default; installs nothing)'
