package main

import (
	"bytes"
	"io"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each connection gets what it sent, all of it and nothing else, also after it has
// ended its output.
func TestEcho(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		serve(l)
	}()
	defer func() {
		_ = l.Close()
		<-served
	}()
	for _, text := range []string{"hello\n", "no end", "", string(bytes.Repeat([]byte("long\x00\xff"), 5*chunk))} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if string(got) != text || err != nil {
			t.Errorf("of %d bytes %d come back; %v", len(text), len(got), err)
		}
		_ = conn.Close()
	}
}
