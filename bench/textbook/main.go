// Textbook is the chat server of many Go introductions, to compare with: a
// goroutine that broadcasts, a map of clients, for each client a channel and a
// goroutine that writes what comes out of it; so one channel operation and one
// system call for each message and client. It waits for the slowest client.
//
//	go run ./bench/textbook 127.0.0.1:7777
package main

import (
	"bufio"
	"log"
	"net"
	"os"
)

// client is where the lines for one connection go; closed by broadcast.
type client chan []byte

// queue is how many lines may wait for one client.
const queue = 64

var (
	entering = make(chan client)
	leaving  = make(chan client)
	messages = make(chan []byte)
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: textbook ADDRESS:PORT")
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	go broadcast()
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Print(err)
			continue
		}
		go serve(conn)
	}
}

func broadcast() {
	clients := make(map[client]bool)
	for {
		select {
		case line := <-messages:
			for c := range clients {
				c <- line
			}
		case c := <-entering:
			clients[c] = true
		case c := <-leaving:
			delete(clients, c)
			close(c)
		}
	}
}

func serve(conn net.Conn) {
	defer conn.Close()
	c := make(client, queue)
	go write(conn, c)
	entering <- c
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		messages <- line
	}
	leaving <- c
}

// write ends when c is closed. A connection that fails goes on being emptied.
func write(conn net.Conn, c client) {
	for line := range c {
		_, _ = conn.Write(line)
	}
}
