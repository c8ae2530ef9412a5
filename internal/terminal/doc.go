// Package terminal is what a person sees and does in a chat, on a terminal or through a
// pipe, over a [client.Client]: the programs chat and chatd console are made of it.
//
//   - Talk is for a person at a terminal. What is said is printed above the line one
//     types in, so that the terminal's own scrollback keeps it; nothing that comes in
//     tears what is being typed.
//   - Pipe does the same line by line, without a terminal.
//   - Say says each line of an input and knows of each what has become of it, Follow
//     prints what is said.
//
// Nothing that somebody else wrote reaches the terminal but through [Label] and its like:
// what could command it is shown, not sent. The package reads no option and no
// environment variable but those that tell what the terminal can do.
package terminal

// Options says for whom and where a chat is shown.
type Options struct {
	Server string // as the person named it
	Clear  bool   // whoever is in between can read what is sent
	// Seat has it be the operator's: the prompt says so, and it is told when the server
	// goes and comes back.
	Seat bool
	// Notes are sentences that are told first.
	Notes []string
}
