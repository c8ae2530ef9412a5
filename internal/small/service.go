package small

import (
	"cmp"
	"context"

	"github.com/chatd/chatd/internal/fortune"
)

// Service is what connections are given: Echo or Fortune.
type Service interface {
	// name is the service in the log.
	name() string
	// refusal is how a reason, one line without its end, is told to those for whom
	// there is no place.
	refusal(reason string) []byte
	// serve does what there is to do and returns why that is over.
	serve(ctx context.Context, c *conn) *cause
}

// Echo sends back every byte as it comes, until the input ends.
type Echo struct{}

func (Echo) name() string { return "echo" }

func (Echo) refusal(reason string) []byte { return []byte(reason + "\r\n") }

func (Echo) serve(ctx context.Context, c *conn) *cause {
	for {
		p, why := c.read(ctx)
		if why == nil {
			why = c.write(ctx, p)
		}
		if why != nil {
			return why
		}
	}
}

// Fortune says one thing and closes; what comes is read and forgotten.
type Fortune struct {
	Tell   func() string // what to say next; called by any goroutine
	Format fortune.Format
}

func (Fortune) name() string { return "fortune" }

// refusal is in the format too: its clients could not show it otherwise.
func (f Fortune) refusal(reason string) []byte { return f.Format.Encode(reason) }

func (f Fortune) serve(ctx context.Context, c *conn) *cause {
	return cmp.Or(c.write(ctx, f.Format.Encode(f.Tell())), endTold)
}
