package client_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests or, if the environment says so, the server that they kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv(serveIn); dir != "" {
		serve(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
