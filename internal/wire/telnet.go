// This file takes the telnet protocol out of a stream of bytes and answers it.
// It never speaks first, but for Will: to a client that is not telnet every
// command is rubbish on the screen.

package wire

import "bytes"

// Telnet commands (RFC 854). The lowest that are in use are EOF, SUSP and ABORT
// (RFC 1184) and EOR (RFC 885).
const (
	iac  = 255
	dont = 254
	do   = 253
	wont = 252
	will = 251
	sb   = 250
	ayt  = 246
	se   = 240

	lowestCommand = 236
)

// Telnet options.
const (
	// Binary is TRANSMIT-BINARY (RFC 856).
	Binary = 0
	// Echo is ECHO (RFC 857): WILL ECHO has the client not show what is typed.
	Echo       = 1
	timingMark = 6 // RFC 860
)

const (
	// A subnegotiation longer than this, in bytes of parameters, is none. The
	// longest that clients send unasked, a list of environment variables or of
	// line mode characters, has under 100.
	maxSubnegotiation = 256

	// Answers kept until Reply collects them. PuTTY and Linux telnet open with
	// seven to ten requests.
	maxReplies = 15

	// The answer to Are You There, which RFC 854 wants to be readable.
	hereIAm = "\r\n* yes, chatd is here\r\n"
)

// Telnet takes telnet commands (RFC 854) out of what a client sends and answers
// its requests for options as RFC 1143 says (the Q method). The zero value is
// ready. A client that is not telnet costs 16 bytes and no allocation, one that
// is costs 256 bytes in all.
//
// Every option is refused (WONT, DONT) but TRANSMIT-BINARY, which is accepted
// both ways for clients that send UTF-8 only then, as telnet -8. A request that
// was refused is refused once, and again only after the peer took it back. What
// the peer ended it cannot turn on again: two sides whose answers crossed would
// else turn it on and off for ever, which the RFC leaves to the peer's own queue
// to prevent. TIMING-MARK is the exception: it
// is a question rather than an option, and every DO TIMING-MARK is answered
// with WONT. After Ctrl-C a client shows nothing of what it receives until that
// answer comes.
type Telnet struct {
	neg   *negotiation // nil until an option is spoken of
	sub   uint16       // bytes of the subnegotiation so far
	state telnetState
	verb  byte // of the command whose option comes next

	active bool
	asked  bool // Are You There, not answered yet
	marked bool // a TIMING-MARK that found no room among the replies
}

// telnetState is where in a command the stream stands.
type telnetState uint8

const (
	inData telnetState = iota
	afterIAC
	afterVerb
	inSub
	afterSubIAC
)

// Strip takes the commands out of p, in place, and returns the data that is
// left, a prefix of p. IAC IAC becomes the one byte 0xFF that it stands for. A
// command may be split over calls anywhere.
//
// Commands other than those for options and Are You There mean nothing in a
// chat and are dropped. A byte after IAC that is no command is data: of a stray
// 0xFF in a text nothing is lost but the 0xFF.
//
// A subnegotiation is skipped up to its IAC SE. It is also over with any other
// command, whose IAC SE was then forgotten, and after 256 bytes: what follows
// is data again, so that a client that never ends one can still be heard.
func (t *Telnet) Strip(p []byte) []byte {
	n := 0
	if t.state == inData {
		if n = bytes.IndexByte(p, iac); n < 0 {
			return p
		}
	}
	data := p[:n]
	for _, c := range p[n:] {
		if t.step(c) {
			data = append(data, c)
		}
	}
	return data
}

// step takes the next byte of the stream and tells whether it is data.
func (t *Telnet) step(c byte) bool {
	switch t.state {
	case inData:
		if c != iac {
			return true
		}
		t.active = true
		t.state = afterIAC
		return false
	case afterIAC:
		return t.command(c)
	case afterVerb:
		t.state = inData
		t.negotiate(t.verb, c)
		return false
	case inSub:
		if c == iac {
			t.state = afterSubIAC
			return false
		}
		return t.parameter()
	default: // afterSubIAC
		// An IAC that was not doubled, in a window size say, is a parameter too.
		if c == iac || c < lowestCommand {
			return t.parameter()
		}
		return t.command(c)
	}
}

// command takes the byte after an IAC and tells whether it is data.
func (t *Telnet) command(c byte) bool {
	t.state = inData
	switch c {
	case will, wont, do, dont:
		t.verb = c
		t.state = afterVerb
	case sb:
		t.sub = 0
		t.state = inSub
	case ayt:
		t.asked = true
	default:
		return c == iac || c < lowestCommand
	}
	return false
}

// parameter takes a byte within a subnegotiation and tells whether it is data
// because there were too many before it.
func (t *Telnet) parameter() bool {
	if t.sub == maxSubnegotiation {
		t.state = inData
		return true
	}
	t.sub++
	t.state = inSub
	return false
}

// Reply appends to dst what has to be sent to the client since the last call,
// and returns dst. It is at most 72 bytes: up to 15 answers to requests, one
// more to a TIMING-MARK, and one line however often the client asked Are You
// There. A request that finds 15 answers waiting is as if it had not come;
// call Reply after every Strip.
func (t *Telnet) Reply(dst []byte) []byte {
	if t.neg != nil {
		dst = append(dst, t.neg.replies[:t.neg.used]...)
		t.neg.used = 0
	}
	if t.marked {
		dst = append(dst, iac, wont, timingMark)
		t.marked = false
	}
	if t.asked {
		dst = append(dst, hereIAm...)
		t.asked = false
	}
	return dst
}

// Active tells whether an IAC was seen: whether the client is telnet.
func (t *Telnet) Active() bool { return t.active }

// Does tells whether this side uses option, as both have agreed.
func (t *Telnet) Does(option byte) bool { return t.neg != nil && t.neg.us.get(option) == yes }

// Will asks the client to accept (on) or to end this side's use of option, and
// appends to dst what has to be sent for it now, after the replies that are
// due. That may be nothing: while the answer to an earlier request is awaited,
// the wish is kept and follows the answer (RFC 1143, section 7).
func (t *Telnet) Will(dst []byte, option byte, on bool) []byte {
	return t.want(dst, &t.negotiation().us, option, on, will, wont)
}

// Do is the same for the client's use of option. With Binary, Debian's telnet
// sends what is typed with all its eight bits, and a Russian К is no longer a
// command.
func (t *Telnet) Do(dst []byte, option byte, on bool) []byte {
	return t.want(dst, &t.negotiation().him, option, on, do, dont)
}

func (t *Telnet) want(dst []byte, of *side, option byte, on bool, yes, no byte) []byte {
	dst = t.Reply(dst)
	event := weWantOff
	if on {
		event = weWantOn
	}
	next := transitions[event][of.get(option)]
	of.set(option, next.to)
	switch next.say {
	case sayYes:
		dst = append(dst, iac, yes, option)
	case sayNo:
		dst = append(dst, iac, no, option)
	}
	return dst
}

// negotiation is the part of the state that only clients have that speak of
// options. What the peer may do (WILL) and what this side may do (DO) are
// negotiated apart.
type negotiation struct {
	us, him side
	replies [3 * maxReplies]byte
	used    uint8
}

func (t *Telnet) negotiation() *negotiation {
	if t.neg == nil {
		t.neg = new(negotiation)
	}
	return t.neg
}

// negotiate answers a request of the peer's.
func (t *Telnet) negotiate(verb, option byte) {
	neg := t.negotiation()
	if verb == do && option == timingMark {
		if !neg.reply(wont, option) {
			t.marked = true
		}
		return
	}

	at, yes, no := &neg.us, byte(will), byte(wont)
	if verb == will || verb == wont {
		at, yes, no = &neg.him, do, dont
	}
	event := peerWantsOff
	if verb == do || verb == will {
		event = peerWantsOn
		if option == Binary {
			event = peerMayTurnOn
		}
	}

	next := transitions[event][at.get(option)]
	said := true
	switch next.say {
	case sayYes:
		said = neg.reply(yes, option)
	case sayNo:
		said = neg.reply(no, option)
	}
	if said {
		at.set(option, next.to)
	}
}

// reply keeps an answer for Reply, or returns false when there is no room.
func (n *negotiation) reply(verb, option byte) bool {
	if int(n.used) == len(n.replies) {
		return false
	}
	n.used += uint8(copy(n.replies[n.used:], []byte{iac, verb, option}))
	return true
}

// optionState is one option's state on one side: that of RFC 1143, with the bit
// of its queue. Besides there are two that are no with a memory: refused, where
// the refusal is already sent, and ended, where it was on until the peer ended
// it.
type optionState uint8

const (
	no optionState = iota
	refused
	yes
	wantNo
	wantNoOpposite
	wantYes
	wantYesOpposite
	ended
)

// optionEvent is what happens to an option.
type optionEvent uint8

const (
	peerWantsOn   optionEvent = iota // DO, WILL
	peerMayTurnOn                    // the same for an option that is accepted
	peerWantsOff                     // DONT, WONT
	weWantOn
	weWantOff
)

// saying is what an event makes this side say: WILL or DO, WONT or DONT.
type saying uint8

const (
	sayNothing saying = iota
	sayYes
	sayNo
)

type transition struct {
	to  optionState
	say saying
}

// transitions is section 7 of RFC 1143.
var transitions = [...][8]transition{
	peerWantsOn: {
		no:              {refused, sayNo},
		refused:         {refused, sayNothing},
		yes:             {yes, sayNothing},
		wantNo:          {no, sayNothing}, // the RFC's "error: DONT answered by WILL"
		wantNoOpposite:  {yes, sayNothing},
		wantYes:         {yes, sayNothing},
		wantYesOpposite: {wantNo, sayNo},
		ended:           {refused, sayNo},
	},
	peerMayTurnOn: {
		no:              {yes, sayYes},
		refused:         {yes, sayYes},
		yes:             {yes, sayNothing},
		wantNo:          {no, sayNothing},
		wantNoOpposite:  {yes, sayNothing},
		wantYes:         {yes, sayNothing},
		wantYesOpposite: {wantNo, sayNo},
		ended:           {ended, sayNo},
	},
	peerWantsOff: {
		no:              {no, sayNothing},
		refused:         {no, sayNothing},
		yes:             {ended, sayNo},
		wantNo:          {no, sayNothing},
		wantNoOpposite:  {wantYes, sayYes},
		wantYes:         {no, sayNothing},
		wantYesOpposite: {no, sayNothing},
		ended:           {ended, sayNothing},
	},
	weWantOn: {
		no:              {wantYes, sayYes},
		refused:         {wantYes, sayYes},
		yes:             {yes, sayNothing},
		wantNo:          {wantNoOpposite, sayNothing},
		wantNoOpposite:  {wantNoOpposite, sayNothing},
		wantYes:         {wantYes, sayNothing},
		wantYesOpposite: {wantYes, sayNothing},
		ended:           {wantYes, sayYes},
	},
	weWantOff: {
		no:              {no, sayNothing},
		refused:         {refused, sayNothing},
		yes:             {wantNo, sayNo},
		wantNo:          {wantNo, sayNothing},
		wantNoOpposite:  {wantNo, sayNothing},
		wantYes:         {wantYesOpposite, sayNothing},
		wantYesOpposite: {wantYesOpposite, sayNothing},
		ended:           {ended, sayNothing},
	},
}

// side holds the state of 256 options, a bit of it in each of three sets: a
// byte for each would cost five times as much on every telnet session.
type side [3][256 / 8]byte

func (s *side) get(option byte) optionState {
	var v optionState
	for bit := range s {
		v |= optionState(s[bit][option/8]>>(option%8)&1) << bit
	}
	return v
}

func (s *side) set(option byte, v optionState) {
	for bit := range s {
		s[bit][option/8] &^= 1 << (option % 8)
		s[bit][option/8] |= byte(v>>bit&1) << (option % 8)
	}
}
