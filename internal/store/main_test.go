package store

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// torture tells whether the tests run in full; otherwise with less of everything.
var torture = os.Getenv("CHATD_TORTURE") == "1"

// sized is how often or how much: some by default, all under torture.
func sized(some, all int) int {
	if torture {
		return all
	}
	return some
}

// TestMain runs the tests or, if the environment says so, the process that they
// kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv(talkIn); dir != "" {
		talk(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
