package store

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests or, if the environment says so, the process that they
// kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv(talkIn); dir != "" {
		talk(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
