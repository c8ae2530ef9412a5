# Everything that is done more than once. Continuous integration calls these too.

.PHONY: all build test test-qt torture fuzz bench docs clean

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

# The loops of the tests in their full size.
torture:
	@CHATD_TORTURE=1 FUZZTIME=60s tools/test.sh deps build torture fuzz

# Looks for bad input for as long as FUZZTIME says, each target.
fuzz:
	@tools/fuzz.sh $(or $(FUZZTIME),60s)

# Measures chatd beside the floor and the peers that are installed, in about an
# hour, and writes docs/performance.md anew. BENCH=-quick shows that it works.
bench:
	@go run ./bench/suite $(BENCH)

# Writes docs/configuration.md, configs/chatd.env and the golden files anew.
docs:
	go test ./cmd/chatd -run TestDocs -update

clean:
	rm -rf bin
