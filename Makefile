# Everything that is done more than once. Continuous integration calls these too.

.PHONY: all build test test-qt test-systemd torture loops fuzz bench docs packages clean

all: build

# The programs, in bin/.
build:
	go build -o bin/ ./cmd/...

# Installs what the tests need, then checks everything, in about four minutes.
test:
	@tools/test.sh deps format vet static build unit costs fuzz fanout

# Tries clients built with Qt, which it installs.
test-qt:
	@tools/qt.sh

# Tries the shipped units under a real systemd, in containers, as root; makes a
# minimal Debian for them at first. CHATD_TEST_SYSTEMD=off switches it off.
test-systemd:
	@tools/systemd.sh

# Tries the faults of docs/faults.md in their full size, in about a quarter of an
# hour, and writes docs/torture.md anew. TORTURE="-rows 11,18" tries these.
torture:
	@tools/test.sh deps torture

# All tests in their full size, and a minute of fuzzing each target: hours.
loops:
	@CHATD_TORTURE=1 FUZZTIME=60s tools/test.sh deps build loops fuzz

# Looks for bad input for as long as FUZZTIME says, each target.
fuzz:
	@tools/fuzz.sh $(or $(FUZZTIME),60s)

# Measures chatd beside the floor and the peers that are installed, in about an
# hour, and writes docs/performance.md anew. BENCH=-quick shows that it works.
bench:
	@go run ./bench/suite $(BENCH)

# Writes docs/configuration.md, docs/man/chatd.env.5, configs/chatd.env and the
# golden files anew.
docs:
	go test ./cmd/chatd -run TestDocs -update

# Builds the .deb and .rpm of this commit in dist/, in some minutes the first time;
# ARCHS=amd64 FORMATS=deb builds one of them. PACKAGES=--check builds them
# twice, compares, and asks lintian.
packages:
	@rm -f dist/chatd_*.deb dist/chatd-*.rpm # of earlier commits
	@tools/packages.sh $(PACKAGES)

clean:
	rm -rf bin dist
