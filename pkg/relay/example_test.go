package relay_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"regexp"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// A whole chat server.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := relay.New(relay.Config{Name: "example"})
	served := make(chan error)
	go func() { served <- s.Serve(context.Background(), l) }()

	// What nc does:
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(c, "/bot ana") // a program, which wants no greeting
	fmt.Fprintln(c, "hello")
	lines := bufio.NewScanner(c)
	for range 2 {
		lines.Scan()
		fmt.Println(regexp.MustCompile(`^\d\d:\d\d`).ReplaceAllString(lines.Text(), "12:00"))
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	go func() { // the goodbye ends when we close too
		for lines.Scan() {
			fmt.Println(lines.Text())
		}
		c.Close()
	}()
	fmt.Println(s.Shutdown(ctx), errors.Is(<-served, relay.ErrServerClosed))
	// Output:
	// * ana joined
	// 12:00 ana: hello
	// * chatd is shutting down
	// <nil> true
}

// Newcomers can be made to wait: the kernel keeps them in its queue.
func ExampleServer_PauseAccepting() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := relay.New(relay.Config{})
	defer s.Close()
	go s.Serve(context.Background(), l)

	s.PauseAccepting()
	c, err := net.Dial("tcp", l.Addr().String()) // succeeds: it is the kernel that answers
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(s.Counts().Sessions)
	s.ResumeAccepting()
	lines := bufio.NewScanner(c)
	lines.Scan() // the greeting: now it is in
	fmt.Println(s.Counts().Sessions)
	// Output:
	// 0
	// 1
}

// Whoever wants to decide which connections are served accepts them himself.
func ExampleServer_ServeConn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	s := relay.New(relay.Config{MaxClients: 1})
	defer s.Close()
	refused := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				var r *relay.RefusedError
				if err := s.ServeConn(context.Background(), c); errors.As(err, &r) {
					refused <- err
				}
			}()
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		bufio.NewScanner(c).Scan()
	}
	fmt.Println(<-refused)
	// Output:
	// server full (limit 1); try again in a minute
}
