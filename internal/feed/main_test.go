package feed

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scale is how often something is tried: seldom with -short, often with
// CHATD_TORTURE=1.
func scale(short, normal, torture int) int {
	switch {
	case os.Getenv("CHATD_TORTURE") == "1":
		return torture
	case testing.Short():
		return short
	}
	return normal
}
