package talk

import "sync"

// person is one of the people in a script.
type person struct {
	name   string
	conn   Conn
	client Client
	mu     sync.Mutex // guards client and writing

	lines chan string // closed by the reader at the end of the stream
	err   error       // why the stream ended; set before lines is closed
	done  chan struct{}
	read  sync.WaitGroup

	queue  []string // seen, and not yet asked for
	passed []fact   // seen in notices, and not expected yet
	dirty  bool     // has typed since the last barrier
	part   bool     // has typed the beginning of a line
	half   bool     // has ended its input
	ended  bool     // sees no more
}

// reader turns what comes in into lines.
func (who *person) reader() {
	defer close(who.lines)
	buf := make([]byte, 4096)
	for {
		n, err := who.conn.Read(buf)
		lines, fault := who.receive(buf[:n])
		for _, line := range lines {
			select {
			case who.lines <- line:
			case <-who.done:
				return
			}
		}
		switch {
		case fault != nil:
			who.err = fault
			return
		case err != nil:
			who.err = err
			return
		}
	}
}

func (who *person) receive(data []byte) (lines []string, fault error) {
	who.mu.Lock()
	defer who.mu.Unlock()
	lines, reply, fault := who.client.Receive(data)
	if len(reply) > 0 {
		_, _ = who.conn.Write(reply) // a broken connection is seen in reading
	}
	return lines, fault
}

func (who *person) close() {
	close(who.done)
	_ = who.conn.Close()
	who.read.Wait()
}
