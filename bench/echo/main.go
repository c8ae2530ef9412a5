// Echo is the least that a Go server does for a connection: a goroutine that reads
// and writes the same bytes back. What a message costs it is what goroutines, the
// network poller and two system calls cost, without any chat.
//
//	go run ./bench/echo 127.0.0.1:7777
//	go run ./cmd/chatload -addr 127.0.0.1:7777 -group 1
package main

import (
	"errors"
	"log"
	"net"
	"os"
)

// chunk is how much is read at once: several messages of a conversation.
const chunk = 4 << 10

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: echo ADDRESS:PORT")
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	serve(l)
}

// serve returns when l is closed. Connections then go on until their peers end
// them.
func serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Print(err)
			continue
		}
		go echo(conn)
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	b := make([]byte, chunk)
	for {
		n, err := conn.Read(b)
		if n > 0 {
			if _, err := conn.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
