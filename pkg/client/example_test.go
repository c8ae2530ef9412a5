package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/chatd/chatd/pkg/client"
	"github.com/chatd/chatd/pkg/relay"
)

// chat serves a chat on a port of its own, until stop is called.
func chat(cfg relay.Config) (address string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := relay.New(cfg)
	go s.Serve(context.Background(), l)
	return l.Addr().String(), func() { s.Close() }
}

// Two programs that talk.
func Example() {
	address, stop := chat(relay.Config{Name: "example"})
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	ana, err := client.Dial(ctx, address, client.Options{Name: "ana"})
	if err != nil {
		log.Fatal(err)
	}
	defer ana.Close()
	bob, err := client.Dial(ctx, address, client.Options{Name: "bob"})
	if err != nil {
		log.Fatal(err)
	}
	defer bob.Close()

	at, err := ana.Send(ctx, "", "hello")
	fmt.Println(at.Seq, err)
	for {
		e, err := bob.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e := e.(type) {
		case client.Connected:
			fmt.Println("I am", e.Name, "at", e.Server)
		case client.Message:
			fmt.Printf("%s in %s: %s\n", e.From, e.Room, e.Text)
			return
		}
	}
	// Output:
	// 1 <nil>
	// I am bob at chatd on example
	// ana in lobby: hello
}

// A script that only says something needs no events.
func ExampleClient_SendStored() {
	address, stop := chat(relay.Config{})
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, address+"/ops", client.Options{Name: "backup", SendOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	at, err := c.SendStored(ctx, "ops", "backup of db1 is done")
	fmt.Println(at.Seq, err)
	// Output: 1 <nil>
}

// Post keeps the order and does not wait; the outcome can be had later.
func ExampleClient_Post() {
	address, stop := chat(relay.Config{})
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, address, client.Options{SendOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var sent []*client.Sending
	for i := range 3 {
		s, err := c.Post(ctx, client.Draft{Text: fmt.Sprint("line ", i+1)})
		if err != nil {
			log.Fatal(err)
		}
		sent = append(sent, s)
	}
	for _, s := range sent {
		at, err := s.Said(ctx)
		fmt.Println(at.Seq, err)
	}
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

// A program that ended goes on where it was: it has kept the position of the last
// message that it saw.
func ExampleRoomOptions() {
	address, stop := chat(relay.Config{})
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	ana, err := client.Dial(ctx, address, client.Options{Name: "ana", SendOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ana.Close()
	seen, err := ana.Send(ctx, "", "one")
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"two", "three"} {
		if _, err := ana.Send(ctx, "", text); err != nil {
			log.Fatal(err)
		}
	}

	c, err := client.Dial(ctx, address, client.Options{Rooms: []client.RoomOptions{{Room: "lobby", After: seen}}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for {
		e, err := c.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e := e.(type) {
		case client.Message:
			fmt.Println(e.Text)
		case client.Live:
			fmt.Println("and now")
			return
		}
	}
	// Output:
	// two
	// three
	// and now
}

// What the server refuses is an Error with a code and a sentence.
func ExampleError() {
	address, stop := chat(relay.Config{Password: func() string { return "open sesame" }})
	defer stop()
	_, err := client.Dial(context.Background(), address, client.Options{ServerPassword: "open barley"})
	var refusal *client.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, "-", refusal.Text)
	}
	fmt.Println(errors.Is(err, &client.Error{Code: client.WrongPassword}))
	// Output:
	// password - that is not the password of this chat
	// true
}
