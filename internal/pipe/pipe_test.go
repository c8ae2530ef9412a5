package pipe_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/pipe"
)

func TestHalfClose(t *testing.T) {
	a, b := pipe.New()
	if _, err := a.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	_ = a.CloseWrite()
	got, err := io.ReadAll(b)
	if string(got) != "hello" || err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := b.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	got, err = io.ReadAll(a)
	if string(got) != "still here" || err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
}

func TestReset(t *testing.T) {
	a, b := pipe.New()
	_, _ = a.Write([]byte("last"))
	a.Abort()
	p := make([]byte, 10)
	if n, err := b.Read(p); n != 4 || err != nil {
		t.Fatalf("read %d, %v; want what was sent", n, err)
	}
	if _, err := b.Read(p); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read after a reset: %v", err)
	}
}

func TestBoundAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New()
		_ = a.SetWriteDeadline(time.Now().Add(time.Minute))
		begin := time.Now()
		n, err := a.Write([]byte(strings.Repeat("x", pipe.BufferSize+1)))
		if n != pipe.BufferSize || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Fatalf("wrote %d, %v after %v", n, err, time.Since(begin))
		}
		_ = b.SetReadDeadline(time.Now().Add(time.Hour))
		_ = b.SetReadDeadline(time.Time{})
		if got, _ := io.ReadAll(io.LimitReader(b, pipe.BufferSize)); len(got) != pipe.BufferSize {
			t.Fatalf("read %d", len(got))
		}
		done := make(chan error)
		go func() {
			_, err := b.Read(make([]byte, 1))
			done <- err
		}()
		time.Sleep(2 * time.Hour) // simulated: the old deadline passes unnoticed
		_ = b.SetReadDeadline(time.Unix(1, 0))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		_, _ = a.Close(), b.Close()
	})
}
